"""The backbone `composed`: a text tower as the anchor, and towers of other widths and spaces beside it.

A part in the anchor's space is used as it is. The vectors of a part outside it can be stored, and a head can be fitted
on them; if its model has a text tower, a bridge (see `unibind bridge`) maps them there. Narrow vectors
are padded with zeros to the width of the widest part, which changes no cosine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional

from ...errors import UnibindError
from ...files import write_whole
from ...modalities import ANCHOR, check_modality
from ...modalities.spec import Raw
from .._shared.bridge_file import Bridge, BridgeEndpoints
from .._shared.towers import select_modalities
from ..contract import Contract
from ..protocol import Backbone, PortableBackbone, SigmoidBackbone, as_queries
from ..registry import create_backbone
from ..spec import combined_license
from .table import Part, Parts, load_parts, locate, read_parts


class Composed:
    """The backbone `composed`; see `unibind.backbones.Backbone` for the protocol.

    `parts` says how each modality is encoded; `modalities` limits which of them may be used. Parts with the same
    backbone and options share one instance, which has just the modalities it is used for. If `dim` is given, unused
    parts are not opened, except the anchor, whose space the others are compared with. `run` has `device` and `compile`
    for parts without their own.
    """

    name = "composed"

    def __init__(
        self, parts: Parts, modalities: Sequence[str] | None, *, dim: int | None, run: Mapping[str, Any]
    ) -> None:
        self.modalities = select_modalities(modalities, tuple(parts))
        opened = {m: p for m, p in parts.items() if dim is None or m in self.modalities or m == ANCHOR}
        self._backbones = _open(opened, run)
        widest = max(backbone.dim for backbone in self._backbones.values())
        if dim is not None and dim < widest:
            raise UnibindError(f"dim is {dim}, but a part of the composed backbone is {widest} wide; leave dim out")
        self.dim = dim or widest
        self.license = combined_license([backbone.license for backbone in self._backbones.values()])
        self.logit_scale = self._backbones[ANCHOR].logit_scale
        self.logit_bias = _logit_bias(self._backbones[ANCHOR])
        self._anchor = self._backbones[ANCHOR].contract(ANCHOR)
        self._bridges = {m: self._bridge(m, p.bridge) for m, p in opened.items() if p.bridge is not None}
        resolved = {m: p.resolved(self._backbones[m].options) for m, p in opened.items()}
        table = {m: p.to_json() for m, p in (parts | resolved).items()}
        self.options: Mapping[str, Any] = {"table": table, "dim": self.dim}

    def part(self, modality: str) -> Backbone:
        """The backbone that encodes a modality."""
        return self._backbones[check_modality(modality, self.modalities)]

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Turn one raw item into the input of its part."""
        return self.part(modality).preprocess(modality, raw)

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...] by its part and its bridge: float32 [B, dim], unit length."""
        z = self.part(modality).encode(modality, batch)
        if modality in self._bridges:
            z = self._bridges[modality](z)
        return functional.pad(z, (0, self.dim - z.shape[1]))

    def contract(self, modality: str) -> Contract:
        """The part's own contract, moved into the anchor's space by a bridge; padding changes no cosine."""
        own = self.part(modality).contract(modality)
        if modality in self._bridges:
            return own.with_head(self._bridges[modality].fingerprint, self._anchor.space)
        return own.anchored_to(self._anchor)

    def as_queries(self) -> Backbone:
        """This backbone for queries, part by part."""
        queries = copy(self)
        queries._backbones = {modality: as_queries(part) for modality, part in self._backbones.items()}
        return queries

    def bundle(self, folder: Path) -> Mapping[str, Any]:
        """Copy the files of bridges and parts to a folder; returns options that rebuild it when `folder=` is passed."""
        table = {m: dict(entry) for m, entry in self.options["table"].items()}
        for modality, entry in table.items():
            part = self._backbones.get(modality)
            if isinstance(part, PortableBackbone):
                entry["options"] = {**entry["options"], **part.bundle(folder)}
            if "bridge" in entry:
                name = f"bridge_{modality}.safetensors"
                write_whole(folder / name, Path(entry["bridge"]).read_bytes())
                entry["bridge"] = name
        return {**self.options, "table": table}

    def _bridge(self, modality: str, path: Path) -> Bridge:
        own = self._backbones[modality].contract(modality)
        if own.shares_space(self._anchor):
            raise UnibindError(f"[{modality}] is in the anchor's space and needs no bridge; remove its bridge")
        bridge = Bridge.load(path)
        widths = self._backbones[ANCHOR].dim, self._backbones[modality].dim
        bridge.check(BridgeEndpoints.of(own, self._anchor), widths, path)
        return bridge


def open_composed(
    argument: str | None,
    *,
    modalities: Sequence[str] | None = None,
    table: Mapping[str, Any] | None = None,
    dim: int | None = None,
    folder: str | Path | None = None,
    precision: str | None = None,
    device: str | None = None,
    compile: bool = False,
) -> Composed:
    """Open a composed backbone from the TOML file `argument`, or from the `options` of another one.

    Paths in `table` are relative to `folder`, if it is given. `device`, `precision` and `compile` apply to parts
    without their own. Raises UnibindError, which names the table, for missing or unknown entries, for parts that cannot
    be created, and for bridges that do not fit.
    """
    if (argument is None) == (table is None):
        raise UnibindError("a composed backbone is described by a file: write composed:FILE.toml")
    parts = load_parts(argument) if argument is not None else read_parts(table or {}, "the recorded table")
    if folder is not None:
        parts = {modality: locate(part, Path(folder)) for modality, part in parts.items()}
    if precision is not None:
        parts = {m: replace(p, options={"precision": precision, **p.options}) for m, p in parts.items()}
    run = {"device": device, "compile": compile or None}  # None: a part that has no such option can be opened
    return Composed(parts, modalities, dim=dim, run=run)


def _open(parts: Parts, run: Mapping[str, Any]) -> dict[str, Backbone]:
    """The backbone of every modality; parts with the same backbone and options share one."""
    groups: dict[str, list[str]] = {}
    for modality, part in parts.items():
        groups.setdefault(json.dumps([part.backbone, part.options], sort_keys=True, default=str), []).append(modality)
    backbones: dict[str, Backbone] = {}
    for modalities in groups.values():
        backbones |= dict.fromkeys(modalities, _create_part(parts[modalities[0]], modalities, run))
    return {modality: backbones[modality] for modality in parts}


def _create_part(part: Part, modalities: Sequence[str], run: Mapping[str, Any]) -> Backbone:
    try:
        return create_backbone(part.backbone, modalities=modalities, **{**run, **part.options})
    except UnibindError as error:
        raise UnibindError(f"[{'], ['.join(modalities)}] cannot be encoded by {part.backbone}: {error}") from error


def _logit_bias(anchor: Backbone) -> float | None:
    return anchor.logit_bias if isinstance(anchor, SigmoidBackbone) else None
