"""composed: one text tower as the anchor, and any tower for each other modality, also of other widths and spaces.

A part whose space is the anchor's is used as it is. One of another space is foreign: its vectors can be stored and a
head can be fitted on them, and where its model has a text tower, a bridge (see `unibind.bridge`) leads it into the
anchor's space. Narrow vectors are padded with zeros to the width of the widest part, which keeps every cosine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.nn import functional

from ...errors import UnibindError
from ...files import write_whole
from ...modalities import check_modality
from ...modalities.spec import Raw
from .._shared.bridge_file import Bridge, Ends
from ..contract import Contract
from ..spec import Card, License
from .table import TEXT, Part, Parts, load_parts, located, read_parts

if TYPE_CHECKING:
    from .. import Backbone

CARD = Card(
    name="composed:FILE.toml",
    summary="one text tower as the anchor and any backbone for each other modality",
    modalities=("image", "text", "audio", "point_cloud", "thermal", "video", "event"),
    dim=None,
    license=None,
    weights="its parts'",
)


class Composed:
    """The backbone `composed`; see `unibind.backbones.Backbone` for the protocol.

    `parts` say how each modality is encoded; `modalities` limits which of them may be used. Parts with one backbone
    and equal options share it, made with just the modalities it is used for. Where `dim` is given, parts that are
    not used are not opened, but for the anchor, whose space the others are measured by.
    """

    name = "composed"

    def __init__(
        self,
        parts: Mapping[str, Part],
        modalities: Sequence[str] | None = None,
        *,
        dim: int | None = None,
        device: str | None = None,
    ) -> None:
        self.modalities = tuple(check_modality(m, tuple(parts)) for m in (modalities or parts))
        opened = {m: p for m, p in parts.items() if dim is None or m in self.modalities or m == TEXT}
        self._backbones = _open(opened, device)
        widest = max(backbone.dim for backbone in self._backbones.values())
        if dim is not None and dim < widest:
            raise UnibindError(
                f"a part of the composed backbone is {widest} wide, more than the {dim} noted; leave dim out"
            )
        self.dim = dim or widest
        self.license = _strictest([backbone.license for backbone in self._backbones.values()])
        self.logit_scale = self._backbones[TEXT].logit_scale
        self._anchor = self._backbones[TEXT].contract(TEXT)
        self._bridges = {m: self._bridge(m, p.bridge) for m, p in opened.items() if p.bridge is not None}
        told = {m: p.told(self._backbones[m].options) for m, p in opened.items()}
        table = {m: p.to_json() for m, p in (dict(parts) | told).items()}
        self.options: Mapping[str, Any] = {"table": table, "dim": self.dim}

    def part(self, modality: str) -> Backbone:
        """The backbone that encodes a modality."""
        return self._backbones[check_modality(modality, self.modalities)]

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """One raw item to its part's input."""
        return self.part(modality).preprocess(modality, raw)

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...] by its part, over its bridge: float32 [B, dim], unit length."""
        z = self.part(modality).encode(modality, batch)
        if modality in self._bridges:
            z = self._bridges[modality](z)
        return functional.pad(z, (0, self.dim - z.shape[1]))

    def contract(self, modality: str) -> Contract:
        """The part's own contract, in the anchor's space where a bridge leads there; padding changes no cosine."""
        own = self.part(modality).contract(modality)
        if modality in self._bridges:
            return own.with_head(self._bridges[modality].fingerprint, self._anchor.space)
        return own if own.shares_space(self._anchor) else replace(own, anchor=self._anchor.space)

    def bundle(self, folder: Path) -> Mapping[str, Any]:
        """Copy the bridges into a folder; options that, with `folder`, make an equal backbone wherever it lies."""
        table = {m: dict(facts) for m, facts in self.options["table"].items()}
        for modality, facts in table.items():
            if "bridge" in facts:
                name = f"bridge_{modality}.safetensors"
                write_whole(folder / name, Path(facts["bridge"]).read_bytes())
                facts["bridge"] = name
        return {**self.options, "table": table}

    def _bridge(self, modality: str, path: Path) -> Bridge:
        own = self._backbones[modality].contract(modality)
        if own.shares_space(self._anchor):
            raise UnibindError(f"[{modality}] is in the space of the anchor and needs no bridge; take that line out")
        bridge = Bridge.load(path)
        widths = self._backbones[TEXT].dim, self._backbones[modality].dim
        bridge.check(Ends.of(own, self._anchor), widths, path)
        return bridge


def create(
    argument: str | None = None,
    *,
    modalities: Sequence[str] | None = None,
    table: Mapping[str, Any] | None = None,
    dim: int | None = None,
    folder: str | None = None,
    device: str | None = None,
    precision: str | None = None,
) -> Composed:
    """Factory for `create_backbone("composed:FILE.toml")`, or of an equal one from its `options`.

    Paths in `table` are relative to `folder`, where one is named. `device` and `precision` are for the parts that do
    not name their own. Raises UnibindError, naming the table, for a file that says too little or too much, for parts
    that cannot be made and for bridges that do not belong.
    """
    if (argument is None) == (table is None):
        raise UnibindError("a composed backbone is told by a file: write composed:FILE.toml")
    parts = load_parts(argument) if argument is not None else read_parts(table or {}, "the noted table")
    if folder is not None:
        parts = {modality: located(part, Path(folder)) for modality, part in parts.items()}
    if precision is not None:
        parts = {m: replace(p, options={"precision": precision, **p.options}) for m, p in parts.items()}
    return Composed(parts, modalities, dim=dim, device=device)


def _open(parts: Parts, device: str | None) -> dict[str, Backbone]:
    """The backbone of every modality; parts told alike share one."""
    from .. import create_backbone

    alike: dict[str, list[str]] = {}
    for modality, part in parts.items():
        alike.setdefault(json.dumps([part.backbone, part.options], sort_keys=True, default=str), []).append(modality)
    backbones: dict[str, Backbone] = {}
    for modalities in alike.values():
        part = parts[modalities[0]]
        try:
            backbone = create_backbone(part.backbone, modalities=modalities, **{"device": device, **part.options})
        except UnibindError as error:
            raise UnibindError(f"[{'], ['.join(modalities)}] cannot be encoded by {part.backbone}: {error}") from error
        backbones |= dict.fromkeys(modalities, backbone)
    return {modality: backbones[modality] for modality in parts}


def _strictest(licenses: Sequence[License]) -> License:
    """What all of them allow."""
    named = dict.fromkeys(license.spdx for license in licenses)
    return License(" AND ".join(named), commercial=all(license.commercial for license in licenses))
