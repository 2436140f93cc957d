"""The user's cache folder: what can be computed again, and is kept because that takes long."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

CACHE = "UNIBIND_CACHE"  # environment variable: the user's cache folder; an empty value turns it off


def user_cache(name: str) -> Path | None:
    """The folder `name` in the user's cache, which is made; None where the cache is turned off or not writable.

    It is below the folder UNIBIND_CACHE, else below `unibind` in XDG_CACHE_HOME or ~/.cache, as Hugging Face has it.
    """
    given = os.environ.get(CACHE)
    if given == "":
        return None
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    folder = (Path(home) / "unibind" if given is None else Path(given).expanduser()) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def evict(files: Iterable[Path], max_bytes: int, max_files: int) -> None:
    """Remove the files that were used least recently, beyond these limits."""
    used = []
    for file in files:
        with suppress(OSError):  # removed by another process
            facts = file.stat()
            used.append((facts.st_mtime_ns, facts.st_size, file))
    total = 0
    for number, (_, size, file) in enumerate(sorted(used, reverse=True)):
        total += size
        if total > max_bytes or number >= max_files:
            with suppress(OSError):
                file.unlink()
