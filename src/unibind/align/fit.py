"""LLM-augmented contrastive alignment: fit one small head a modality on stored embeddings (paper, section 3.2).

Samples are pulled towards the descriptions of their category and their own description; text stays where it is. The
backbone has run once per item before; an epoch here is a few matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..data.embeddings import Vectors, class_means
from ..errors import UnibindError, UnknownNameError
from .heads import Head
from .ridge import best_map


@dataclass(frozen=True)
class FitConfig:
    """How heads are fitted. The defaults are first choices, compared with a few others on Heptad's validation split.

    `rank` limits the learned change of a head (W = I + up @ down); None learns all of W, and so do heads of foreign
    modalities, which have a space to leave. `logit_scale` is the start
    of the learned 1 / temperature, kept within `logit_scale_bounds`. Every `check_every` steps the validation
    accuracy is taken; the best state is kept, and `patience` checks without a better one end the fit.
    """

    loss: str = "multi_positive"
    rank: int | None = 64
    steps: int = 400
    batch_size: int = 512
    lr: float = 2e-3
    weight_decay: float = 0.02
    logit_scale: float = 20.0
    logit_scale_bounds: tuple[float, float] = (1.0, 100.0)
    input_noise: float = 0.02
    check_every: int = 20
    patience: int = 6
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Samples:
    """Embedded items of one modality: `vectors` [N, D], category index `labels` [N], and the embeddings of their own
    descriptions `own` [N, D] (None where there are none, a row of zeros where an item has none)."""

    vectors: Vectors
    labels: NDArray[np.intp]
    own: Vectors | None = None


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted head with how it came about."""

    head: Head
    learned_parameters: int
    best_step: int
    history: list[dict[str, float]] = field(default_factory=list)


class _ResidualHead(nn.Module):
    """W = W0 + up @ down (or W0 + R), b = b0 + c: `start` (W0, b0) at first, so that weight decay pulls towards it.

    The identity is the start of a head that may stay near its backbone (`start` None).
    """

    def __init__(self, dim: int, rank: int | None, generator: torch.Generator, start: Head | None = None) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(dim))
        if rank is None:
            self.residual = nn.Parameter(torch.zeros(dim, dim))
        else:
            self.down = nn.Parameter(torch.randn(rank, dim, generator=generator) * dim**-0.5)
            self.up = nn.Parameter(torch.zeros(dim, rank))
        self.rank = rank
        self.start = None if start is None else (torch.from_numpy(start.weight), torch.from_numpy(start.bias))

    def change(self) -> Tensor:
        """W - W0, [D, D]."""
        return self.residual if self.rank is None else self.up @ self.down

    def _from_start(self, x: Tensor) -> Tensor:
        if self.start is None:
            return x
        weight, bias = self.start
        return x @ weight.T + bias

    def forward(self, x: Tensor) -> Tensor:  # [B, D] -> [B, D], unit length
        moved = x @ self.residual.T if self.rank is None else (x @ self.down.T) @ self.up.T
        return functional.normalize(self._from_start(x) + moved + self.bias, dim=-1)

    def merged(self) -> Head:
        weight, bias = self.start or (torch.eye(len(self.bias)), torch.zeros(len(self.bias)))
        weight, bias = weight + self.change().detach(), bias + self.bias.detach()
        return Head(weight.numpy().astype(np.float32), bias.numpy())


# --- losses: (z [B, D], category descriptions [M, D] with owners [M], labels [B], own descriptions [B, D]) ----------


@dataclass(frozen=True, eq=False)
class _Batch:
    z: Tensor  # [B, D] unit, after the head
    labels: Tensor  # [B]
    own: Tensor | None  # [B, D]
    texts: Tensor  # [M, D]
    owner: Tensor  # [M]
    scale: Tensor  # logit scale
    generator: torch.Generator


def multi_positive_loss(batch: _Batch) -> Tensor:
    """Symmetric InfoNCE with many positives: the mean log-likelihood of a sample's positives among all texts, and of
    a text's positives among all samples (the "out" form of supervised contrastive learning, arXiv 2004.11362)."""
    texts, positive = batch.texts, batch.labels[:, None] == batch.owner[None, :]  # [B, M]
    if batch.own is not None:
        described = batch.own.any(dim=1)
        texts = torch.cat([texts, batch.own[described]])
        its_own = torch.eye(len(batch.z), dtype=torch.bool)[:, described]
        positive = torch.cat([positive, its_own], dim=1)  # [B, M + those described]
    logits = batch.scale * batch.z @ texts.T
    return (_mean_positive(logits, positive) + _mean_positive(logits.T, positive.T)) / 2


def _mean_positive(logits: Tensor, positive: Tensor) -> Tensor:
    """Cross-entropy against the uniform distribution over each row's positives; rows without one do not count."""
    log_p = logits.log_softmax(dim=1).masked_fill(~positive, 0.0)
    count = positive.sum(dim=1)
    return -(log_p.sum(dim=1) / count.clamp(min=1))[count > 0].mean()


def released_loss(batch: _Batch) -> Tensor:
    """The released code's loss (QC-LY/UniBind, utils/utils.py: loss_fun): one-way cross-entropy of the batch's samples
    against the batch's descriptions, the diagonal is right, no temperature."""
    described = batch.own
    if described is None or not described.any(dim=1).all():  # a random description of the sample's category
        draw = torch.rand(len(batch.labels), len(batch.owner), generator=batch.generator)
        drawn = batch.texts[draw.masked_fill(batch.labels[:, None] != batch.owner, -1.0).argmax(dim=1)]
        described = drawn if described is None else torch.where(described.any(dim=1, keepdim=True), described, drawn)
    return functional.cross_entropy(batch.z @ described.T, torch.arange(len(batch.z)))


