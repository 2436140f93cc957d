"""`store.json`, which marks the folder of a store: its format, its precision, and the backbone of its items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from ..errors import MissingFileError, UnibindError
from ..files import write_whole
from ..json_files import COUNT, Kind, check_fields, optional, read_json

Precision = Literal["float16", "float32"]

MARK = "store.json"
_FORMAT = 4
_FIX = "encode into a new store"


def _is_backbone(value: Any) -> bool:
    """Whether this is [name, options]."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)


_FIELDS = {
    "format": COUNT,
    "precision": Kind("float16 or float32", lambda value: value in ("float16", "float32")),
    "backbone": optional(Kind("a name and options", _is_backbone)),
}


def write_mark(folder: Path, precision: Precision, backbone: tuple[str, dict[str, Any]] | None = None) -> None:
    """Mark a folder as a store; `backbone` is the name and options that its items were encoded with."""
    mark = {"format": _FORMAT, "precision": precision} | ({} if backbone is None else {"backbone": backbone})
    write_whole(folder / MARK, json.dumps(mark))


def read_mark(folder: Path) -> dict[str, Any]:
    """The mark of a store.

    Raises MissingFileError where there is none, and UnibindError for a damaged one and for another format.
    """
    if not (folder / MARK).is_file():
        raise MissingFileError(f"{folder} is not a store (it has no {MARK}); create one with `unibind encode`")
    where = str(folder / MARK)
    mark = check_fields(read_json(folder / MARK, _FIX), {"format": COUNT}, where, _FIX, open=True)
    if mark["format"] != _FORMAT:
        raise UnibindError(
            f"the store {folder} has format {mark['format']}, but this version of unibind reads {_FORMAT}; encode again"
        )
    return check_fields(mark, _FIELDS, where, _FIX, defaults=("backbone",), open=True)
