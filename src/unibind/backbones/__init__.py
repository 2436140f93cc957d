"""Backbones: frozen encoders of one shared space, behind one small protocol.

A backbone is any object with the attributes below; there is no base class. `create_backbone(name)` builds one from
this package (one module a backbone, imported when asked for) or from a third party's `unibind.backbones` entry point.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..errors import UnknownNameError
from ..modality import Raw
from .contract import Contract

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Backbone", "Contract", "Licence", "backbone_names", "create_backbone"]


@dataclass(frozen=True)
class Licence:
    """Licence of a backbone's weights: SPDX identifier, and whether it allows commercial use."""

    spdx: str
    commercial: bool


@runtime_checkable
class Backbone(Protocol):
    """Frozen encoders of several modalities into one space of width `dim`."""

    name: str
    dim: int
    modalities: tuple[str, ...]
    licence: Licence
    logit_scale: float  # 1 / temperature, finite, as trained

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Turn one raw item into the tower's input (CPU, no batch axis); picklable, so workers can run it.

        One-dimensional integer results (token ids) may differ in length; batches pad them with 0 on the right.
        """
        ...

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a batch of preprocessed items: [B, ...] -> float32 [B, dim], unit length, no gradients."""
        ...

    def contract(self, modality: str) -> Contract:
        """What decides the meaning of this modality's embeddings."""
        ...


# name -> "module:factory"; a factory takes the text after the colon of the name (or None) and keyword arguments.
_BUILT_IN = {"mini": "unibind.backbones.mini:create"}


def backbone_names() -> list[str]:
    """Names that `create_backbone` knows, built in and from entry points."""
    return sorted({*_BUILT_IN, *(e.name for e in entry_points(group="unibind.backbones"))})


def create_backbone(name: str, *, modalities: Sequence[str] | None = None, **options: Any) -> Backbone:
    """Build a backbone by name, e.g. `create_backbone("mini")` or `create_backbone("mini", modalities=["audio"])`.

    Only the towers of `modalities` (default: all) are read from disk. Raises UnknownNameError for a name that is
    neither built in nor registered under the entry point group `unibind.backbones`.
    """
    kind, _, argument = name.partition(":")
    if kind in _BUILT_IN:
        module, _, attribute = _BUILT_IN[kind].partition(":")
        factory = getattr(importlib.import_module(module), attribute)
    else:
        found = [e for e in entry_points(group="unibind.backbones") if e.name == kind]
        if not found:
            raise UnknownNameError("backbone", kind, backbone_names())
        factory = found[0].load()
    backbone: Backbone = factory(argument or None, modalities=modalities, **options)
    return backbone
