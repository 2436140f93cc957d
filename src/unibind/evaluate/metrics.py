"""Metrics as pure functions of arrays: no model, no file, no device.

Rows are queries (or samples), columns are the gallery (or categories).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from ..data.embeddings import Vectors

# --- retrieval: relevance in order of rank -> a score per query ------------------------------------------------------

Similarity = Float[np.ndarray, "q g"]
Relevance = Bool[np.ndarray, "q g"]
Ranking = Int[np.ndarray, "q k"]  # columns, nearest first
QueryScores = Float64[np.ndarray, " q"]  # NaN for a query without a relevant item

_DEEP = 0.25  # share of the gallery, beyond which sorting all of it is quicker


@dataclass(frozen=True, eq=False)
class Ranked:
    """Which of the K nearest items are relevant [Q, K], nearest first, and how many relevant items there are [Q]."""

    nearest: Bool[np.ndarray, "q k"]
    relevant: Int[np.ndarray, " q"]


def ranking(similarity: Similarity, depth: int | None = None) -> Ranking:
    """The `depth` nearest columns of every row, or all of them; ties are broken by column order."""
    gallery = similarity.shape[1]
    if depth is None or depth >= _DEEP * gallery:
        return np.argsort(-similarity, axis=1, kind="stable")[:, :depth]
    last = np.partition(similarity, gallery - depth, axis=1)[:, gallery - depth, None]  # the depth-th best
    found = np.empty((len(similarity), depth), np.intp)
    tied = (similarity >= last).sum(axis=1) > depth
    found[tied] = np.argsort(-similarity[tied], axis=1, kind="stable")[:, :depth]
    rows, columns = np.nonzero((similarity >= last) & ~tied[:, None])
    candidates = columns.reshape(-1, depth)
    order = np.argsort(-similarity[rows.reshape(-1, depth), candidates], axis=1, kind="stable")
    found[~tied] = np.take_along_axis(candidates, order, axis=1)
    return found


def ranked(order: Ranking, relevant: Relevance) -> Ranked:
    """The relevance of the ranked columns."""
    return Ranked(np.take_along_axis(relevant, order, axis=1), relevant.sum(axis=1))


def recalls(ranks: Ranked, k: int) -> QueryScores:
    """Relevant items among the k nearest / min(k, relevant items); 1 is the best possible value.

    With one relevant item per query this is the usual recall@k; with several, recall@1 is the precision of the first.
    """
    return _shares(ranks.nearest[:, :k].sum(axis=1), np.minimum(k, ranks.relevant))


def hits(ranks: Ranked, k: int) -> QueryScores:
    """1 where any of the k nearest is relevant, otherwise 0."""
    return _shares(ranks.nearest[:, :k].any(axis=1).astype(int), np.minimum(1, ranks.relevant))


def r_precisions(ranks: Ranked) -> QueryScores:
    """Relevant items among the R nearest / R, where the query has R relevant items; the ranking must be that deep."""
    among = ranks.nearest & (np.arange(ranks.nearest.shape[1]) < ranks.relevant[:, None])
    return _shares(among.sum(axis=1), ranks.relevant)


def _shares(found: Int[np.ndarray, " q"], possible: Int[np.ndarray, " q"]) -> QueryScores:
    return np.where(possible > 0, found / np.maximum(possible, 1), np.nan)


def mean_score(scores: QueryScores) -> float:
    """The mean over the queries that have a relevant item; NaN if none has."""
    known = scores[np.isfinite(scores)]
    return float(known.mean()) if len(known) else float("nan")


def recall_at_k(similarity: Similarity, relevant: Relevance, k: int) -> float:
    """The mean of `recalls` over the queries that have a relevant item; NaN if none has."""
    return mean_score(recalls(ranked(ranking(similarity, k), relevant), k))


def category_relevance(queries: Sequence[str | None], gallery: Sequence[str | None]) -> Bool[np.ndarray, "q g"]:
    """Whether query and gallery item have the same label."""
    return np.asarray(queries)[:, None] == np.asarray(gallery)[None, :]


def modality_gap(a: Vectors, b: Vectors) -> float:
    """Distance between the means of two sets of unit-length vectors (Liang et al. 2022, arXiv 2203.02053)."""
    return float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)))


def spread(values: Float[np.ndarray, " *shape"]) -> dict[str, float]:
    """Mean, standard deviation, minimum, maximum and range of the values; NaNs are ignored."""
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    low, high = float(finite.min()), float(finite.max())
    return {"mean": float(finite.mean()), "std": float(finite.std()), "min": low, "max": high, "range": high - low}


@dataclass(frozen=True)
class ClassScores:
    """Of one class: the share of answers with it that are right, the share of its items that got it, and its items.

    `precision` is None for a class that was never answered, `recall` for one without items.
    """

    precision: float | None
    recall: float | None
    support: int


def class_scores(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, ClassScores]:
    """Precision, recall and support of every class that is true or predicted, sorted by name."""
    support, answered = Counter(truth), Counter(predicted)
    right = Counter(t for t, p in zip(truth, predicted, strict=True) if t == p)
    return {
        name: ClassScores(
            right[name] / answered[name] if answered[name] else None,
            right[name] / support[name] if support[name] else None,
            support[name],
        )
        for name in sorted(support.keys() | answered.keys())
    }


def confusions(truth: Sequence[str], predicted: Sequence[str]) -> dict[tuple[str, str], int]:
    """How often each class (first) got each answer (second), most often first; right answers included."""
    counts = Counter(zip(truth, predicted, strict=True))
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


@dataclass(frozen=True)
class Bin:
    """Answers whose confidence lies in one range: how many, their mean confidence, and the share that is right."""

    count: int
    confidence: float
    accuracy: float


def reliability(
    confidence: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"], bins: int = 10
) -> list[Bin | None]:
    """Confidence against accuracy in equal-width bins of confidence; None for an empty bin (Guo et al. 2017)."""
    index = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    rows = [np.flatnonzero(index == b) for b in range(bins)]
    return [Bin(len(r), float(confidence[r].mean()), float(correct[r].mean())) if len(r) else None for r in rows]


def expected_calibration_error(
    confidence: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"], bins: int = 10
) -> float:
    """Difference of confidence and accuracy, averaged over equal-width bins by item count (Guo et al. 2017)."""
    filled = [b for b in reliability(confidence, correct, bins) if b is not None]
    return sum(b.count * abs(b.confidence - b.accuracy) for b in filled) / len(confidence)


def auroc(positive: Float[np.ndarray, " p"], negative: Float[np.ndarray, " n"]) -> float:
    """Probability that a random positive has a larger value than a random negative; of equal values, half count.

    That is the area under the ROC curve. NaN without positives or without negatives.
    """
    ordered = np.sort(negative)
    below, up_to = (np.searchsorted(ordered, positive, side) for side in ("left", "right"))
    pairs = len(positive) * len(negative)
    return float((below + up_to).sum() / 2 / pairs) if pairs else float("nan")


def calibration_error_by_chance(confidence: Float[np.ndarray, " n"], bins: int = 10, *, seed: int = 0) -> float:
    """The calibration error that these confidences would show on average if they were exact, because items are few."""
    rng, rounds = np.random.default_rng(seed), 50
    correct = rng.random((rounds, len(confidence))) < confidence
    return float(np.mean([expected_calibration_error(confidence, row, bins) for row in correct]))
