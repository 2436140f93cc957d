"""Heads: one learned affine map a modality, applied after its frozen tower.

Text has no head: it is the fixed center of the space. A head starts as the identity, so an unfitted UniBind is exactly
its backbone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data.embeddings import Vectors, unit
from ..errors import UnibindError
from ..files import write_whole


@dataclass(frozen=True, eq=False)
class Head:
    """z = unit(W x + b) with `weight` float32 [D, D] and `bias` float32 [D]."""

    weight: Vectors
    bias: Vectors

    @classmethod
    def identity(cls, dim: int) -> Head:
        """The head that changes nothing."""
        return cls(np.eye(dim, dtype=np.float32), np.zeros(dim, np.float32))

    def __call__(self, vectors: Vectors) -> Vectors:
        """Map unit-length vectors [N, D] to unit-length vectors [N, D]."""
        if vectors.ndim != 2 or vectors.shape[1] != len(self.bias):
            raise UnibindError(f"this head takes vectors [N, {len(self.bias)}], not {list(vectors.shape)}")
        return unit(vectors @ self.weight.T + self.bias)

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the head's numbers."""
        digest = hashlib.sha256(np.ascontiguousarray(self.weight).tobytes())
        digest.update(np.ascontiguousarray(self.bias).tobytes())
        return digest.hexdigest()[:12]


def save_heads(heads: Mapping[str, Head], path: Path) -> None:
    """Write heads to one safetensors file as `<modality>.weight` and `<modality>.bias`."""
    from safetensors.numpy import save

    tensors = {f"{m}.weight": np.ascontiguousarray(h.weight) for m, h in heads.items()}
    tensors |= {f"{m}.bias": np.ascontiguousarray(h.bias) for m, h in heads.items()}
    write_whole(path, save(tensors))


def load_heads(path: Path) -> dict[str, Head]:
    """Inverse of `save_heads`; raises UnibindError for missing or unexpected entries."""
    from safetensors.numpy import load_file

    tensors = load_file(path)
    names = sorted({key.rpartition(".")[0] for key in tensors})
    wanted = {f"{m}.{part}" for m in names for part in ("weight", "bias")}
    if wanted != set(tensors):
        raise UnibindError(
            f"{path.name} holds {', '.join(sorted(tensors))} where <modality>.weight and <modality>.bias belong; "
            "fit and save the model again"
        )
    return {m: Head(tensors[f"{m}.weight"], tensors[f"{m}.bias"]) for m in names}
