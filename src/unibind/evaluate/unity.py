"""Unity and balance: whether the modalities share one space, and whether each serves every other equally well.

Pure functions of unit-length vectors by modality. In a space that is one, a linear classifier cannot tell the
modalities apart, the neighbors of an item are of all modalities, and two items of one class are near to each other
whatever their modalities. A balanced space is another thing: good towers find more than weak ones in any space, so
balance is what remains of the spread of recall once the accuracy of both towers is accounted for.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int

from ..data.embeddings import BLOCK, Vectors, unit
from .metrics import modality_gap

Space = Mapping[str, Vectors]  # modality -> unit-length vectors [N, D]
Names = Mapping[str, Sequence[Hashable]]  # modality -> a name [N] per item: of its object, or of its class

NEIGHBORS = 10
_FOLDS = 5
_PENALTY = 0.01  # of the least-squares classifier, relative to the mean variance of a dimension
_LEAST_PAIRS = 4  # of modalities, for a line and the spread around it


# --- modality gap ----------------------------------------------------------------------------------------------------


def gaps(space: Space) -> dict[str, float]:
    """Mean distance from the mean vector of each modality to those of the others; empty for a single modality."""
    return {
        m: float(np.mean([modality_gap(vectors, other) for n, other in space.items() if n != m]))
        for m, vectors in space.items()
        if len(space) > 1
    }


# --- linear separability ---------------------------------------------------------------------------------------------


def separability(space: Space, objects: Names | None = None, *, seed: int = 0) -> float:
    """Accuracy of a linear classifier that tells the modality of held-out items, averaged over modalities.

    1 is a space of islands, 1 / modalities is chance, and lower values are possible where a fit has removed exactly
    what tells them apart. The classifier is ridge regression to one-hot targets, each modality with equal weight. It is
    cross-validated in five folds that keep all items of an object together; `objects` names these, and without it every
    item is its own. NaN for a single modality or fewer than two objects.
    """
    names = list(space)
    groups = [(m, i) if objects is None else objects[m][i] for m in names for i in range(len(space[m]))]
    folds = _folds(groups, seed)
    if len(names) < 2 or folds.max(initial=0) < 1:
        return float("nan")
    x = np.concatenate([space[m] for m in names]).astype(np.float64)
    truth = np.repeat(np.arange(len(names)), [len(space[m]) for m in names])
    right = np.zeros(len(x), bool)
    for fold in range(folds.max() + 1):
        held = folds == fold
        right[held] = _told_apart(x[~held], truth[~held], x[held], len(names)) == truth[held]
    return float(np.mean([right[truth == m].mean() for m in np.unique(truth)]))


def _folds(groups: Sequence[Hashable], seed: int) -> Int[np.ndarray, " n"]:
    """A fold per item, shared by the items of a group."""
    position = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    of_group = np.random.default_rng(seed).permutation(len(position)) % _FOLDS
    return np.asarray([of_group[position[name]] for name in groups], np.intp)


def _told_apart(
    x: Float64[np.ndarray, "n d"], truth: Int[np.ndarray, " n"], test: Float64[np.ndarray, "t d"], classes: int
) -> Int[np.ndarray, " t"]:
    """The answers of ridge regression to one-hot targets, with equal total weight of every class."""
    weights = 1 / np.maximum(np.bincount(truth, minlength=classes), 1)[truth]
    weights /= weights.sum()
    targets = np.eye(classes)[truth]
    mean, share = weights @ x, weights @ targets
    centered = x - mean
    covariance = (centered * weights[:, None]).T @ centered
    covariance[np.diag_indices_from(covariance)] += _PENALTY * max(np.trace(covariance) / len(covariance), 1e-12)
    solution = np.linalg.solve(covariance, (centered * weights[:, None]).T @ (targets - share))
    return np.asarray(np.argmax((test - mean) @ solution + share, axis=1), np.intp)


# --- neighbors -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mix:
    """Of the nearest neighbors of one modality's items, the share that is of other modalities.

    `expected` is what random mixing would give.
    """

    share: float
    expected: float


def neighbor_mix(space: Space, k: int = NEIGHBORS) -> dict[str, Mix]:
    """How mixed the `k` nearest neighbors of every modality's items are, among the items of all modalities.

    An item is not its own neighbor. Empty where there are fewer than two items.
    """
    everything = np.concatenate(list(space.values())) if space else np.zeros((0, 0), np.float32)
    owner = np.repeat(np.arange(len(space)), [len(v) for v in space.values()])
    k = min(k, len(everything) - 1)
    if k < 1:
        return {}
    others = np.empty(len(everything))
    step = max(1, BLOCK // len(everything))
    for start in range(0, len(everything), step):
        similarity = everything[start : start + step] @ everything.T
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -np.inf
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        others[start : start + step] = (owner[nearest] != owner[start : start + step, None]).mean(axis=1)
    found = {}
    for row, (modality, vectors) in enumerate(space.items()):
        if len(vectors):
            expected = (len(everything) - len(vectors)) / (len(everything) - 1)
            found[modality] = Mix(float(others[owner == row].mean()), expected)
    return found


# --- cosines ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cosines:
    """Mean cosine of two items of different modalities, averaged over the pairs of modalities.

    `same_class` is of two items of one class and `other_class` of two items of different classes; `same_object` is of
    one object in both modalities. NaN where there is no such pair.
    """

    same_object: float
    same_class: float
    other_class: float

    @property
    def margin(self) -> float:
        """How much nearer items of one class are than items of different classes."""
        return self.same_class - self.other_class


def cosines(space: Space, classes: Names, objects: Names | None = None) -> Cosines:
    """Mean cosines across modalities of items with the given classes [N], and objects [N] where these are known."""
    names = list(space)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[:i]]
    of_class = [_same_and_other(space[a], classes[a], space[b], classes[b]) for a, b in pairs]
    known = objects or {}
    of_object = [
        _same_and_other(space[a], known[a], space[b], known[b])[0] for a, b in pairs if a in known and b in known
    ]
    return Cosines(
        _mean_of_known(of_object), _mean_of_known([s for s, _ in of_class]), _mean_of_known([o for _, o in of_class])
    )


def _same_and_other(
    a: Vectors, names_a: Sequence[Hashable], b: Vectors, names_b: Sequence[Hashable]
) -> tuple[float, float]:
    """Mean cosine of all pairs with equal names, and of all pairs with different ones; from sums, not from pairs."""
    shared = {name: row for row, name in enumerate(dict.fromkeys([*names_a, *names_b]))}
    (sums_a, counts_a), (sums_b, counts_b) = (_sums(v, n, shared) for v, n in ((a, names_a), (b, names_b)))
    same, pairs = float(np.einsum("cd,cd->", sums_a, sums_b)), int(counts_a @ counts_b)
    total, all_pairs = float(sums_a.sum(axis=0) @ sums_b.sum(axis=0)), len(a) * len(b)
    return (
        same / pairs if pairs else float("nan"),
        (total - same) / (all_pairs - pairs) if all_pairs > pairs else float("nan"),
    )


def _sums(
    vectors: Vectors, names: Sequence[Hashable], position: Mapping[Hashable, int]
) -> tuple[Float64[np.ndarray, "c d"], Int[np.ndarray, " c"]]:
    rows = np.array([position[name] for name in names], np.intp)
    order, counts = np.argsort(rows, kind="stable"), np.bincount(rows, minlength=len(position))
    sums, filled = np.zeros((len(position), vectors.shape[1])), np.flatnonzero(counts)
    if len(filled):
        starts = np.concatenate([[0], np.cumsum(counts[filled])[:-1]]).astype(np.intp)
        sums[filled] = np.add.reduceat(vectors[order].astype(np.float64), starts, axis=0)
    return sums, counts


def _mean_of_known(values: Sequence[float]) -> float:
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else float("nan")


# --- balance ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Balance:
    """How evenly modalities find each other, over ordered pairs of distinct modalities.

    `mean` and `spread` are mean and standard deviation of recall. `log_spread` is the standard deviation of its
    logarithm, and `residual_spread` that which remains around the line of log recall over log(acc_a * acc_b): 0.1 means
    that a pair typically finds 10 % more or less than two towers of its accuracies do. `slope` is that of the line,
    `correlation` that of the two logarithms: near 1, the plain spread says nothing but how good the towers are.
    """

    mean: float
    spread: float
    log_spread: float
    residual_spread: float
    slope: float
    correlation: float
    pairs: int


def balance(recall: Float[np.ndarray, "m m"], accuracy: Float[np.ndarray, " m"]) -> Balance | None:
    """The balance of recall [M, M] (queries in rows) given the accuracies [M] of the towers, both from 0 to 1.

    The diagonal, NaN, and pairs without any hit or right answer (no logarithm) do not count; None for fewer than four
    pairs. Spreads are of the whole population of pairs; that of the residuals has two degrees of freedom less.
    """
    product = np.outer(accuracy, accuracy)
    with np.errstate(invalid="ignore"):
        counted = ~np.eye(len(recall), dtype=bool) & (recall > 0) & (product > 0)
    if counted.sum() < _LEAST_PAIRS:
        return None
    values = recall[counted]
    x, y = np.log(product[counted]), np.log(values)
    dx, dy = x - x.mean(), y - y.mean()
    level = np.allclose(dx, 0)  # all products are equal: no line but the mean
    slope = 0.0 if level else float(dx @ dy / (dx @ dx))
    undefined = level or np.allclose(dy, 0)
    residuals = dy - slope * dx
    return Balance(
        float(values.mean()),
        float(values.std()),
        float(y.std()),
        float(np.sqrt(residuals @ residuals / (len(y) - 2))),
        slope,
        float("nan") if undefined else float(dx @ dy / np.sqrt((dx @ dx) * (dy @ dy))),
        len(y),
    )


def tower_accuracy(vectors: Vectors, classes: Sequence[Hashable]) -> float:
    """How well one modality tells classes apart without any other: the share of items nearest to their own class mean.

    The item itself is left out of its class's mean, so a class of one item is always missed. Of equally near means a
    wrong one counts. NaN for fewer than two classes.
    """
    position = {name: row for row, name in enumerate(dict.fromkeys(classes))}
    if len(position) < 2:
        return float("nan")
    sums, _ = _sums(vectors, classes, position)
    own = np.array([position[name] for name in classes], np.intp)
    rows = np.arange(len(own))
    scores: Float32[np.ndarray, "n c"] = vectors @ unit(sums).T.astype(np.float32)
    mine = np.einsum("nd,nd->n", vectors, unit(sums[own] - vectors))
    scores[rows, own] = -np.inf
    return float(np.mean(mine > scores.max(axis=1) + 1e-6))
