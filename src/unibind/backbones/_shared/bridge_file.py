"""Bridge: the affine map by which a foreign tower's vectors join another space, and its file.

`unibind.bridge` makes bridges; the backbone `composed` puts them behind its towers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor
from torch.nn import functional

from ...errors import ContractError, MissingFileError, UnibindError
from ...files import write_whole
from ..contract import Contract

_FACTS = "bridge"  # key of the safetensors header


@dataclass(frozen=True)
class Ends:
    """What a bridge was made for: the tower's modality and weights, its space, and the text tower it leads to."""

    modality: str
    tower: str
    source: str
    target: str
    target_text: str

    @classmethod
    def of(cls, tower: Contract, anchor: Contract) -> Ends:
        """The ends of a bridge from a tower's own contract to that of the anchor's texts."""
        return cls(tower.modality, tower.weights, tower.space, anchor.space, anchor.weights)


@dataclass(frozen=True, eq=False)
class Bridge:
    """z = unit(W x + b): `weight` float32 [D_out, D_in], `bias` float32 [D_out]; `made` says from what and how well."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    ends: Ends
    made: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, vectors: Tensor) -> Tensor:
        """Map vectors [N, D_in] to unit length [N, D_out]."""
        moved = vectors @ torch.from_numpy(self.weight).T + torch.from_numpy(self.bias)
        return functional.normalize(moved, dim=-1)

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the map's numbers."""
        digest = hashlib.sha256(np.ascontiguousarray(self.weight).tobytes())
        digest.update(np.ascontiguousarray(self.bias).tobytes())
        return digest.hexdigest()[:12]

    def save(self, path: Path) -> None:
        """Write one safetensors file, whole or not at all."""
        tensors = {"weight": np.ascontiguousarray(self.weight), "bias": np.ascontiguousarray(self.bias)}
        facts = {"ends": asdict(self.ends), "made": dict(self.made)}
        write_whole(path, save(tensors, metadata={_FACTS: json.dumps(facts)}))

    @classmethod
    def load(cls, path: Path) -> Bridge:
        """Inverse of `save`; raises MissingFileError, and UnibindError for a file that holds no bridge."""
        if not path.is_file():
            raise MissingFileError(f"there is no bridge at {path}; make it with `unibind bridge`")
        try:
            with safe_open(path, framework="numpy") as file:
                facts = json.loads((file.metadata() or {})[_FACTS])
                weight, bias = file.get_tensor("weight"), file.get_tensor("bias")
            ends = Ends(**{f.name: str(facts["ends"][f.name]) for f in fields(Ends)})
            sound = weight.ndim == 2 and bias.shape == weight.shape[:1]
            if not (sound and weight.dtype == bias.dtype == np.float32 and np.isfinite(weight).all()):
                raise ValueError
            if not np.isfinite(bias).all():
                raise ValueError
        except (SafetensorError, KeyError, ValueError, TypeError):
            raise UnibindError(f"{path} is no bridge, or damaged; make it anew with `unibind bridge`") from None
        return cls(weight, bias, ends, facts.get("made", {}))

    def check(self, ends: Ends, widths: tuple[int, int], path: Path) -> None:
        """Raise ContractError, naming what differs, unless this bridge joins these ends of widths (out, in)."""
        mine, wanted = asdict(self.ends), asdict(ends)
        differ = [name for name in mine if mine[name] != wanted[name]]
        if differ:
            named = ", ".join(f"{name} {mine[name]} where {wanted[name]} is" for name in differ)
            raise ContractError(
                f"the bridge {path} was made for other weights ({named}); make it anew with `unibind bridge`"
            )
        if self.weight.shape != widths:
            raise ContractError(
                f"the bridge {path} maps {self.weight.shape[1]} numbers to {self.weight.shape[0]}, not {widths[1]} to "
                f"{widths[0]}; make it anew with `unibind bridge`"
            )
