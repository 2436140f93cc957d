"""Facts of a file that tell whether its content is still the one that was encoded."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileFacts:
    """Size in bytes and time of the last change in nanoseconds, and the SHA-256 of the content in hexadecimal."""

    size: int
    mtime_ns: int
    content: str


def file_stamp(path: str | Path) -> tuple[int, int] | None:
    """Size and time of the last change of a file; None where there is no regular file."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def content_hash(path: str | Path) -> str:
    """SHA-256 of a file's content, read in blocks."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
