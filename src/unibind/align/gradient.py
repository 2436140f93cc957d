"""The default method: a head that is learned by gradient steps and pulled back to the identity.

A head is z = unit((I + R)(x - mean) + b). R and b minimize the cross-entropy of the items against the centered texts,
and R decays to zero as in ProLIP (Fahes et al., arXiv 2410.05270): in inverse proportion to the items per class, so
that with few labels a head stays near to the backbone. Four choices make that quick and free of settings:

- The length of (I + R)(x - mean) + b does not change which class is nearest, so the logits of training leave it out.
  Then the loss is convex, and of all R the best one moves items along the class texts only. What is stepped are its
  products with the texts: two small matrix products per step, none of them for a gradient of x.
- Logistic regression has a known bound of its curvature (Boehning 1992), which gives every direction a step size of its
  own. With Nesterov's momentum a few steps over all items converge; there is no learning rate.
- The decay counts the change of the logits, in coordinates where items are half whitened (divided by the square root of
  their standard deviation), so that directions in which items hardly vary can be used.
- The logit scale is learned first, from the unfitted scores: two fifths of the most likely one, so that items that are
  right already teach, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ..affine import AffineMap
from ..data.embeddings import BLOCK, CategoryIndex, Vectors
from .choice import best_scale, candidate_row, choose
from .heads import Head
from .problem import FittedHead, Problem, folds_of

PENALTIES = (math.inf, 3.0, 1.0, 0.3)  # multiples of the default decay; infinite: the head stays unfitted
_UNFITTED, _DEFAULT = 0, 2
_DECAY = 0.014  # of the squared change of the logits, divided by the items per class
_BIAS_DECAY = 0.1  # of that of R
_SOFTENING = 0.4  # of the most likely logit scale
_SCALES = (1.0, 100.0)
_CATEGORY_GROUPS = 6  # that take turns in being left out, for the look of items of unknown categories
_MANY_ITEMS = 20_000  # of which one fold is proof enough
_EMPTY_DIRECTION = 1e-6  # of the largest second moment

Rows = NDArray[np.intp]


def fit_gradient(problem: Problem) -> FittedHead:
    """The head that minimizes the cross-entropy with the decay that cross-validation inside the training items chooses.

    One of the candidates is an infinite decay: then the head stays unfitted. Where no class has two items, nothing can
    be held out, and the default decay is used.
    """
    space, train = _Space.of(problem), problem.train
    parts = list(_cross_validation(problem, space))
    choice, history = _DEFAULT, list[dict[str, float]]()
    if parts:
        truth = np.concatenate([train.category_index[part.rows] for part in parts])
        scores = [np.concatenate([part.scores[i] for part in parts]) for i in range(len(PENALTIES))]
        choice = choose(scores, truth, default=_DEFAULT, unfitted=_UNFITTED)
        history = [candidate_row(s, truth, penalty=p) for p, s in zip(PENALTIES, scores, strict=True)]
    if choice == _UNFITTED and not problem.outside_anchor_space:
        return problem.unfitted(history)
    head = Head(space.map(space.fit(np.arange(len(train.vectors)), PENALTIES[choice])))
    held_out = problem.calibrating(head)
    if problem.validation is None and parts:
        held_out = np.concatenate([part.head(choice)(train.vectors[part.rows]) for part in parts]), truth
    strangers = _strangers(problem, PENALTIES[choice])
    return FittedHead(head, space.learned_parameters, held_out, PENALTIES[choice], False, history, strangers)


def _strangers(problem: Problem, penalty: float) -> tuple[Vectors, CategoryIndex] | None:
    """The validation items, or else the training items, as heads map them that were fitted without their category.

    Of many items, those of one group of categories; None where too few categories have items. Not even the coordinates
    may be those of all items: how little the others vary in the directions of a category decides what becomes of it.
    """
    asked, labeled = problem.validation or problem.train, np.unique(problem.train.category_index)
    groups = min(_CATEGORY_GROUPS, len(labeled))
    if len(labeled) - -(-len(labeled) // groups) < 2:
        return None
    mapped, rows = list[Vectors](), list[Rows]()
    for group in (labeled[start::groups] for start in range(1 if len(asked.vectors) > _MANY_ITEMS else groups)):
        space = _Space.of(problem.without(group))
        head = Head(space.map(space.fit(np.arange(len(space.items)), penalty)))
        rows.append(np.flatnonzero(np.isin(asked.category_index, group)))
        mapped.append(head(asked.vectors[rows[-1]]))
    return np.concatenate(mapped), asked.category_index[np.concatenate(rows)]


def fit_one(problem: Problem, penalty: float = 1.0) -> Head:
    """The head for one penalty, a multiple of the default; nothing is held out."""
    space = _Space.of(problem)
    return Head(space.map(space.fit(np.arange(len(problem.train.vectors)), penalty)))


@dataclass(frozen=True, eq=False)
class _Part:
    """Items held out, and per penalty the change that was fitted without them and the scores they have after it."""

    rows: Rows
    space: _Space
    changes: list[_Change]
    scores: list[Vectors]

    def head(self, choice: int) -> Head:
        """The head of a penalty."""
        return Head(self.space.map(self.changes[choice]))


def _cross_validation(problem: Problem, space: _Space) -> Iterator[_Part]:
    """Every item that is not alone with its label, held out once. The coordinates of all items serve every fold, except
    outside the anchor space, where the start has learned from labels.
    """
    for rest, held in _folds(problem):
        if problem.outside_anchor_space:
            space, rest = _Space.of(problem.of(rest)), np.arange(len(rest))
        changes = [space.fit(rest, penalty) for penalty in PENALTIES]
        vectors = space.problem.start(problem.train.vectors[held])
        yield _Part(held, space, changes, [space.scores(vectors, change) for change in changes])


def _folds(problem: Problem) -> Iterator[tuple[Rows, Rows]]:
    """Rows that are learned from and rows that are held out, of each fold; of many items, of one fold."""
    folds = folds_of(problem)
    for fold in range(1 if len(folds) > _MANY_ITEMS else folds.max() + 1):
        yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)


@dataclass(frozen=True, eq=False)
class _Change:
    """What R and b change in the coordinates of a space: `along` [Q, K], by which a whitened item moves along the class
    texts, and `shift` [Q].
    """

    along: Tensor
    shift: Tensor


@dataclass(frozen=True, eq=False)
class _Space:
    """The items of a problem in coordinates where the fit is easy.

    `items` [N, K] are half whitened, by `whitening` [D, K], and `spread` [K] are their second moments. `directions`
    [D, Q] are orthonormal and span the differences of the class texts, whose products with them are `texts` [C, Q];
    `curvature` [Q] bounds that of the loss along each. `base` [N, C] are the unfitted logits, at `scale`.
    """

    whitening: Float[np.ndarray, "d k"]
    spread: Tensor
    items: Tensor
    directions: Float[np.ndarray, "d q"]
    texts: Tensor
    curvature: Tensor
    base: Tensor
    labels: Tensor
    scale: float
    problem: Problem

    @classmethod
    def of(cls, problem: Problem) -> _Space:
        vectors, targets = problem.start(problem.train.vectors), problem.targets
        base = vectors @ targets.T
        scale = float(np.clip(_SOFTENING * best_scale(base, problem.train.category_index), *_SCALES))
        whitening, spread = _half_whitening(vectors)
        spanning = np.linalg.qr(targets.T.astype(np.float64))[0]
        products = targets @ spanning
        centered = products - products.mean(axis=0)
        curvature, axes = np.linalg.eigh(centered.T @ centered)
        telling = curvature > _EMPTY_DIRECTION * curvature[-1]  # the rest moves all classes alike
        curvature, axes = curvature[telling], axes[:, telling]
        return cls(
            whitening,
            torch.from_numpy(spread),
            torch.from_numpy(vectors @ whitening),
            spanning @ axes,
            torch.from_numpy((products @ axes).astype(np.float32)),
            torch.from_numpy(curvature.astype(np.float32)),
            torch.from_numpy(scale * base),
            torch.from_numpy(problem.train.category_index),
            scale,
            problem,
        )

    @property
    def learned_parameters(self) -> int:
        """Numbers that a fit learns: R along the class texts, as such or as two factors, b along them, and the scale;
        outside the anchor space, all of the map and the scale.
        """
        dim, count = self.directions.shape
        if self.problem.outside_anchor_space:
            return dim * dim + dim + 1
        rank = self.problem.config.rank
        change = dim * count if rank is None or rank >= count else rank * (dim + count)
        return change + count + 1

    def fit(self, rows: Rows, penalty: float) -> _Change:
        """The change that minimizes the cross-entropy of some of the items plus the decay."""
        along, shift = torch.zeros(len(self.curvature), len(self.spread)), torch.zeros(len(self.curvature))
        if math.isinf(penalty):
            return _Change(along, shift)
        chosen = torch.from_numpy(rows)
        items, base, labels = self.items[chosen], self.base[chosen], self.labels[chosen]
        decay = 2 * penalty * _DECAY * len(labels.unique()) / len(rows)
        bound = self.curvature[:, None] / 2  # of the softmax; `spread` bounds that of any share of the items, scaled up
        step = 1 / (bound * self.spread * (len(self.items) / len(rows)) + decay)
        step_of_shift = 1 / (bound[:, 0] + decay * _BIAS_DECAY)
        before, before_shift, momentum = along, shift, 1.0
        for _ in range(self.problem.config.step_count):
            later = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            ahead = along + (momentum - 1) / later * (along - before)
            ahead_shift = shift + (momentum - 1) / later * (shift - before_shift)
            before, before_shift, momentum = along, shift, later
            slope, slope_of_shift = self._slope(items, base, labels, ahead, ahead_shift)
            along = ahead - step * (slope + decay * ahead)
            shift = ahead_shift - step_of_shift * (slope_of_shift + decay * _BIAS_DECAY * ahead_shift)
        return _Change(_of_rank(along, self.problem.config.rank), shift)

    def _slope(
        self, items: Tensor, base: Tensor, labels: Tensor, along: Tensor, shift: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gradient of the mean cross-entropy for `along` and `shift`, in blocks of items."""
        weight, bias = self.texts @ along, self.texts @ shift  # [C, K], [C]
        slope, slope_of_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        block = max(1, BLOCK // len(weight))
        for x, logits, own in zip(items.split(block), base.split(block), labels.split(block), strict=True):
            surplus = torch.softmax(logits + bias + x @ weight.T, dim=1)
            surplus[torch.arange(len(own)), own] -= 1
            slope += surplus.T @ x
            slope_of_bias += surplus.sum(dim=0)
        return self.texts.T @ slope / len(items), self.texts.T @ slope_of_bias / len(items)

    def scores(self, vectors: Vectors, change: _Change) -> Vectors:
        """Scores [H, C] of vectors that the start has mapped, after a change."""
        moved = (vectors @ self.whitening) @ change.along.numpy().T + change.shift.numpy()
        return np.asarray(vectors @ self.problem.targets.T + moved @ self.texts.numpy().T / self.scale, np.float32)

    def map(self, change: _Change) -> AffineMap:
        """The start, and then the identity plus R, plus b."""
        start = self.problem.start
        along, shift = (t.numpy().astype(np.float64) / self.scale for t in (change.along, change.shift))
        along = along @ self.whitening.T  # [Q, D]
        weight = start.weight + self.directions @ (along @ start.weight)
        bias = start.bias + self.directions @ (along @ start.bias + shift)
        return AffineMap(weight.astype(np.float32), bias.astype(np.float32))


def _half_whitening(vectors: Vectors) -> tuple[Float[np.ndarray, "d k"], Float[np.ndarray, " k"]]:
    """The axes along which vectors [N, D] vary, each divided by the square root of their standard deviation along it,
    and the second moments [K] of the vectors in these coordinates.

    In units in which an item decays on average as it would without.
    """
    few = len(vectors) < vectors.shape[1]
    products = vectors @ vectors.T if few else vectors.T @ vectors
    moments, axes = np.linalg.eigh(products.astype(np.float64) / len(vectors))
    used = moments > _EMPTY_DIRECTION * moments[-1]
    moments, axes = moments[used], axes[:, used]
    if few:
        axes = vectors.T @ axes / np.sqrt(moments * len(vectors))
    deviations = np.sqrt(moments)
    weights = deviations * moments.sum() / (deviations * moments).sum()
    return (axes / np.sqrt(weights)).astype(np.float32), (moments / weights).astype(np.float32)


def _of_rank(along: Tensor, rank: int | None) -> Tensor:
    """The nearest change of a rank."""
    if rank is None or rank >= min(along.shape):
        return along
    left, values, right = torch.linalg.svd(along, full_matrices=False)
    return left[:, :rank] * values[:rank] @ right[:rank]
