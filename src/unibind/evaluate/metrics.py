"""Metrics as pure functions of arrays: no model, no file, no device.

Rows are queries (or samples), columns are the gallery (or categories).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def top_k_accuracy(scores: Floats, labels: NDArray[np.intp], k: int = 1) -> float:
    """Share of samples whose label [N] is among the k best categories of `scores` [N, C]; ties count against it."""
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    better = (scores >= own).sum(axis=1) - 1  # everything as good as the label, without itself
    return float(np.mean(better < k))


def recall_at_k(similarity: Floats, relevant: NDArray[np.bool_], k: int) -> float:
    """Mean over queries of (relevant items among the k nearest) / min(k, relevant items): 1 is the best there can be.

    `similarity` [Q, G], `relevant` [Q, G]. Queries without a relevant item do not count. With one relevant item a
    query this is the usual recall@k; with several, recall@1 is the precision of the first hit. Ties in similarity
    are broken by column order.
    """
    k = min(k, similarity.shape[1])
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(relevant, nearest, axis=1).sum(axis=1)
    possible = np.minimum(k, relevant.sum(axis=1))
    counted = possible > 0
    return float(np.mean(hits[counted] / possible[counted])) if counted.any() else float("nan")


def category_relevance(queries: Sequence[str], gallery: Sequence[str]) -> NDArray[np.bool_]:
    """[Q, G]: whether query and gallery item have the same label."""
    return np.asarray(queries)[:, None] == np.asarray(gallery)[None, :]


def modality_gap(a: Floats, b: Floats) -> float:
    """Distance between the means of two sets of unit-length vectors (Liang et al. 2022, arXiv 2203.02053)."""
    return float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)))


def spread(values: Floats) -> dict[str, float]:
    """How unlike the values are: mean, standard deviation, smallest, largest, largest - smallest. NaNs are left out."""
    kept = np.asarray(values, float)
    kept = kept[np.isfinite(kept)]
    low, high = float(kept.min()), float(kept.max())
    return {"mean": float(kept.mean()), "std": float(kept.std()), "min": low, "max": high, "range": high - low}


def expected_calibration_error(confidence: Floats, correct: NDArray[np.bool_], bins: int = 10) -> float:
    """Distance of confidence [N] from accuracy, averaged over equal-width bins by their items (Guo et al. 2017)."""
    index = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        inside = index == b
        if inside.any():
            total += inside.mean() * abs(float(confidence[inside].mean()) - float(correct[inside].mean()))
    return total
