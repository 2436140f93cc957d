"""Facts of a file that tell whether its content is still the one that was encoded."""

from __future__ import annotations

import hashlib
import stat
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..modalities.segments import Segment
from ..modalities.tar_members import read_member, split_member


@dataclass(frozen=True)
class FileFacts:
    """Size in bytes and time of the last change in nanoseconds, and the SHA-256 of the content in hexadecimal."""

    size: int
    mtime_ns: int
    content: str


def file_stamp(path: str | Path) -> tuple[int, int] | None:
    """Size and modification time of a file; None if it is not a regular file.

    Those of a member of a tar archive are the archive's.
    """
    member = split_member(path)
    try:
        found = (Path(path) if member is None else member[0]).stat()
    except (OSError, ValueError):
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def content_hash(path: str | Path, segment: Segment | None = None) -> str:
    """SHA-256 of the content of a file, read in blocks, or of a member of a tar archive; raises what reading raises.

    The hash of a segment is derived from that of its file and from its start and end.
    """
    if segment is not None:
        whole = _hash_of_version(str(path), file_stamp(path))
        return hashlib.sha256(f"{whole}{segment}".encode()).hexdigest()
    member = split_member(path)
    if member is not None:
        return hashlib.sha256(read_member(*member, max_bytes=sys.maxsize)).hexdigest()
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=16)
def _hash_of_version(path: str, stamp: tuple[int, int] | None) -> str:
    """The hash of a whole file, read once for its segments."""
    return content_hash(path)


def content_facts(content: object) -> FileFacts | None:
    """The facts of bytes in memory, which have no modification time; None for anything but bytes."""
    if not isinstance(content, bytes):
        return None
    return FileFacts(len(content), 0, hashlib.sha256(content).hexdigest())


def folder_of(path: Path) -> Path:
    """The folder that a file, or the archive that it is a member of, is in."""
    member = split_member(path)
    return path.parent if member is None else member[0].parent
