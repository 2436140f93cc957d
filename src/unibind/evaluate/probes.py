"""Classifiers that need no text: what labels alone give, beside a fit that also has descriptions.

Both take training vectors [N, D], their labels [N] and test vectors [M, D], and choose their one setting inside train.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..align.threads import suitable_threads
from ..data.embeddings import BLOCK, CategoryIndex, Vectors, unit
from ..data.splits import stratified_folds
from ..errors import UnibindError
from ..extras import import_extra

_STRENGTHS = (1e-3, 1e-2, 0.1, 1.0)  # sklearn's C, for vectors of mean variance 1; smaller is more regularized
_NEIGHBORS = (1, 3, 5, 10, 20)
_FOLDS = 3
_MAX_ITERATIONS = 100  # most vectors need far fewer; a bound for those that are nearly collinear
_MAX_QUERIES = 2000  # training items that choose the number of neighbors
_VOTE_SCALE = 20.0  # a neighbor votes with exp(scale * cosine), so that nearer ones count more and ties are rare


@dataclass(frozen=True, eq=False)
class Probe:
    """What a control predicted: the `labels` of M items, `scores` [M, C] for C `classes`, and the `setting` chosen."""

    labels: list[str]
    classes: tuple[str, ...]
    scores: Float[np.ndarray, "m c"]
    setting: str


def linear_probe(train: Vectors, labels: Sequence[str], test: Vectors, *, seed: int = 0) -> Probe:
    """Multinomial logistic regression; its penalty is chosen by three-fold cross-validation.

    Vectors are centered and scaled by one number: a scale per dimension would be noise where items are few. `scores`
    are probabilities. Raises UnibindError for fewer than two classes, MissingExtraError without scikit-learn.
    """
    linear_model = import_extra("sklearn.linear_model", "the linear probe")
    classes, category_index = _classes(labels)
    with suitable_threads(train.size * len(classes)):
        return _linear_probe(linear_model, train, labels, classes, category_index, test, seed)


def _linear_probe(
    linear_model: Any,
    train: Vectors,
    labels: Sequence[str],
    classes: tuple[str, ...],
    category_index: CategoryIndex,
    test: Vectors,
    seed: int,
) -> Probe:
    mean, scale = train.mean(axis=0), max(float(np.sqrt(train.var(axis=0).mean())), 1e-12)

    def probabilities(rows: CategoryIndex, x: Vectors, strength: float) -> Float[np.ndarray, "m c"]:
        probe = linear_model.LogisticRegression(C=strength, max_iter=_MAX_ITERATIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # stopping early only regularizes more
            probe.fit((train[rows] - mean) / scale, category_index[rows])
        return np.asarray(probe.predict_proba((x - mean) / scale))

    folds = stratified_folds(labels, _FOLDS, seed)
    correct = dict.fromkeys(_STRENGTHS, 0)
    for fold in range(folds.max() + 1):
        held, kept = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        for strength in correct:
            predicted = probabilities(kept, train[held], strength).argmax(axis=1)  # every class is among the kept
            correct[strength] += int((predicted == category_index[held]).sum())
    best = max(correct, key=lambda strength: correct[strength])
    scores = probabilities(np.arange(len(train)), test, best)
    return Probe([classes[c] for c in scores.argmax(axis=1)], classes, scores, f"C = {best:g}")


def nearest_neighbors(train: Vectors, labels: Sequence[str], test: Vectors, *, seed: int = 0) -> Probe:
    """The weighted vote of the k nearest training items by cosine; k is chosen by leaving one training item out.

    `scores` are shares of the vote. Raises UnibindError for fewer than two classes.
    """
    classes, category_index = _classes(labels)
    queries = np.random.default_rng(seed).permutation(len(train))[:_MAX_QUERIES]
    usable = [k for k in _NEIGHBORS if k < len(train)]
    truth = category_index[queries]
    accuracy = {
        k: float(np.mean(votes.argmax(axis=1) == truth))
        for k, votes in _votes(train[queries], train, category_index, usable, queries).items()
    }
    best = max(accuracy, key=lambda k: accuracy[k])
    scores = _votes(test, train, category_index, [best])[best]
    return Probe([classes[c] for c in scores.argmax(axis=1)], classes, scores, f"k = {best}")


def _classes(labels: Sequence[str]) -> tuple[tuple[str, ...], CategoryIndex]:
    classes = tuple(sorted(set(labels)))
    if len(classes) < 2:
        raise UnibindError(
            f"a control needs training items of at least two classes, not {len(classes)}; label items of another class"
        )
    position = {name: i for i, name in enumerate(classes)}
    return classes, np.array([position[label] for label in labels], np.intp)


def _votes(
    queries: Vectors,
    train: Vectors,
    category_index: CategoryIndex,
    counts: Sequence[int],
    own_rows: CategoryIndex | None = None,
) -> dict[int, Float[np.ndarray, "m c"]]:
    """Shares of the vote [M, C] for every number of neighbors; `own_rows` [M] are the queries' rows in train."""
    queries, train = unit(queries), unit(train)
    votes = {k: np.zeros((len(queries), category_index.max() + 1)) for k in counts}
    step = max(1, BLOCK // len(train))
    for start in range(0, len(queries), step):
        similarity = queries[start : start + step] @ train.T
        rows = np.arange(len(similarity))[:, None]
        if own_rows is not None:
            similarity[rows[:, 0], own_rows[start : start + step]] = -np.inf
        nearest = _best(similarity, max(counts))
        weights = np.exp(_VOTE_SCALE * (similarity[rows, nearest] - 1))
        for k, shares in votes.items():
            np.add.at(shares[start : start + step], (rows, category_index[nearest[:, :k]]), weights[:, :k])
    return {k: shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-30) for k, shares in votes.items()}


def _best(similarity: Float[np.ndarray, "m n"], count: int) -> CategoryIndex:
    """Columns [M, count] of the largest similarities, best first; only these are sorted."""
    if count >= similarity.shape[1]:
        return np.argsort(-similarity, axis=1, kind="stable")
    kept = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(similarity, kept, axis=1), axis=1, kind="stable")
    return np.take_along_axis(kept, order, axis=1)
