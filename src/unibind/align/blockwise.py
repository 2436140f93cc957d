"""Arithmetic of many items and classes: block by block, in double precision, without a matrix of all pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Float64
from numpy.typing import NDArray

from ..data.embeddings import BLOCK, Vectors

LogProbabilities = Float64[np.ndarray, "n c"]
Posterior = Float64[np.ndarray, "n c"]  # rows sum to 1
Means = Float64[np.ndarray, "c d"]
Shares = Float64[np.ndarray, " c"]

EXTRA_ITEMS = 1.0  # how many items more each class has, in its learned frequency
LEAST_VARIANCE = 1e-8  # where all items are equal


def nearest_neighbors(
    queries: Vectors, gallery: Vectors, count: int, *, own: NDArray[np.intp] | None = None
) -> tuple[Float32[np.ndarray, "q k"], NDArray[np.intp]]:
    """The `count` largest cosines of each query to the vectors of a gallery, and their rows, both [Q, K], unsorted.

    `own` [Q] are the rows of the queries themselves, where they are of the gallery: none is its own neighbor. No full
    matrix is held.
    """
    cosines = np.empty((len(queries), count), np.float32)
    rows = np.empty((len(queries), count), np.intp)
    step = max(1, BLOCK // max(1, len(gallery)))
    for start in range(0, len(queries) if count else 0, step):
        block = queries[start : start + step] @ gallery.T
        if own is not None:
            block[np.arange(len(block)), own[start : start + step]] = -np.inf
        best = np.argpartition(block, len(gallery) - count, axis=1)[:, -count:]
        rows[start : start + step] = best
        cosines[start : start + step] = np.take_along_axis(block, best, axis=1)
    return cosines, rows


def blocks(x: Vectors) -> Iterator[tuple[slice, Float64[np.ndarray, "b d"]]]:
    """Some rows of x at a time, in double precision, and which."""
    step = max(1, BLOCK // 4 // x.shape[1])
    for start in range(0, len(x), step):
        yield slice(start, start + step), x[start : start + step].astype(np.float64)


def product(x: Vectors, factor: Float64[np.ndarray, "r c"], *, transposed: bool = False) -> NDArray[np.float64]:
    """x @ factor [N, C] or, transposed, factor.T @ x [C, D], in double precision."""
    if transposed:
        return np.asarray(sum(factor[rows].T @ block for rows, block in blocks(x)))
    return np.concatenate([block @ factor for _, block in blocks(x)])


def scatter(x: Vectors) -> Float64[np.ndarray, "d d"]:
    """Sum of the outer products of the rows."""
    return np.asarray(sum(block.T @ block for _, block in blocks(x)))


def weighted_means(x: Vectors, weights: Posterior, *, extra: float = 0.0) -> Means:
    """Mean of the items by the weights of each class, as if `extra` items were at the origin."""
    counts = weights.sum(axis=0)[:, None] + extra
    return product(x, weights, transposed=True) / np.maximum(counts, 1e-12)


def learned_shares(posterior: Posterior) -> Shares:
    """How frequent each class is, [C], with some items more for each."""
    counts = posterior.sum(axis=0) + EXTRA_ITEMS
    return np.asarray(counts / counts.sum())


def log(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of shares; of none, that of nearly none."""
    return np.log(np.maximum(shares, 1e-300))


def log_sum_exp(logits: LogProbabilities) -> Float64[np.ndarray, "n 1"]:
    """Logarithm of the sum of the exponentials of each row."""
    peak = logits.max(axis=1, keepdims=True)
    return np.asarray(peak + np.log(np.exp(logits - peak).sum(axis=1, keepdims=True)))


def cross_entropy(expected: Posterior, logits: LogProbabilities) -> float:
    """Of what is expected, under the probabilities in proportion to the exponentials of the logits; summed."""
    return float(log_sum_exp(logits).sum() - np.einsum("nc,nc->", expected, logits))


def softmax(logits: LogProbabilities) -> Posterior:
    """Probabilities in proportion to the exponentials of the logits."""
    return np.asarray(np.exp(logits - log_sum_exp(logits)))
