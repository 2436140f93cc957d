"""AffineMap: the one learned map of the library, used by heads and by bridges."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import UnibindError

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class AffineMap:
    """y = W x + b, with `weight` float32 [D_out, D_in] and `bias` float32 [D_out].

    Raises UnibindError where the shapes do not fit together, the type is not float32, or a value is not finite.
    """

    weight: Array
    bias: Array

    def __post_init__(self) -> None:
        """Check types, shapes and values."""
        if self.weight.dtype != np.float32 or self.bias.dtype != np.float32:
            raise UnibindError(f"an affine map must be float32, not {self.weight.dtype} and {self.bias.dtype}")
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[:1]:
            raise UnibindError(
                "an affine map needs a weight [D_out, D_in] and a bias [D_out], "
                f"not {list(self.weight.shape)} and {list(self.bias.shape)}"
            )
        if not (np.isfinite(self.weight).all() and np.isfinite(self.bias).all()):
            raise UnibindError("an affine map must be finite, but this one contains NaN or infinity")

    @classmethod
    def identity(cls, dim: int) -> AffineMap:
        """The map [D] -> [D] that changes nothing."""
        return cls(np.eye(dim, dtype=np.float32), np.zeros(dim, np.float32))

    @property
    def dim_in(self) -> int:
        """Width of the vectors it takes."""
        return self.weight.shape[1]

    @property
    def dim_out(self) -> int:
        """Width of the vectors it returns."""
        return self.weight.shape[0]

    def __call__(self, vectors: Array) -> Array:
        """Map vectors [N, D_in] to [N, D_out]; the result is not normalized."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dim_in:
            raise UnibindError(f"this map takes vectors [N, {self.dim_in}], not {list(vectors.shape)}")
        return vectors @ self.weight.T + self.bias

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the weight and the bias."""
        digest = hashlib.sha256(np.ascontiguousarray(self.weight).tobytes())
        digest.update(np.ascontiguousarray(self.bias).tobytes())
        return digest.hexdigest()[:12]
