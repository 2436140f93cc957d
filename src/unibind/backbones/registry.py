"""The registry of backbones: the packages beside this file, and the entry points `unibind.backbones`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from ..errors import UnibindError, UnknownNameError
from ._shared.options import call_with_options
from ._shared.places import absolute, absolute_name
from .protocol import Backbone
from .spec import BackboneSpec, Card, check_commercial

GROUP = "unibind.backbones"  # the entry points; their values are BackboneSpecs


def create_backbone(
    name: str,
    *,
    modalities: Sequence[str] | None = None,
    weights: str | Path | None = None,
    precision: str | None = None,
    device: str | None = None,
    **options: Any,
) -> Backbone:
    """Build a backbone by name, e.g. `create_backbone("mini")` or `create_backbone("transformers:REPO_OR_DIR")`.

    Only the towers of `modalities` (default: all) are read from disk. `weights` is a path or `hf:OWNER/REPO/FILE`,
    `precision` is "float32", "bfloat16", "int8" or "auto", and `device` is "cpu", "cuda:1" and so on (default: CUDA,
    MPS or CPU, whichever is available first). `options` are the backbone's own. Options that are None count as not
    given. A relative path, in the name too, becomes absolute, for the backbone to be found from any directory.

    Raises UnknownNameError if no backbone has this name, and UnibindError if the backbone cannot be loaded or does not
    take one of the options.
    """
    kind, _, argument = absolute_name(name).partition(":")
    spec = find_spec(kind)
    weights = None if weights is None else absolute(str(weights))
    options |= {"modalities": modalities, "weights": weights, "precision": precision, "device": device}
    given = {key: value for key, value in options.items() if value is not None}
    backbone = call_with_options(kind, spec.create, argument or None, options=given)
    check_commercial(name, backbone.license)
    return backbone


def backbone_specs() -> dict[str, BackboneSpec]:
    """Every backbone by kind (the part of its name before the colon), in alphabetical order.

    Imports no backbone's code beyond the spec. A third-party backbone that fails to load has a card that says why.
    """
    return {kind: find_spec(kind) for kind in _kinds()}


def list_backbones() -> list[Card]:
    """The card of every backbone, built in or installed."""
    return [spec.card for spec in backbone_specs().values()]


def _kinds() -> list[str]:
    return sorted(_built_in() | _entry_points().keys())


def _built_in() -> set[str]:
    """Names of the backbones in this package."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    return {module.name for module in modules if module.ispkg and not module.name.startswith("_")}


def _entry_points() -> dict[str, EntryPoint]:
    """Third-party backbones by kind; the first package that registers a name gets it."""
    points: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        points.setdefault(point.name, point)
    return points


def find_spec(kind: str) -> BackboneSpec:
    """The spec of one backbone, without importing any other. A built-in backbone cannot be replaced.

    Raises UnknownNameError if no backbone has this name.
    """
    if kind in _built_in():
        spec: BackboneSpec = importlib.import_module(f"{__package__}.{kind}").SPEC
        return spec
    if kind not in _entry_points():
        raise UnknownNameError("backbone", kind, _kinds())
    return _load(_entry_points()[kind])


def _load(point: EntryPoint) -> BackboneSpec:
    try:
        spec = point.load()
    except Exception as error:  # third-party code may raise anything
        return _unavailable(point, f"{point.value} cannot be imported ({type(error).__name__}: {error})")
    if not isinstance(spec, BackboneSpec):
        return _unavailable(point, f"{point.value} is a {type(spec).__name__}, not a BackboneSpec")
    return spec


def _unavailable(point: EntryPoint, reason: str) -> BackboneSpec:
    """A spec that lists a broken third-party backbone, and cannot create it."""

    def create(argument: str | None, **_: Any) -> Backbone:
        raise UnibindError(f"the backbone {point.name} cannot be loaded: {reason}; update or remove its package")

    card = Card(point.name, "", (), dim=None, license=None, weights="", unavailable=reason)
    return BackboneSpec(card, create)
