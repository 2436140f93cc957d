"""Backbones: frozen encoders of one shared space, behind one small protocol.

A backbone is any object with the attributes below; there is no base class. `create_backbone(name)` builds one from
this package (one module a backbone, imported when asked for) or from a third party's `unibind.backbones` entry point.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..errors import UnibindError, UnknownNameError
from ..modalities.spec import Raw
from .contract import Contract
from .spec import Card, License, check_commercial

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Backbone", "Card", "Contract", "License", "backbone_cards", "create_backbone"]


@runtime_checkable
class Backbone(Protocol):
    """Frozen encoders of several modalities into one space of width `dim`."""

    name: str  # as given to `create_backbone`
    dim: int
    modalities: tuple[str, ...]
    license: License
    logit_scale: float  # 1 / temperature, finite, as trained
    options: Mapping[str, Any]  # JSON; `create_backbone(name, **options)` makes an equal one where its weights are

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Turn one raw item into the tower's input (CPU, no batch axis); picklable, so workers can run it.

        One-dimensional integer results (token ids) may differ in length; batches pad them with 0 on the right. Other
        results of unlike shape are batched apart.
        """
        ...

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a batch of preprocessed items: [B, ...] -> float32 [B, dim], unit length, no gradients."""
        ...

    def contract(self, modality: str) -> Contract:
        """What decides the meaning of this modality's embeddings."""
        ...


_Factory = Callable[..., Backbone]


def create_backbone(name: str, *, modalities: Sequence[str] | None = None, **options: Any) -> Backbone:
    """Build a backbone by name, e.g. `create_backbone("mini")` or `create_backbone("mini", modalities=["audio"])`.

    The text after a colon is the backbone's own: `transformers:REPO_OR_DIR`. Only the towers of `modalities` (default:
    all) are read from disk. Raises UnknownNameError for a name that is neither built in nor registered under the entry
    point group `unibind.backbones`, and UnibindError for options it does not take.
    """
    kind, _, argument = name.partition(":")
    factory = _factory(kind)
    given = {"modalities": modalities, **{k: v for k, v in options.items() if v is not None}}
    try:
        inspect.signature(factory).bind(argument or None, **given)
    except TypeError as error:
        raise UnibindError(f"the backbone {kind} cannot be made this way: {error}") from None
    backbone = factory(argument or None, **given)
    check_commercial(name, backbone.license)
    return backbone


def backbone_cards() -> dict[str, Card | None]:
    """The card of every backbone by kind, built in and from entry points; None where a third party gives none."""
    built_in = {m.name: _built_in(m.name) for m in pkgutil.iter_modules(__path__)}
    others = {e.name: getattr(importlib.import_module(e.module), "CARD", None) for e in _entry_points()}
    return dict(sorted((others | {kind: module.CARD for kind, module in built_in.items() if module}).items()))


def _factory(kind: str) -> _Factory:
    module = _built_in(kind)
    if module is not None:
        return module.create  # type: ignore[no-any-return]
    found = [e for e in _entry_points() if e.name == kind]
    if not found:
        raise UnknownNameError("backbone", kind, backbone_cards())
    return found[0].load()  # type: ignore[no-any-return]


def _built_in(kind: str) -> ModuleType | None:
    """The module of this package that is a backbone of that kind: it has a card, the parts they share have none."""
    if kind not in {m.name for m in pkgutil.iter_modules(__path__)}:
        return None
    module = importlib.import_module(f"{__name__}.{kind}")
    return module if hasattr(module, "CARD") else None


def _entry_points() -> list[EntryPoint]:
    return list(entry_points(group="unibind.backbones"))
