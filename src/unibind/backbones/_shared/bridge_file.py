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
from safetensors.numpy import save
from torch import Tensor
from torch.nn import functional

from ...affine import AffineMap
from ...errors import ContractError, MissingFileError, UnibindError
from ...files import write_whole
from ...json_files import OBJECT, TEXT, check_fields, parse_json
from ..contract import Contract
from .safetensors_file import read_arrays

_HEADER = "bridge"  # key in the safetensors metadata
_FIX = "create it again with `unibind bridge`"


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


_ENDPOINTS = {f.name: TEXT for f in fields(BridgeEndpoints)}


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
        tensors, metadata = read_arrays(path, _FIX)
        if tensors.keys() != {"weight", "bias"}:
            raise UnibindError(f"{path} is not a bridge: it lacks a weight and a bias, or has more; {_FIX}")
        where = f"the header of the bridge {path}"
        header = parse_json(metadata.get(_HEADER, ""), where, _FIX)
        header = check_fields(header, {"endpoints": OBJECT, "provenance": OBJECT}, where, _FIX)
        endpoints = check_fields(header["endpoints"], _ENDPOINTS, where, _FIX)
        try:
            fitted = AffineMap(tensors["weight"], tensors["bias"])
        except UnibindError as error:
            raise UnibindError(f"the bridge {path}: {error}; {_FIX}") from None
        return cls(fitted, BridgeEndpoints(**endpoints), header["provenance"])

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
