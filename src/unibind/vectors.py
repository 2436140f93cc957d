"""Embedding vectors as arrays: their type, unit length, class means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]  # [N, D]

BLOCK = 1 << 24  # similarities held at a time


def unit(vectors: Vectors) -> Vectors:
    """The vectors [..., D] at unit length; zeros stay zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def class_means(vectors: Vectors, owner: NDArray[np.intp], count: int) -> Vectors:
    """Unit mean of each class's vectors, [count, D]; `owner` [N] are class indices; zero where a class has none."""
    sums = np.zeros((count, vectors.shape[1]), np.float32)
    np.add.at(sums, owner, vectors)
    return unit(sums)
