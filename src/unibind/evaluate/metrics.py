"""Metrics as pure functions of arrays: no model, no file, no device.

Rows are queries (or samples), columns are the gallery (or categories).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from ..data.embeddings import CategoryIndex, Vectors


def top_k_accuracy(scores: Float[np.ndarray, "n c"], category_index: CategoryIndex, k: int = 1) -> float:
    """Fraction of samples whose category [N] is among the k best of `scores` [N, C]; ties count as errors."""
    own = np.take_along_axis(scores, category_index[:, None], axis=1)
    better = (scores >= own).sum(axis=1) - 1  # all scores at least as good, without the own one
    return float(np.mean(better < k))


def recall_at_k(similarity: Float[np.ndarray, "q g"], relevant: Bool[np.ndarray, "q g"], k: int) -> float:
    """Mean over queries of (relevant items among the k nearest) / min(k, relevant items); 1 is the best possible value.

    Queries without a relevant item are ignored; if no query has one, the result is NaN. With one relevant item per
    query this is the usual recall@k; with several, recall@1 is the precision of the first hit. Ties in similarity are
    broken by column order.
    """
    k = min(k, similarity.shape[1])
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(relevant, nearest, axis=1).sum(axis=1)
    possible = np.minimum(k, relevant.sum(axis=1))
    counted = possible > 0
    return float(np.mean(hits[counted] / possible[counted])) if counted.any() else float("nan")


def category_relevance(queries: Sequence[str], gallery: Sequence[str]) -> Bool[np.ndarray, "q g"]:
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


def expected_calibration_error(
    confidence: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"], bins: int = 10
) -> float:
    """Difference of confidence and accuracy, averaged over equal-width bins by item count (Guo et al. 2017)."""
    index = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        inside = index == b
        if inside.any():
            total += inside.mean() * abs(float(confidence[inside].mean()) - float(correct[inside].mean()))
    return float(total)
