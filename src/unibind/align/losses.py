"""Losses for fitting heads. A loss maps a `Batch` to a scalar; `LOSSES` lists them by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
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
    texts = batch.texts
    positive = batch.category_index[:, None] == batch.text_category_index[None, :]  # [B, M]
    if batch.own_descriptions is not None:
        described = batch.own_descriptions.any(dim=1)
        texts = torch.cat([texts, batch.own_descriptions[described]])
        own = torch.eye(len(batch.z), dtype=torch.bool)[:, described]
        positive = torch.cat([positive, own], dim=1)  # [B, M + number of samples with a description]
    logits = batch.logit_scale * batch.z @ texts.T
    return (_mean_over_positives(logits, positive) + _mean_over_positives(logits.T, positive.T)) / 2


def _mean_over_positives(logits: Float[Tensor, "r c"], positive: Bool[Tensor, "r c"]) -> Float[Tensor, ""]:
    """Cross-entropy against the uniform distribution over each row's positives; rows without any are ignored."""
    log_p = logits.log_softmax(dim=1).masked_fill(~positive, 0.0)
    count = positive.sum(dim=1)
    return -(log_p.sum(dim=1) / count.clamp(min=1))[count > 0].mean()


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
    order = torch.rand(len(batch.category_index), len(batch.text_category_index), generator=batch.generator)
    other_category = batch.category_index[:, None] != batch.text_category_index
    return batch.texts[order.masked_fill(other_category, -1.0).argmax(dim=1)]


LOSSES: dict[str, Callable[[Batch], Tensor]] = {"multi_positive": multi_positive_loss, "released": released_loss}
