"""Means: what is removed from the vectors of a modality before they are compared with another's.

The vectors of each modality have an offset of their own, which hides what they have in common (Liang et al. 2022, arXiv
2203.02053). Without its mean, no modality is an island.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import UnibindError

Vector = NDArray[np.float32]
Vectors = NDArray[np.float32]

PRIOR_ITEMS = 16  # how many items at the origin a mean is shrunk by: one item says nothing about its modality


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean `vector` [D] of a modality, shrunk to nothing where few `items` were seen.

    Raises UnibindError where the vector is not one finite float32 row.
    """

    vector: Vector
    items: int

    def __post_init__(self) -> None:
        """Check type, shape and values."""
        if self.vector.dtype != np.float32 or self.vector.ndim != 1 or not np.isfinite(self.vector).all():
            raise UnibindError(
                f"a mean must be one finite float32 vector, not {self.vector.dtype} {list(self.vector.shape)}"
            )

    @classmethod
    def of(cls, vectors: Vectors) -> Mean:
        """The mean of vectors [N, D], as if `PRIOR_ITEMS` more were at the origin."""
        return cls.of_sum(vectors.sum(axis=0, dtype=np.float64), len(vectors))

    @classmethod
    def of_sum(cls, total: NDArray[np.float64], items: int) -> Mean:
        """The mean of vectors with this sum [D]."""
        return cls((total / (items + PRIOR_ITEMS)).astype(np.float32), items)

    @classmethod
    def nothing(cls, dim: int) -> Mean:
        """What is removed where no item was seen."""
        return cls(np.zeros(dim, np.float32), 0)

    def __call__(self, vectors: Vectors) -> Vectors:
        """Vectors [N, D] without the mean, at unit length; a vector that is the mean becomes zero."""
        return _unit(vectors - self.vector)

    def at_most(self, vectors: Vectors) -> Vectors:
        """Vectors [N, D] without the part of the mean that each contains, at most the whole, at unit length.

        For vectors that may differ from those that the mean was learned from, such as names, where it is of captions:
        less is removed from these, and nothing from a vector that points away from the mean.
        """
        share = vectors @ self.vector / max(float(self.vector @ self.vector), 1e-12)
        return _unit(vectors - np.clip(share, 0, 1)[..., None] * self.vector)

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that identify the vector."""
        return hashlib.sha256(np.ascontiguousarray(self.vector).tobytes()).hexdigest()[:12]


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12), np.float32)
