"""The source of an item: a file or bytes in memory, which every reader sees alike."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from ..errors import LimitError, MissingFileError, UnibindError, UnreadableError
from .limits import Limits

_HEAD = 1 << 16


@dataclass(frozen=True)
class Source:
    """One input. `name` is what error messages call it; `path` is None for bytes in memory."""

    name: str
    path: Path | None = None
    data: bytes = b""

    @cached_property
    def size(self) -> int:
        """Size in bytes."""
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
        """Open the input as a new binary file object."""
        return self.path.open("rb") if self.path is not None else io.BytesIO(self.data)

    def read_bytes(self) -> bytes:
        """The whole content."""
        with self.open() as file:
            return file.read()


def is_file(path: Path) -> bool:
    """Whether a file has this name; False for names that no file can have."""
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
            raise MissingFileError(f"file not found: {str(path)[:300]}; check the name")
        if not path.is_file():
            raise UnreadableError(f"{path} is not a file; specify the files in it")
        source = Source(str(path), path)
    if source.size == 0:
        raise UnreadableError(f"{source.name}: the file is empty; nothing was written to it, or its copy failed")
    if source.size > limits.max_bytes:
        raise LimitError(f"{source.name} has {source.size:,} bytes, the limits allow {limits.max_bytes:,}; raise them")
    return source


@contextmanager
def decoding(source: Source, modality: str) -> Iterator[None]:
    """Turn whatever a decoder raises into UnreadableError: one sentence that names the file."""
    try:
        yield
    except UnibindError:
        raise
    except MemoryError:
        raise UnreadableError(f"{source.name} needs more memory than is available; is it damaged?") from None
    except Exception as error:
        reason = (" ".join(str(error).split()) or type(error).__name__)[:200].rstrip(".")
        raise UnreadableError(f"{source.name} cannot be read as {modality.replace('_', ' ')}: {reason}") from error
