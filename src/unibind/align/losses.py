"""Losses for fitting heads over batches. A loss maps a `Batch` to a scalar; `LOSSES` lists them by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Batch:
    """What a loss sees: B samples after the head, and the M descriptions of all categories; all vectors unit length.

    `own_descriptions` are the embeddings of the samples' own descriptions: None if no sample has one, a row of zeros
    for each sample without one.
    """

    z: Float[Tensor, "b d"]
    category_index: Int[Tensor, " b"]
    own_descriptions: Float[Tensor, "b d"] | None
    texts: Float[Tensor, "m d"]
    text_category_index: Int[Tensor, " m"]
    logit_scale: Float[Tensor, ""]
    generator: torch.Generator


def multi_positive_loss(batch: Batch) -> Float[Tensor, ""]:
    """Symmetric InfoNCE with many positives, the "out" form of supervised contrastive learning (arXiv 2004.11362).

    Averages the log-likelihood of each sample's positives among all texts with that of each text's positives among
    all samples. The positives of a sample are the descriptions of its category and its own description.
    """
    z, texts = batch.z, batch.texts
    categories = 1 + int(torch.maximum(batch.text_category_index.max(), batch.category_index.max()))
    samples_of = torch.bincount(batch.category_index, minlength=categories)
    texts_of = torch.bincount(batch.text_category_index, minlength=categories)
    sample_positives = _sums(texts, batch.text_category_index, categories)[batch.category_index]  # [B, D]
    sample_counts = texts_of[batch.category_index]
    text_positives = _sums(z, batch.category_index, categories)[batch.text_category_index]  # [M, D]
    text_counts = samples_of[batch.text_category_index]
    if batch.own_descriptions is not None:
        described = batch.own_descriptions.any(dim=1)
        own = batch.own_descriptions[described]
        texts = torch.cat([texts, own])
        sample_positives = sample_positives + batch.own_descriptions
        sample_counts = sample_counts + described
        text_positives = torch.cat([text_positives, z[described]])
        text_counts = torch.cat([text_counts, torch.ones(len(own), dtype=text_counts.dtype)])
    logits = batch.logit_scale * z @ texts.T
    pull_on_samples = batch.logit_scale * (z * sample_positives).sum(dim=1)
    pull_on_texts = batch.logit_scale * (texts * text_positives).sum(dim=1)
    return (
        _mean_over_positives(logits.logsumexp(dim=1), pull_on_samples, sample_counts)
        + _mean_over_positives(logits.logsumexp(dim=0), pull_on_texts, text_counts)
    ) / 2


def _sums(vectors: Float[Tensor, "n d"], category_index: Int[Tensor, " n"], categories: int) -> Float[Tensor, "c d"]:
    """Sum of the vectors of every category."""
    return torch.zeros(categories, vectors.shape[1]).index_add(0, category_index, vectors)


def _mean_over_positives(
    log_sum: Float[Tensor, " r"], positive_logits: Float[Tensor, " r"], counts: Int[Tensor, " r"]
) -> Float[Tensor, ""]:
    """Cross-entropy against the uniform distribution over each row's positives; rows without any are ignored.

    It is the logarithm of the sum of all exponentials less the mean logit of the positives, whose sum is given: so no
    mask of rows times columns is needed.
    """
    some = counts > 0
    return (log_sum - positive_logits / counts.clamp(min=1))[some].mean()


def released_loss(batch: Batch) -> Float[Tensor, ""]:
    """The loss of the released code (QC-LY/UniBind, utils/utils.py, loss_fun).

    One-way cross-entropy of the samples against the batch's descriptions, where the diagonal is correct, without a
    temperature. A sample without its own description gets a random description of its category.
    """
    descriptions = batch.own_descriptions
    if descriptions is None or not descriptions.any(dim=1).all():
        drawn = _random_descriptions(batch)
        if descriptions is None:
            descriptions = drawn
        else:
            descriptions = torch.where(descriptions.any(dim=1, keepdim=True), descriptions, drawn)
    return functional.cross_entropy(batch.z @ descriptions.T, torch.arange(len(batch.z)))


def _random_descriptions(batch: Batch) -> Float[Tensor, "b d"]:
    """One random description of each sample's category."""
    order = torch.argsort(batch.text_category_index, stable=True)  # the descriptions of each category in a row
    counts = torch.bincount(batch.text_category_index)
    first = counts.cumsum(0) - counts
    draw = torch.rand(len(batch.category_index), generator=batch.generator)
    offsets = (draw * counts[batch.category_index]).long()
    return batch.texts[order[first[batch.category_index] + offsets]]


LOSSES: dict[str, Callable[[Batch], Tensor]] = {"multi_positive": multi_positive_loss, "released": released_loss}
