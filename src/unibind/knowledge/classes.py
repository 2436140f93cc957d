"""Which categories to describe: a text file, a list in words, or the labels of a manifest."""

from __future__ import annotations

import os
from pathlib import Path

from ..data.manifest import read_manifest
from ..errors import MissingFileError, UnibindError

_TABLES = (".csv", ".jsonl", ".json", ".parquet")


def read_classes(said: str) -> tuple[str, ...]:
    """Unlike categories in their order, of a .txt file (one a line, # begins a remark), a table or folder with labels,
    or a comma list.

    Raises MissingFileError for what looks like a file and is none, and UnibindError where there are no categories.
    """
    path = Path(said)
    if path.suffix.lower() in _TABLES or os.path.isdir(said):  # noqa: PTH112 - Path refuses long lists
        names = [item.label or "" for item in read_manifest(path)]
    elif os.path.isfile(said):  # noqa: PTH113
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise UnibindError(f"{path} is not UTF-8 text; write one category a line") from error
        names = [line for line in lines if not line.lstrip().startswith("#")]
    elif "/" in said or path.suffix.lower() == ".txt":
        raise MissingFileError(f"there is no file {said}; name one, or give categories as a comma list")
    else:
        names = said.split(",")
    found = tuple(dict.fromkeys(name for name in (" ".join(name.split()) for name in names) if name))
    if not found:
        raise UnibindError(f"{said!r} holds no categories; write one a line, or label the manifest's items")
    return found
