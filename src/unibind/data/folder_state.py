"""Whether anything in a folder has changed: a digest of the names, sizes and times of its files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def folder_state(folders: Iterable[Path]) -> bytes:
    """A digest of all visible files in these folders and those below them; memory grows with the largest folder."""
    digest = hashlib.blake2b(digest_size=16)
    for folder in folders:
        for name, below, files in os.walk(folder):
            below[:] = sorted(entry for entry in below if not entry.startswith("."))
            for file in sorted(entry for entry in files if not entry.startswith(".")):
                digest.update(_facts(Path(name, file)))
    return digest.digest()


def _facts(path: Path) -> bytes:
    try:
        found = path.stat()
    except OSError:  # it was just removed, or a link leads nowhere
        return os.fsencode(path)
    return os.fsencode(path) + f"\0{found.st_size} {found.st_mtime_ns}\0".encode()
