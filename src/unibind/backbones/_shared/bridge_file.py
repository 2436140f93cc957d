"""Bridge: the map by which the vectors of one tower join another space, and its file.

`unibind bridge` creates bridges; the backbone `composed` applies them after its towers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor
from torch.nn import functional

from ...affine import AffineMap
from ...errors import ContractError, MissingFileError, UnibindError
from ...files import write_whole
from ..contract import Contract

_HEADER = "bridge"  # key in the safetensors metadata


@dataclass(frozen=True)
class BridgeEndpoints:
    """What a bridge connects: a tower's modality, weights and space, and the text tower of the target space."""

    modality: str
    tower: str
    source: str
    target: str
    target_text: str

    @classmethod
    def of(cls, tower: Contract, anchor: Contract) -> BridgeEndpoints:
        """The endpoints of a bridge from a tower, by its own contract, to the anchor's texts."""
        return cls(tower.modality, tower.weights, tower.space, anchor.space, anchor.weights)


@dataclass(frozen=True, eq=False)
class Bridge:
    """z = unit(W x + b); `provenance` records what it was fitted on and how well it fits."""

    map: AffineMap
    endpoints: BridgeEndpoints
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, vectors: Tensor) -> Tensor:
        """Map vectors [N, D_in] to unit length [N, D_out]."""
        return functional.normalize(torch.from_numpy(self.map(vectors.numpy())), dim=-1)

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the map."""
        return self.map.fingerprint

    def save(self, path: Path) -> None:
        """Write one safetensors file, completely or not at all."""
        tensors = {"weight": np.ascontiguousarray(self.map.weight), "bias": np.ascontiguousarray(self.map.bias)}
        header = {"endpoints": asdict(self.endpoints), "provenance": dict(self.provenance)}
        write_whole(path, save(tensors, metadata={_HEADER: json.dumps(header)}))

    @classmethod
    def load(cls, path: Path) -> Bridge:
        """Inverse of `save`; raises MissingFileError, and UnibindError for a file that is not a bridge."""
        if not path.is_file():
            raise MissingFileError(f"the bridge {path} does not exist; create it with `unibind bridge`")
        try:
            with safe_open(path, framework="numpy") as file:
                header = json.loads((file.metadata() or {})[_HEADER])
                fitted = AffineMap(file.get_tensor("weight"), file.get_tensor("bias"))
            names = [f.name for f in fields(BridgeEndpoints)]
            endpoints = BridgeEndpoints(**{name: str(header["endpoints"][name]) for name in names})
        except (SafetensorError, KeyError, ValueError, TypeError):
            raise UnibindError(f"{path} is damaged or not a bridge; create it again with `unibind bridge`") from None
        return cls(fitted, endpoints, header.get("provenance", {}))

    def check(self, endpoints: BridgeEndpoints, widths: tuple[int, int], path: Path) -> None:
        """Raise ContractError, naming what differs, unless the bridge has these endpoints and widths (out, in)."""
        actual, required = asdict(self.endpoints), asdict(endpoints)
        different = [name for name in actual if actual[name] != required[name]]
        if different:
            details = ", ".join(f"{name} is {required[name]}, not {actual[name]}" for name in different)
            raise ContractError(
                f"the bridge {path} was created for other weights ({details}); create it again with `unibind bridge`"
            )
        if self.map.weight.shape != widths:
            raise ContractError(
                f"the bridge {path} maps width {self.map.dim_in} to {self.map.dim_out}, not {widths[1]} to "
                f"{widths[0]}; create it again with `unibind bridge`"
            )
