"""Cells that hold an item: a path or URL, bytes, a picture or another object of a library, or a raw item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ...errors import UnibindError
from ...modalities import Raw, raw_from_object
from ...modalities.source import Source
from ..content import Content, content_of
from ..manifest import detected_modality, resolve
from ..tables import is_missing


@dataclass(frozen=True)
class Media:
    """The item in a cell: `written` is its path or URL as written, or what its `content` without one is called."""

    written: str
    content: Content | None = None

    def uri(self, folder: Path | str) -> str:
        """Where the item is; relative paths start from `folder`."""
        return str(resolve(self.written, folder)) if self.content is None else self.content.uri

    def modality(self, uri: str) -> str:
        """The modality that its name and first bytes, or its type, tell, of the item at `uri`."""
        if self.content is None:
            return detected_modality(uri)
        return self.content.modality or detected_modality(Source(self.content.name, data=_bytes_of(self.content)))


def media_of(cell: Any, name: str) -> Media | None:
    """The item in a cell of the column `name`; None for an empty one.

    Raises UnibindError for anything that is not an item: the shape of an array does not tell its modality.
    """
    if isinstance(cell, str | PurePath):
        written = str(cell).strip()
        return Media(written) if written else None
    if isinstance(cell, Content):
        return Media(cell.name, cell)
    if isinstance(cell, bytes | bytearray | memoryview):
        return Media(name, content_of(bytes(cell), name))
    if isinstance(cell, Mapping) and {"bytes", "path"} & cell.keys():  # as data sets store files
        return _file_in_cell(cell, name)
    if not isinstance(cell, Raw) and is_missing(cell):
        return None
    raw = cell if isinstance(cell, Raw) else raw_from_object(cell)
    if raw is None:
        raise UnibindError(
            f"{name} is a {type(cell).__name__}; give a path, bytes, a picture, or a raw type such as "
            "unibind.Audio(samples, rate)"
        )
    return Media(name, content_of(raw, name))


def _file_in_cell(cell: Mapping[str, Any], name: str) -> Media | None:
    data, path = cell.get("bytes"), cell.get("path")
    if data is None:
        return None if path is None else Media(str(path))
    return Media(str(path or name), content_of(bytes(data), str(path or name)))


def _bytes_of(content: Content) -> bytes:
    value = content.fetch()
    return value if isinstance(value, bytes) else b""
