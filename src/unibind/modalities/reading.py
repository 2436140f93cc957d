"""Readers: a file or bytes to a raw item, one module a modality, safe on hostile input.

A module `readers/<modality>.py` with a `READER` is all a new modality needs here.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import UnibindError, UnknownNameError, UnreadableError
from . import EXTRA_MODALITIES, MODALITIES
from .limits import Limits
from .source import Source, is_file, open_source
from .spec import Raw, Reader
from .text import Text

__all__ = ["Limits", "Reader", "Source", "modality_of", "read", "reader_of", "suffixes"]


@cache
def _readers() -> dict[str, Reader]:
    """Every reader of this package by modality, in the order of MODALITIES, others behind."""
    names = [
        m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name in MODALITIES + EXTRA_MODALITIES
    ]
    modules = (importlib.import_module(f"{__package__}.{name}") for name in names)
    found = {module.READER.modality: module.READER for module in modules if hasattr(module, "READER")}
    order = {name: i for i, name in enumerate(MODALITIES)}
    return dict(sorted(found.items(), key=lambda pair: order.get(pair[0], len(order))))


def reader_of(modality: str) -> Reader:
    """The reader of a modality; raises UnknownNameError."""
    if modality not in _readers():
        raise UnknownNameError("modality", modality, _readers())
    return _readers()[modality]


def suffixes() -> dict[str, tuple[str, ...]]:
    """The file endings each modality claims."""
    return {name: reader.suffixes for name, reader in _readers().items()}


def modality_of(path: str | Path, limits: Limits | None = None) -> str:
    """The modality of a file by its ending; where several claim it, by its first bytes.

    A picture that is not surely thermal is an image. Raises UnibindError where neither settles it.
    """
    path = Path(path)
    claims = [r for r in _readers().values() if path.suffix.lower() in r.suffixes]
    if not claims:
        known = " ".join(dict.fromkeys(s for r in _readers().values() for s in r.suffixes))
        raise UnibindError(
            f"{path}: no modality has the ending {path.suffix!r}; name the modality, or use one of {known}"
        )
    if len(claims) == 1:
        return claims[0].modality
    head = open_source(path, limits or Limits()).head
    sure = [r for r in claims if r.sniff(head)]
    if sure:
        return sure[-1].modality  # the more particular ones come later
    if claims[0].modality == "image":
        return "image"
    names = " or ".join(r.modality for r in claims)
    raise UnibindError(f"{path}: its ending may be {names}; say which with modality=... (or --modality)")


def read(item: str | Path | bytes, modality: str | None = None, *, limits: Limits | None = None, **options: Any) -> Raw:
    """Decode one item. Paths may leave `modality` out; bytes may not.

    A str that names no file is itself the text where `modality` is "text". `options` are those of the modality's
    reader. Raises MissingFileError, LimitError or UnreadableError, each one sentence that names the file; nothing
    else, whatever the file holds.
    """
    limits = limits or Limits()
    if modality is None:
        if isinstance(item, bytes):
            raise UnibindError("bytes do not say what they are; name their modality")
        open_source(item, limits)  # a missing or empty file is told before its ending
        modality = modality_of(item, limits)
    reader = reader_of(modality)
    if modality == "text" and isinstance(item, str) and not (item.lower().endswith(".txt") and is_file(Path(item))):
        return Text(item)
    source = open_source(item, limits)
    try:
        inspect.signature(reader.read).bind(source, limits, **options)
    except TypeError as error:
        raise UnibindError(f"the {modality} reader has no such option: {error}") from None
    with decoding(source, modality):
        return reader.read(source, limits, **options)


@contextmanager
def decoding(source: Source, modality: str) -> Iterator[None]:
    """Tell whatever goes wrong within as UnreadableError: one sentence that names the file."""
    try:
        yield
    except UnibindError:
        raise
    except MemoryError:
        raise UnreadableError(f"{source.name} needs more memory than there is; is it damaged?") from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        said = f"{source.name} cannot be read as {modality.replace('_', ' ')}: {reason[:200].rstrip('.')}"
        raise UnreadableError(said) from error
