"""Where an input comes from: a file or bytes in memory, seen alike by every reader."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from ..errors import LimitError, MissingFileError, UnreadableError
from .limits import Limits

_HEAD = 1 << 16


@dataclass(frozen=True)
class Source:
    """One input. `name` is what messages call it; `path` is None for bytes in memory."""

    name: str
    path: Path | None = None
    data: bytes = b""

    @cached_property
    def size(self) -> int:
        """Bytes in all."""
        return self.path.stat().st_size if self.path is not None else len(self.data)

    @property
    def suffix(self) -> str:
        """Ending of the name in lower case, with its dot; empty for bytes."""
        return "" if self.path is None else self.path.suffix.lower()

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB."""
        with self.open() as file:
            return file.read(_HEAD)

    def open(self) -> IO[bytes]:
        """A fresh binary file object."""
        return self.path.open("rb") if self.path is not None else io.BytesIO(self.data)


def is_file(path: Path) -> bool:
    """Whether a file has this name; a name too long or odd for any file has none."""
    return _exists(path) and path.is_file()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def open_source(item: str | Path | bytes, limits: Limits) -> Source:
    """The source of an item; raises MissingFileError, UnreadableError for folders and empty input, LimitError."""
    if isinstance(item, bytes):
        source = Source("the given bytes", data=item)
    else:
        path = Path(item)
        if not _exists(path):
            raise MissingFileError(f"there is no file {str(path)[:300]}; check the name")
        if not path.is_file():
            raise UnreadableError(f"{path} is not a file; name the files in it")
        source = Source(str(path), path)
    if source.size == 0:
        raise UnreadableError(f"{source.name}: the file is empty; nothing was written to it, or its copy failed")
    if source.size > limits.max_bytes:
        raise LimitError(f"{source.name} has {source.size:,} bytes, the limits allow {limits.max_bytes:,}; raise them")
    return source
