"""Heads: one learned affine map per modality, applied after its frozen tower.

Text has no head, for it is the fixed center of the space, except in a unified model. A head starts as the identity, so
an unfitted UniBind is exactly its backbone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..affine import AffineMap
from ..backbones._shared.safetensors_file import read_arrays
from ..data.embeddings import Vectors, unit
from ..errors import UnibindError
from ..files import write_whole

_FIX = "fit and save the model again"


@dataclass(frozen=True, eq=False)
class Head:
    """An affine map [D] -> [D] followed by normalization to unit length."""

    affine: AffineMap

    @classmethod
    def identity(cls, dim: int) -> Head:
        """The head that leaves unit-length vectors as they are."""
        return cls(AffineMap.identity(dim))

    def __call__(self, vectors: Vectors) -> Vectors:
        """Map unit-length vectors [N, D] to unit-length vectors [N, D]; raises UnibindError for another width."""
        return unit(self.affine(vectors))

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that identify the head's weight and bias."""
        return self.affine.fingerprint


def heads_fingerprint(heads: Mapping[str, Head]) -> str:
    """Twelve hexadecimal digits that identify all heads of a model, in any order."""
    rows = "\n".join(f"{modality} {heads[modality].fingerprint}" for modality in sorted(heads))
    return hashlib.sha256(rows.encode()).hexdigest()[:12]


def save_heads(heads: Mapping[str, Head], path: Path) -> None:
    """Write heads to one safetensors file as `<modality>.weight` and `<modality>.bias`."""
    from safetensors.numpy import save

    tensors = {f"{m}.weight": np.ascontiguousarray(h.affine.weight) for m, h in heads.items()}
    tensors |= {f"{m}.bias": np.ascontiguousarray(h.affine.bias) for m, h in heads.items()}
    write_whole(path, save(tensors))


def load_heads(path: Path) -> dict[str, Head]:
    """Inverse of `save_heads`; raises UnibindError, naming file and entry, for a file that is damaged or another."""
    tensors, _ = read_arrays(path, _FIX)
    modalities = sorted({key.rpartition(".")[0] for key in tensors})
    expected = {f"{m}.{part}" for m in modalities for part in ("weight", "bias")}
    if expected != set(tensors):
        raise UnibindError(
            f"{path} contains {', '.join(sorted(tensors))}, but a heads file has exactly <modality>.weight and "
            f"<modality>.bias per modality; {_FIX}"
        )
    return {m: _head(tensors[f"{m}.weight"], tensors[f"{m}.bias"], f"the head of {m} in {path}") for m in modalities}


def _head(weight: NDArray[np.float32], bias: NDArray[np.float32], where: str) -> Head:
    try:
        head = Head(AffineMap(weight, bias))
    except UnibindError as error:
        raise UnibindError(f"{where}: {error}; {_FIX}") from None
    if head.affine.dim_in != head.affine.dim_out:
        raise UnibindError(f"{where} maps {head.affine.dim_in} numbers to {head.affine.dim_out}, not as many; {_FIX}")
    return head
