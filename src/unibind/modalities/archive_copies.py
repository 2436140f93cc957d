"""Copies of tar archives behind URLs, so that their members are read one after the other from the disk.

They are in the user's cache, where all processes share them. Few are kept: shards are read in their order.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ..user_cache import evict, user_cache
from .fetching import copy_to, patiently

_MOST_BYTES, _MOST = 64 << 30, 8  # of archives that are kept
_FACTS = ("size", "ETag", "etag", "LastModified", "mtime", "created", "generation", "url")


def local_archive(url: str) -> Path:
    """A copy of the archive behind a URL, fetched where there is none of its version.

    Raises MissingFileError and UnreadableError where it cannot be fetched.
    """
    copy = _folder() / f"{_version(url)}.tar"
    if copy.is_file():
        os.utime(copy)  # it is in use
        return copy
    patiently(url, partial(_fetch, url, copy))
    evict(copy.parent.glob("*.tar"), _MOST_BYTES, _MOST)
    return copy


@lru_cache(maxsize=1024)
def _version(url: str) -> str:
    """A name for what is behind a URL now, as far as the protocol tells; it is asked once in the life of a process."""
    from fsspec.core import url_to_fs

    def facts() -> dict[str, Any]:
        system, path = url_to_fs(url)
        return dict(system.info(path))

    found = patiently(url, facts)
    known = [f"{name}={found[name]}" for name in _FACTS if found.get(name) is not None]
    return hashlib.sha256("\0".join([url, *known]).encode()).hexdigest()[:32]


def _fetch(url: str, copy: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=copy.parent, delete=False) as here:
        try:
            copy_to(url, here)
            here.close()
            Path(here.name).replace(copy)  # two processes may fetch it: both copies are whole
        except BaseException:
            Path(here.name).unlink(missing_ok=True)
            raise


@lru_cache
def _folder() -> Path:
    """The folder of the copies; where the user's cache is turned off, one that this process leaves behind."""
    return user_cache("archives") or Path(tempfile.mkdtemp(prefix="unibind-archives-"))
