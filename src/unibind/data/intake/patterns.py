"""Patterns of paths, such as `photos/**/*.jpg`: the folder they begin in, and which files below it they match."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

_MAGIC = "*?["
_ANY_FOLDERS = "**"


def split_pattern(path: str) -> tuple[str, tuple[str, ...]]:
    """The part of a path before the first name with `*`, `?` or `[`, and the names from there on."""
    names = path.split("/")
    first = next((at for at, name in enumerate(names) if any(letter in name for letter in _MAGIC)), None)
    if first is None:
        return path, ()
    return "/".join(names[:first]) or ("/" if path.startswith("/") else "."), tuple(names[first:])


def matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path, or a folder on its way, has the names of a pattern; `**` stands for any number of folders."""
    if not pattern:
        return True
    if pattern[0] == _ANY_FOLDERS:
        return any(matches(path[start:], pattern[1:]) for start in range(len(path)))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and matches(path[1:], pattern[1:])
