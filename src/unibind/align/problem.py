"""What every way to fit a head is given and returns: settings, samples, and the fitted head."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..affine import AffineMap
from ..centering import Mean
from ..data.embeddings import CategoryIndex, Vectors, class_means
from ..data.splits import stratified_folds
from .heads import Head
from .ridge import best_ridge_map

CROSS_ENTROPY = "cross_entropy"
_DEFAULT_STEPS = {CROSS_ENTROPY: 20}  # over all items at once; it converges
_DEFAULT_BATCHES = 400
_FOLDS = 5


@dataclass(frozen=True)
class FitConfig:
    """How heads are fitted. The defaults were chosen on development seeds of Heptad.

    `method` is a name in `unibind.align.fit.METHODS`, `loss` one in `unibind.align.losses.LOSSES` or "cross_entropy".
    Only the method "gradient" has a loss, `rank` and `steps`. `rank` limits the learned change of a head; None learns
    all of it. `steps` is their fixed number: by default 20 over all items for the cross-entropy, and 400 over
    `batch_size` items for other losses.

    The rest is for those other losses. `logit_scale` is the initial value of the learned 1 / temperature, which stays
    within `logit_scale_bounds`. `input_noise` is the standard deviation of the Gaussian noise added to each number of
    an input vector.
    """

    method: str = "gradient"
    loss: str = CROSS_ENTROPY
    rank: int | None = None
    steps: int | None = None
    batch_size: int = 512
    lr: float = 2e-3
    weight_decay: float = 0.02
    logit_scale: float = 20.0
    logit_scale_bounds: tuple[float, float] = (1.0, 100.0)
    input_noise: float = 0.02
    seed: int = 0

    @property
    def by_batches(self) -> bool:
        """Whether heads are fitted in steps over batches, which measure nothing by themselves."""
        return self.method == "gradient" and self.loss != CROSS_ENTROPY

    @property
    def step_count(self) -> int:
        """Steps of the fit of one head."""
        return self.steps or _DEFAULT_STEPS.get(self.loss, _DEFAULT_BATCHES)

    @property
    def progress_steps(self) -> int:
        """How often the fit of one head reports progress: every step over a batch, else once."""
        return self.step_count if self.by_batches else 1


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
    validation items, or by cross-validation the training items; H is 0 where nothing could be held out. `penalty` is
    how strongly the head was held to the identity, as a multiple of the default; None where it is not a choice.
    `unfitted` says that the head only removes the mean: nothing else was proven better. `history` has a row per
    candidate, or per hundred steps. `strangers` are items, with their categories, as heads map them that have learned
    neither; None where the method does not say.
    """

    head: Head
    learned_parameters: int
    held_out: tuple[Vectors, CategoryIndex]
    penalty: float | None = None
    unfitted: bool = False
    history: list[dict[str, float]] = field(default_factory=list)
    strangers: tuple[Vectors, CategoryIndex] | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """The fit of one modality's head: training samples against M centered descriptions `texts` [M, D], whose categories
    are given by index. `validation` calibrates; nothing is chosen on it. `outside_anchor_space` says that the samples
    are not in the space of the texts. `progress` is called with the number of finished steps.
    """

    train: Samples
    texts: Vectors
    category_index: CategoryIndex
    config: FitConfig
    validation: Samples | None = None
    outside_anchor_space: bool = False
    progress: Callable[[int], None] | None = None

    def of(self, rows: NDArray[np.intp]) -> Problem:
        """The same for some of the training items; nothing is held out or reported."""
        train = Samples(self.train.vectors[rows], self.train.category_index[rows])
        return Problem(
            train, self.texts, self.category_index, self.config, outside_anchor_space=self.outside_anchor_space
        )

    def without(self, categories: NDArray[np.intp]) -> Problem:
        """The same without some categories: their training items, their texts and their numbers."""
        kept = np.setdiff1d(self.category_index, categories)
        rows, texts = (np.flatnonzero(np.isin(i, kept)) for i in (self.train.category_index, self.category_index))
        train = Samples(self.train.vectors[rows], np.searchsorted(kept, self.train.category_index[rows]))
        return replace(
            self,
            train=train,
            texts=self.texts[texts],
            category_index=np.searchsorted(kept, self.category_index[texts]),
            validation=None,
            progress=None,
        )

    @cached_property
    def targets(self) -> Vectors:
        """Mean description of every category [C, D], at unit length: what items are scored by."""
        return class_means(self.texts, self.category_index, int(self.category_index.max()) + 1)

    @cached_property
    def start(self) -> AffineMap:
        """What a head is before it learns: it removes the mean, or takes vectors from outside to the space of the texts
        by ridge regression on the mean descriptions; an average vector has length 1 afterwards.
        """
        vectors = self.train.vectors
        if self.outside_anchor_space:
            return bringing(vectors, self.targets[self.train.category_index])
        return removing(Mean.of(vectors), vectors)

    def calibrating(self, head: Head) -> tuple[Vectors, CategoryIndex]:
        """The validation items after a head, and their categories; no items where there is no validation."""
        held_out = self.validation or Samples(self.train.vectors[:0], self.train.category_index[:0])
        return head(held_out.vectors), held_out.category_index

    def unfitted(self, history: list[dict[str, float]] | None = None) -> FittedHead:
        """The start as a head, which needs no items held out, for it has not learned from their labels."""
        head = Head(self.start)
        held_out = self.validation or self.train
        return FittedHead(head, 0, (head(held_out.vectors), held_out.category_index), None, True, history or [])


def removing(mean: Mean, vectors: Vectors) -> AffineMap:
    """The map that removes a mean from vectors [N, D], whose average length it makes 1."""
    return _to_unit_length(AffineMap(np.eye(vectors.shape[1], dtype=np.float32), -mean.vector), vectors)


def bringing(vectors: Vectors, targets: Vectors) -> AffineMap:
    """The map that brings vectors [N, D] of another space next to their targets [N, D]; their average length is 1."""
    return _to_unit_length(best_ridge_map(vectors, targets), vectors)


def _to_unit_length(start: AffineMap, vectors: Vectors) -> AffineMap:
    lengths = np.sqrt(np.mean(np.sum(start(vectors) ** 2, axis=1)))
    scale = np.float32(1 / max(float(lengths), 1e-12))
    return AffineMap(start.weight * scale, start.bias * scale)


def folds_of(problem: Problem) -> NDArray[np.intp]:
    """A fold of every training item [N], -1 for an item that is alone with its label; see `stratified_folds`."""
    labels = problem.train.category_index
    count = min(_FOLDS, int(np.bincount(labels).max()))  # of two items per class, one stays in each fold
    return stratified_folds(labels.tolist(), count, problem.config.seed, problem.train.objects)
