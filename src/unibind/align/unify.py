"""Unified heads: all modalities, text included, are moved together, so that they mix.

Heads that are fitted one by one against fixed texts leave every modality where only its own items are near. Here items
of distinct modalities are contrasted with each other: the loss pulls an item toward the items of its class in other
modalities, and toward those of its own object, and pushes it away from all the rest, its own modality included
(supervised contrastive learning, arXiv 2004.11362, with positives of other modalities only).

What is learned is then averaged with the heads before (weight-space ensembling, arXiv 2109.01903): nearly all that the
fitted classes gain remains, and what the fit has not seen, such as other classes and colors, keeps more of its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from ..affine import AffineMap
from ..centering import Mean
from ..data.embeddings import CategoryIndex, Vectors, class_means
from ..data.splits import stratified_folds
from ..errors import UnibindError
from ..modalities import ANCHOR
from .heads import Head
from .learning import Change, learn
from .problem import Samples, bringing, removing
from .threads import suitable_threads

Rows = NDArray[np.intp]
_Array = TypeVar("_Array", Vectors, Tensor)

PENALTIES = (16.0, 4.0, 1.0)  # multiples of the decay toward the start; the first, where nothing can be held out
SHARE = 0.7  # of what was learned, in the average with the start
STEPS = 150
_DECAY = 0.02
_OBJECT_WEIGHT = 0.3  # of the contrast of objects, beside that of classes
_BATCH = 64  # items of each modality
_BATCH_CLASSES = 32  # few enough that items of one class meet
_MEASURED = 256  # items of each modality that a choice is measured on
_SCALES = np.geomspace(5, 100, 8)  # at which a choice is measured
_FOLDS = 3


def contrast_across(
    z: Float[Tensor, "n d"],
    modality: Int[Tensor, " n"],
    names: Int[Tensor, "k n"],
    logit_scale: Float[Tensor, ""] | float,
) -> Float[Tensor, " k"]:
    """Supervised contrast of N unit vectors across modalities, for each of K ways to name the items.

    The positives of an item are those of its name in other modalities. Its negatives are all other items, and those of
    its name in its own modality are among them: nothing is gained by modalities that keep to themselves. A name below 0
    is none. Items without positives only serve as negatives; 0 where no item has any.
    """
    logits = (logit_scale * z @ z.T).fill_diagonal_(-math.inf)
    total, across = logits.logsumexp(dim=1), modality[:, None] != modality
    losses = []
    for name in names:
        positive = (name[:, None] == name) & across & (name >= 0)
        counts = positive.sum(dim=1)
        pull = torch.where(positive, logits, 0.0).sum(dim=1) / counts.clamp(min=1)
        some = counts > 0
        losses.append(torch.where(some, total - pull, 0.0).sum() / some.sum().clamp(min=1))
    return torch.stack(losses)


@dataclass(frozen=True, eq=False)
class Unified:
    """Heads of all modalities that were fitted together, and the record of the fit.

    `held_out` are, per modality, H items as mapped by heads that did not learn from them [H, D], and their categories:
    the validation items, or by cross-validation the training items. `penalty` is how strongly the heads were held to
    their start, as a multiple of the weakest decay. `history` has a row per candidate.
    """

    heads: dict[str, Head]
    held_out: dict[str, tuple[Vectors, CategoryIndex]]
    penalty: float
    history: list[dict[str, float]] = field(default_factory=list)


def fit_unified(
    train: Mapping[str, Samples],
    *,
    validation: Mapping[str, Samples] | None = None,
    outside_anchor_space: Collection[str] = (),
    steps: int = STEPS,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Unified:
    """Fit the heads of all modalities together; one of them is text.

    Samples of distinct modalities with the same object are the same thing. Samples of text whose object is None are
    descriptions of their category. The decay toward the start, which removes the mean of the modality, is chosen by
    cross-validation inside the training items, whose objects stay together in all modalities; `validation` calibrates.
    Each fit takes `steps`; `progress` is called with the number just done, of at most `planned_steps` in all. Runs on
    the CPU and is deterministic for `seed`. Raises UnibindError where text is missing or the fit diverges.
    """
    if ANCHOR not in train:
        raise UnibindError(f"a unified fit needs samples of {ANCHOR}; pass descriptions, or captions of the items")
    items = _Items.of(train, outside_anchor_space)
    run = _Run(steps, seed, progress or (lambda _: None))
    with suitable_threads((len(train) + 1) * _BATCH * items.dim * ((len(train) + 1) * _BATCH + items.dim)):
        return _fit(items, validation, run)


def _fit(items: _Items, validation: Mapping[str, Samples] | None, run: _Run) -> Unified:
    choice, history = 0, list[dict[str, float]]()
    folds = list(items.folds(run.seed))
    if folds:
        candidates = [items.fit(folds[0][0], penalty, run) for penalty in PENALTIES]
        losses = [items.loss(maps, folds[0][1], run.seed) for maps in candidates]
        choice = int(np.argmin(losses))
        history = [{"penalty": p, "held_out_loss": loss} for p, loss in zip(PENALTIES, losses, strict=True)]
    maps = items.fit(np.arange(len(items.category)), PENALTIES[choice], run)
    heads = {m: Head(fitted) for m, fitted in maps.items()}
    if validation is not None:
        held_out = {m: (heads[m](s.vectors), s.category_index) for m, s in validation.items()}
    else:
        others = [items.fit(learned, PENALTIES[choice], run) for learned, _ in folds[1:]]
        parts = [candidates[choice], *others] if folds else []
        held_out = items.mapped([(part, held) for part, (_, held) in zip(parts, folds, strict=True)])
    return Unified(heads, held_out, PENALTIES[choice], history)


def planned_steps(steps: int = STEPS, *, validated: bool) -> int:
    """How many steps `fit_unified` reports at most."""
    return steps * (len(PENALTIES) + 1 + (0 if validated else _FOLDS - 1))


@dataclass(frozen=True)
class _Run:
    """How every fit of a unified fit is run."""

    steps: int
    seed: int
    report: Callable[[int], None]


# --- the items of all modalities in one table ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Items:
    """The items of all modalities, one after the other: N rows of a table.

    `first` is the row of each modality's first item. `group` numbers modality and kind: descriptions of categories are
    another kind of text than captions. `objects` are numbers; each item without one has its own, descriptions -1.
    """

    vectors: dict[str, Vectors]
    starts: dict[str, AffineMap]
    first: dict[str, int]
    modality: Int[np.ndarray, " n"]
    group: Int[np.ndarray, " n"]
    category: CategoryIndex
    objects: Int[np.ndarray, " n"]

    @classmethod
    def of(cls, train: Mapping[str, Samples], outside_anchor_space: Collection[str]) -> _Items:
        counts = [len(s.vectors) for s in train.values()]
        modality = np.repeat(np.arange(len(train)), counts)
        category = np.concatenate([s.category_index for s in train.values()])
        names = [_objects(m, s) for m, s in train.items()]
        numbers: dict[Hashable, int] = {}
        for name in (name for own in names for name in own if name is not None):
            numbers.setdefault(name, len(numbers))
        objects = np.array([-1 if name is None else numbers[name] for own in names for name in own], np.intp)
        starts = _starts(train, names[list(train).index(ANCHOR)], outside_anchor_space)
        return cls(
            {m: s.vectors for m, s in train.items()},
            starts,
            dict(zip(train, np.cumsum([0, *counts]).tolist(), strict=False)),
            modality,
            2 * modality + (objects < 0),
            category,
            objects,
        )

    @cached_property
    def started(self) -> dict[str, Tensor]:
        """The vectors after the starts."""
        return {m: torch.from_numpy(start(self.vectors[m])) for m, start in self.starts.items()}

    @property
    def dim(self) -> int:
        """Width of the vectors after the start."""
        return self.starts[ANCHOR].dim_out

    def folds(self, seed: int) -> Iterator[tuple[Rows, Rows]]:
        """Rows that are learned from, and rows that are held out; descriptions of categories never are."""
        items = np.flatnonzero(self.objects >= 0)
        folds = np.full(len(self.category), -1)
        groups = self.objects[items].tolist()
        folds[items] = stratified_folds(self.category[items].tolist(), _FOLDS, seed, groups)
        for fold in range(folds.max(initial=-1) + 1):
            yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)

    def fit(self, rows: Rows, penalty: float, run: _Run) -> dict[str, AffineMap]:
        """The maps of all modalities that are learned from some of the rows."""
        changes = {m: Change.nothing(self.dim) for m in self.vectors}
        generator = torch.Generator().manual_seed(run.seed)

        def loss(logit_scale: Tensor) -> Tensor:
            batch = self._batch(rows, _BATCH, generator)
            z = torch.cat([changes[m](x, generator) for m, x in self._of(batch, self.started)])
            return self._contrast(z, batch, logit_scale)

        learn(changes.values(), loss, decay=penalty * _DECAY, steps=run.steps, report=run.report)
        return {m: changes[m].after(start, SHARE) for m, start in self.starts.items()}

    def loss(self, maps: Mapping[str, AffineMap], held: Rows, seed: int) -> float:
        """The contrast of items that were held out, and of descriptions, at the best of a few logit scales."""
        described = np.flatnonzero(self.objects < 0)
        batch = self._batch(np.concatenate([held, described]), _MEASURED, torch.Generator().manual_seed(seed))
        z = torch.cat([torch.from_numpy(Head(maps[m])(vectors)) for m, vectors in self._of(batch, self.vectors)])
        return min(float(self._contrast(z, batch, float(scale))) for scale in _SCALES)

    def mapped(self, parts: Sequence[tuple[Mapping[str, AffineMap], Rows]]) -> dict[str, tuple[Vectors, CategoryIndex]]:
        """Rows after the maps of their part, and their categories, by modality."""
        found: dict[str, list[tuple[Vectors, CategoryIndex]]] = {m: [] for m in self.vectors}
        for maps, rows in parts:
            for m, vectors in self._of(rows, self.vectors):
                own = rows[self.modality[rows] == list(self.vectors).index(m)]
                found[m].append((Head(maps[m])(vectors), self.category[own]))
        return {
            m: (np.concatenate([v for v, _ in some]), np.concatenate([c for _, c in some]))
            for m, some in found.items()
            if some
        }

    def _contrast(self, z: Tensor, rows: Rows, logit_scale: Tensor | float) -> Tensor:
        names = torch.from_numpy(np.stack([self.category[rows], self.objects[rows]]))
        of_classes, of_objects = contrast_across(z, torch.from_numpy(self.modality[rows]), names, logit_scale)
        return of_classes + _OBJECT_WEIGHT * of_objects

    def _batch(self, rows: Rows, size: int, generator: torch.Generator) -> Rows:
        """At most `size` rows of every group, ordered by group, of the same classes and objects where possible."""
        order = torch.rand(int(self.objects.max(initial=0)) + 1, generator=generator).numpy()
        classes = torch.rand(int(self.category.max()) + 1, generator=generator).numpy()
        preferred = np.zeros(len(classes), bool)
        preferred[np.argsort(classes)[:_BATCH_CLASSES]] = True
        objects = self.objects[rows]
        by_chance = torch.rand(len(rows), generator=generator).numpy()
        keys = np.where(objects >= 0, order[objects], by_chance) + ~preferred[self.category[rows]]
        groups = self.group[rows]
        chosen = [_smallest(keys, np.flatnonzero(groups == g), size) for g in np.unique(groups)]
        return rows[np.concatenate(chosen)]

    def _of(self, rows: Rows, vectors: Mapping[str, _Array]) -> Iterator[tuple[str, _Array]]:
        """The vectors of the rows, modality by modality."""
        for i, m in enumerate(self.vectors):
            own = rows[self.modality[rows] == i] - self.first[m]
            if len(own):
                yield m, vectors[m][own]


def _starts(
    train: Mapping[str, Samples], texts: Sequence[Hashable | None], outside_anchor_space: Collection[str]
) -> dict[str, AffineMap]:
    """What the heads are before they learn: they remove means, to which captions and descriptions of categories (texts
    without an object) contribute equally, or bring what is outside the space of the texts to the mean text of each
    category.
    """
    vectors, category = train[ANCHOR].vectors, train[ANCHOR].category_index
    captions = np.array([name is not None for name in texts], bool)
    kinds = [Mean.of(some) for some in (vectors[captions], vectors[~captions]) if len(some)]
    mean = Mean(np.mean([kind.vector for kind in kinds], axis=0, dtype=np.float32), len(vectors))
    text_start = removing(mean, vectors)
    categories = 1 + max(int(s.category_index.max()) for s in train.values())
    targets = class_means(text_start(vectors), category, categories)
    starts = {}
    for m, samples in train.items():
        if m == ANCHOR:
            starts[m] = text_start
        elif m in outside_anchor_space:
            starts[m] = bringing(samples.vectors, targets[samples.category_index])
        else:
            starts[m] = removing(Mean.of(samples.vectors), samples.vectors)
    return starts


def _smallest(keys: NDArray[np.floating], rows: Rows, count: int) -> Rows:
    """Of some rows, those with the smallest keys."""
    return rows[np.argsort(keys[rows], kind="stable")[:count]]


def _objects(modality: str, samples: Samples) -> list[Hashable | None]:
    """A name of the object of every sample; of text None for descriptions of categories."""
    known = list(samples.objects or [None] * len(samples.vectors))
    if modality == ANCHOR:
        return known
    return [(modality, i) if name is None else name for i, name in enumerate(known)]
