"""The registry of modalities: modules of this package with a `SPEC`, and third-party packages by entry point."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TypeVar

from ..errors import UnibindError, UnknownNameError
from .spec import FileFormat, ModalitySpec, Raw

ANCHOR = "text"  # the modality whose embeddings are the fixed center of the space

_SPECS, _FORMATS = "unibind.modalities", "unibind.formats"  # entry point groups
T = TypeVar("T")


def modality_names() -> tuple[str, ...]:
    """The names of all modalities, sorted."""
    return tuple(_specs())


def modality_spec(name: str) -> ModalitySpec:
    """The modality of that name; raises UnknownNameError."""
    return _specs()[check_modality(name)]


def check_modality(name: str, known: Collection[str] | None = None) -> str:
    """Return `name` if it is one of the `known` modalities (default: all); raise UnknownNameError otherwise."""
    known = _specs() if known is None else known
    if name not in known:
        raise UnknownNameError("modality", name, known)
    return name


def raw_from_object(item: object) -> Raw | None:
    """The raw item that some modality makes of another library's object, such as a PIL image; None if none does."""
    makers = (spec.from_object for spec in _specs().values() if spec.from_object is not None)
    return next((raw for raw in (make(item) for make in makers) if raw is not None), None)


@cache
def _specs() -> dict[str, ModalitySpec]:
    """Every modality by name, with the formats that third parties add to it."""
    specs = {spec.name: spec for spec in _built_in()}
    for point, spec in _loaded(_SPECS, ModalitySpec):
        if spec.name in specs:
            _warn(point, f"the modality {spec.name!r} exists already")
        else:
            specs[spec.name] = spec
    for point, row in _loaded(_FORMATS, FileFormat):
        if row.modality not in specs:
            _warn(point, f"its modality {row.modality!r} does not exist")
        elif row.name in {existing.name for existing in specs[row.modality].formats}:
            _warn(point, f"the {row.modality} format {row.name!r} exists already")
        else:
            spec = specs[row.modality]
            specs[row.modality] = replace(spec, formats=(*spec.formats, row))
    return dict(sorted(specs.items()))


def _built_in() -> Iterator[ModalitySpec]:
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        spec = getattr(importlib.import_module(f"{__package__}.{module.name}"), "SPEC", None)
        if isinstance(spec, ModalitySpec):
            yield spec


def _loaded(group: str, kind: type[T]) -> Iterator[tuple[EntryPoint, T]]:
    """The values of a group's entry points; one that cannot be loaded is skipped with a warning."""
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        try:
            value = point.load()
            if not isinstance(value, kind):
                raise UnibindError(f"its value must be a {kind.__name__}, not a {type(value).__name__}")
        except Exception as error:
            _warn(point, str(error) or type(error).__name__)
        else:
            yield point, value


def _warn(point: EntryPoint, reason: str) -> None:
    package = point.dist.name if point.dist is not None else point.module
    warnings.warn(
        f"the plug-in {point.name!r} ({point.group}) of the package {package} is ignored: {reason}", stacklevel=2
    )
