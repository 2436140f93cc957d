"""LLM-augmented alignment: fit one small head per modality on stored embeddings (paper, section 3.2).

The text embeddings stay fixed, and samples are moved toward the descriptions of their category: in closed form (see
`align.discriminant`), or by steps on a contrastive loss, which also pulls them toward their own descriptions. The
backbone has already encoded every item once, so a step is a few matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from ..affine import AffineMap
from ..data.embeddings import CategoryIndex, Vectors, class_means
from ..errors import UnibindError, UnknownNameError
from .discriminant import fit_discriminant
from .heads import Head
from .losses import LOSSES, Batch
from .ridge import best_ridge_map


@dataclass(frozen=True)
class FitConfig:
    """How heads are fitted. The defaults were chosen among a few alternatives on Heptad's validation split.

    Without a `loss`, heads are fitted in closed form, and of the other settings only `seed` counts. A `loss` is a name
    in `LOSSES`; heads are then fitted by steps.

    `rank` limits the learned change of a head (W = I + up @ down); None learns all of W.
    Heads of modalities outside the anchor space ignore it, since they have to leave their space. `logit_scale` is the
    initial value of the learned 1 / temperature, which stays within `logit_scale_bounds`. `input_noise` is the standard
    deviation of the Gaussian noise added to each number of an input vector. Every `check_every` steps the validation
    accuracy is measured; the best state is kept, and `patience` checks without improvement end the fit.
    """

    loss: str | None = None
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

    @property
    def progress_steps(self) -> int:
        """How often the fit of one head reports progress: every step, or once in closed form."""
        return self.steps if self.loss else 1


@dataclass(frozen=True, eq=False)
class Samples:
    """Embedded items of one modality: vectors [N, D], their categories [N], the embeddings of the items' own
    descriptions [N, D] (None if no item has one, a row of zeros for each item without one), and the objects that they
    are of [N] (None if each is of its own).
    """

    vectors: Vectors
    category_index: CategoryIndex
    own_descriptions: Vectors | None = None
    objects: Sequence[Hashable] | None = None


@dataclass(frozen=True, eq=False)
class FittedHead:
    """A fitted head and the record of its fit.

    `held_out` are H items as mapped by heads that did not learn from them [H, D], with their categories [H]: the
    validation items, or by cross-validation the training items; H is 0 where nothing could be held out. `history` has a
    row per check of a fit by steps (step, loss, logit scale, `val_top1`), or one row with what the closed form chose.
    """

    head: Head
    learned_parameters: int
    best_step: int
    held_out: tuple[Vectors, CategoryIndex]
    history: list[dict[str, float]] = field(default_factory=list)


def fit_heads(
    train: Mapping[str, Samples],
    texts: Vectors,
    category_index: CategoryIndex,
    config: FitConfig | None = None,
    *,
    validation: Mapping[str, Samples] | None = None,
    outside_anchor_space: Collection[str] = (),
    progress: Callable[[str, int], None] | None = None,
) -> dict[str, FittedHead]:
    """Fit the head of every modality independently; they meet at the fixed text embeddings. See `fit_head`.

    `outside_anchor_space` names the modalities whose samples are not in the space of the texts. `progress` is called
    with the modality and the number of finished steps.
    """
    config = config or FitConfig()
    return {
        modality: fit_head(
            samples,
            texts,
            category_index,
            config,
            validation=(validation or {}).get(modality),
            outside_anchor_space=modality in outside_anchor_space,
            progress=None if progress is None else partial(progress, modality),
        )
        for modality, samples in train.items()
    }


def fit_head(
    train: Samples,
    texts: Vectors,
    category_index: CategoryIndex,
    config: FitConfig,
    *,
    validation: Samples | None = None,
    outside_anchor_space: bool = False,
    progress: Callable[[int], None] | None = None,
) -> FittedHead:
    """Fit one modality's head against the category descriptions `texts` [M, D], whose categories are given by index.

    In closed form, what has to be chosen is chosen on `validation`, or without it by cross-validation (see
    `fit_discriminant`). By steps, the head starts as the identity; for samples outside the anchor space it starts as
    the ridge map from the training samples to the mean descriptions of their categories, and `config.rank` does not
    apply. The state with the best top-1 on `validation` is returned, or without it the last one.

    Runs on the CPU and is deterministic for `config.seed`. Raises UnibindError if the training samples are not of at
    least two categories or the fit diverges, and UnknownNameError for an unknown loss.
    """
    if config.loss is not None and config.loss not in LOSSES:
        raise UnknownNameError("loss", config.loss, LOSSES)
    if not len(train.vectors):
        raise UnibindError("there are no labeled training items to fit a head on; check the manifest's split and label")
    if len(np.unique(train.category_index)) < 2:
        raise UnibindError("all training items have the same label; a fit needs items of at least two classes")
    if config.loss is None:
        fitted = _in_closed_form(train, texts, category_index, config.seed, validation, outside_anchor_space)
        if progress is not None:
            progress(1)
        return fitted
    return _by_steps(train, texts, category_index, config, validation, outside_anchor_space, progress)


def _in_closed_form(
    train: Samples,
    texts: Vectors,
    category_index: CategoryIndex,
    seed: int,
    validation: Samples | None,
    outside_anchor_space: bool,
) -> FittedHead:
    categories = int(category_index.max()) + 1
    means = np.stack([texts[category_index == c].mean(axis=0) for c in range(categories)])
    fitted = fit_discriminant(
        (train.vectors, train.category_index),
        means,
        None if validation is None else (validation.vectors, validation.category_index),
        objects=train.objects,
        in_anchor_space=not outside_anchor_space,
        seed=seed,
    )
    shares = fitted.mixture.shrinkages
    row = {"step": 0, "shrinkage": sum(s * w for s, w in shares.items()) / sum(shares.values())}
    row["text_weight"] = fitted.mixture.text / sum(shares.values())
    if fitted.top1 is not None:
        row["val_top1"] = fitted.top1
    return FittedHead(fitted.head, fitted.learned_parameters, 0, fitted.held_out, [row])


def _by_steps(
    train: Samples,
    texts: Vectors,
    category_index: CategoryIndex,
    config: FitConfig,
    validation: Samples | None,
    outside_anchor_space: bool,
    progress: Callable[[int], None] | None,
) -> FittedHead:
    assert config.loss is not None
    generator = torch.Generator().manual_seed(config.seed)
    means = class_means(texts, category_index, int(category_index.max()) + 1)
    start = best_ridge_map(train.vectors, means[train.category_index]) if outside_anchor_space else None
    head = _ResidualHead(texts.shape[1], None if outside_anchor_space else config.rank, generator, start)
    log_scale = nn.Parameter(torch.tensor(math.log(config.logit_scale)))
    optimizer, schedule = _optimizer(head, log_scale, config)
    data = _TrainingData.of(train, texts, category_index, config, generator)
    best = _BestState(head.merged(), validation, means)
    for step, rows in enumerate(_batches(len(train.vectors), config, generator), start=1):
        loss = LOSSES[config.loss](data.batch(rows, head, log_scale.exp()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        _clamp(log_scale, config.logit_scale_bounds)
        if progress is not None:
            progress(step)
        if step % config.check_every == 0 or step == config.steps:
            _check_finite(loss, step)
            best.update(step, head.merged(), {"loss": loss.item(), "logit_scale": log_scale.exp().item()})
            if validation is not None and step - best.step >= config.patience * config.check_every:
                break
    learned_parameters = sum(p.numel() for p in head.parameters()) + 1
    held_out = validation or Samples(train.vectors[:0], train.category_index[:0])
    mapped = best.head(held_out.vectors), held_out.category_index
    return FittedHead(best.head, learned_parameters, best.step, mapped, best.history)


class _ResidualHead(nn.Module):
    """W = W0 + up @ down (or W0 + R), b = b0 + c, where (W0, b0) is the start, so weight decay pulls toward it.

    Without a start, (W0, b0) is the identity.
    """

    def __init__(self, dim: int, rank: int | None, generator: torch.Generator, start: AffineMap | None = None) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(dim))
        if rank is None:
            self.residual = nn.Parameter(torch.zeros(dim, dim))
        else:
            self.down = nn.Parameter(torch.randn(rank, dim, generator=generator) * dim**-0.5)
            self.up = nn.Parameter(torch.zeros(dim, rank))
        self.rank = rank
        self.start = None if start is None else (torch.from_numpy(start.weight), torch.from_numpy(start.bias))

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Unit-length outputs for unit-length inputs [B, D]."""
        change = x @ self.residual.T if self.rank is None else (x @ self.down.T) @ self.up.T
        return functional.normalize(self._from_start(x) + change + self.bias, dim=-1)

    def _from_start(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        if self.start is None:
            return x
        weight, bias = self.start
        return x @ weight.T + bias

    def merged(self) -> Head:
        """The head with start and change added up."""
        weight, bias = self.start or (torch.eye(len(self.bias)), torch.zeros(len(self.bias)))
        change = self.residual if self.rank is None else self.up @ self.down
        weight, bias = weight + change.detach(), bias + self.bias.detach()
        return Head(AffineMap(weight.numpy().astype(np.float32), bias.numpy()))


@dataclass(frozen=True, eq=False)
class _TrainingData:
    """Training samples and descriptions as tensors, from which batches with noise are made."""

    x: Float[Tensor, "n d"]
    category_index: Tensor
    own_descriptions: Tensor | None
    texts: Float[Tensor, "m d"]
    text_category_index: Tensor
    input_noise: float
    generator: torch.Generator

    @classmethod
    def of(
        cls,
        train: Samples,
        texts: Vectors,
        category_index: CategoryIndex,
        config: FitConfig,
        generator: torch.Generator,
    ) -> _TrainingData:
        return cls(
            torch.from_numpy(train.vectors),
            torch.from_numpy(train.category_index),
            None if train.own_descriptions is None else torch.from_numpy(train.own_descriptions),
            torch.from_numpy(texts),
            torch.from_numpy(category_index),
            config.input_noise,
            generator,
        )

    def batch(self, rows: Tensor, head: nn.Module, logit_scale: Tensor) -> Batch:
        noise = torch.randn(len(rows), self.x.shape[1], generator=self.generator) * self.input_noise
        return Batch(
            head(functional.normalize(self.x[rows] + noise, dim=-1)),
            self.category_index[rows],
            None if self.own_descriptions is None else self.own_descriptions[rows],
            self.texts,
            self.text_category_index,
            logit_scale,
            self.generator,
        )


class _BestState:
    """The head with the best validation accuracy so far; without validation samples, the latest head."""

    def __init__(self, head: Head, validation: Samples | None, means: Float32[np.ndarray, "c d"]) -> None:
        self.head, self.step = head, 0
        self.history: list[dict[str, float]] = []
        self._validation, self._means = validation, means
        self._accuracy = self._top1(head)
        if validation is not None:
            self.history.append({"step": 0, "val_top1": self._accuracy})

    def update(self, step: int, head: Head, measured: dict[str, float]) -> None:
        """Record a check, and keep its head if it is better."""
        entry = {"step": step, **measured}
        accuracy = self._top1(head)
        if self._validation is not None:
            entry["val_top1"] = accuracy
        if self._validation is None or accuracy > self._accuracy:
            self.head, self.step, self._accuracy = head, step, accuracy
        self.history.append(entry)

    def _top1(self, head: Head) -> float:
        """Top-1 on the validation samples against the mean description of every category."""
        if self._validation is None:
            return 0.0
        nearest = np.argmax(head(self._validation.vectors) @ self._means.T, axis=1)
        return float(np.mean(nearest == self._validation.category_index))


def _optimizer(head: nn.Module, log_scale: nn.Parameter, config: FitConfig) -> tuple[Any, Any]:
    """AdamW and its one-cycle schedule; the logit scale has no weight decay."""
    groups: list[dict[str, Any]] = [
        {"params": head.parameters(), "weight_decay": config.weight_decay},
        {"params": [log_scale]},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.lr, weight_decay=0.0)
    warm_up = 0.1 if config.steps > 10 else 0.05  # OneCycleLR divides by zero where the warm-up is exactly one step
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.lr, total_steps=config.steps, pct_start=warm_up)
    return optimizer, schedule


@torch.no_grad()
def _clamp(log_scale: Tensor, bounds: tuple[float, float]) -> None:
    log_scale.clamp_(math.log(bounds[0]), math.log(bounds[1]))


def _check_finite(loss: Tensor, step: int) -> None:
    if not math.isfinite(loss.item()):
        raise UnibindError(f"the fit diverged (the loss at step {step} is {loss.item()}); lower the learning rate")


def _batches(count: int, config: FitConfig, generator: torch.Generator) -> Sequence[Tensor]:
    """One tensor of row numbers per step, reshuffled every epoch; an incomplete batch at the end is dropped."""
    size, batches = min(config.batch_size, count), list[Tensor]()
    while len(batches) < config.steps:
        batches += [rows for rows in torch.randperm(count, generator=generator).split(size) if len(rows) == size]
    return batches[: config.steps]