LOSSES: dict[str, Callable[[_Batch], Tensor]] = {"multi_positive": multi_positive_loss, "released": released_loss}


# --- fit -----------------------------------------------------------------------------------------------------------


def fit_head(
    train: Samples,
    texts: Vectors,
    owner: NDArray[np.intp],
    config: FitConfig,
    *,
    validation: Samples | None = None,
    foreign: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Fitted:
    """Fit one modality's head on embedded samples against category descriptions `texts` [M, D] of `owner` [M].

    The head starts as the identity. Where the samples are `foreign` to the texts' space, it starts as the ridge map
    from the training samples to their categories' mean descriptions, and `config.rank` does not limit it.

    With `validation`, the state with the best top-1 against the categories' mean descriptions is returned, else the
    last. Runs on the CPU in float32 and is deterministic for `config.seed`. Raises UnibindError where there is no
    training sample, and UnknownNameError for a loss.
    """
    if config.loss not in LOSSES:
        raise UnknownNameError("loss", config.loss, LOSSES)
    if not len(train.vectors):
        raise UnibindError("there is no labeled training item to fit a head on; check the manifest's split and label")
    loss_of = LOSSES[config.loss]
    generator = torch.Generator().manual_seed(config.seed)
    means = class_means(texts, owner, int(owner.max()) + 1)
    start = Head(*best_map(train.vectors, means[train.labels])) if foreign else None
    head = _ResidualHead(texts.shape[1], None if foreign else config.rank, generator, start)
    log_scale = nn.Parameter(torch.tensor(math.log(config.logit_scale)))
    groups: list[dict[str, Any]] = [
        {"params": head.parameters(), "weight_decay": config.weight_decay},
        {"params": [log_scale]},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.lr, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.lr, total_steps=config.steps, pct_start=0.1)

    x, labels, own = _tensors(train)
    t, o = torch.from_numpy(texts), torch.from_numpy(owner)
    lowest, highest = (math.log(bound) for bound in config.logit_scale_bounds)
    history: list[dict[str, float]] = []
    best_accuracy, best_step, best_head = -1.0, 0, head.merged()
    if validation is not None:
        best_accuracy = _accuracy(best_head, validation, means)
        history.append({"step": 0, "val_top1": best_accuracy})
    for step, rows in enumerate(_batches(len(x), config, generator), start=1):
        noise = torch.randn(len(rows), x.shape[1], generator=generator) * config.input_noise
        z = head(functional.normalize(x[rows] + noise, dim=-1))
        own_rows = None if own is None else own[rows]
        loss = loss_of(_Batch(z, labels[rows], own_rows, t, o, log_scale.exp(), generator))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            log_scale.clamp_(lowest, highest)
        if progress is not None:
            progress(step)
        if step % config.check_every == 0 or step == config.steps:
            facts = {"step": step, "loss": loss.item(), "logit_scale": log_scale.exp().item()}
            if validation is None:
                best_step, best_head = step, head.merged()
            else:
                merged = head.merged()
                facts["val_top1"] = _accuracy(merged, validation, means)
                if facts["val_top1"] > best_accuracy:
                    best_accuracy, best_step, best_head = facts["val_top1"], step, merged
            history.append(facts)
            if validation is not None and step - best_step >= config.patience * config.check_every:
                break
    learned = sum(p.numel() for p in head.parameters()) + 1
    return Fitted(best_head, learned, best_step, history)


def _tensors(samples: Samples) -> tuple[Tensor, Tensor, Tensor | None]:
    own = None if samples.own is None else torch.from_numpy(samples.own)
    return torch.from_numpy(samples.vectors), torch.from_numpy(samples.labels), own


def _batches(count: int, config: FitConfig, generator: torch.Generator) -> Sequence[Tensor]:
    """Index batches of `config.steps` steps, reshuffled every epoch."""
    size, out = min(config.batch_size, count), list[Tensor]()
    while len(out) < config.steps:
        out += [b for b in torch.randperm(count, generator=generator).split(size) if len(b) == size]
    return out[: config.steps]


def _accuracy(head: Head, samples: Samples, means: Vectors) -> float:
    """Top-1 against the mean description [C, D] of every category."""
    return float(np.mean(np.argmax(head(samples.vectors) @ means.T, axis=1) == samples.labels))


def fit_heads(
    train: Mapping[str, Samples],
    texts: Vectors,
    owner: NDArray[np.intp],
    config: FitConfig | None = None,
    *,
    validation: Mapping[str, Samples] | None = None,
    foreign: Collection[str] = (),
    progress: Callable[[str, int], None] | None = None,
) -> dict[str, Fitted]:
    """Fit every modality's head, each on its own: text is fixed, so they meet there. See `fit_head`.

    `foreign` are the modalities whose samples are not in the texts' space.
    """
    config = config or FitConfig()
    return {
        modality: fit_head(
            samples,
            texts,
            owner,
            config,
            validation=(validation or {}).get(modality),
            foreign=modality in foreign,
            progress=None if progress is None else (lambda step, m=modality: progress(m, step)),  # type: ignore[misc]
        )
        for modality, samples in train.items()
    }
