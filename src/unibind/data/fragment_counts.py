"""How many items a store has of each modality, contract, split and state, counted once for each fragment.

What was counted is kept in `counts.json` in the store's folder, by the names of fragments, which never change: opening
a store counts only what was written since. The file has nothing that the store cannot tell: where it is missing,
damaged or cannot be written, more is counted.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import UnibindError
from ..files import write_whole
from ..json_files import COUNT, OBJECT, TEXT, check_fields, read_json
from .lance_files import Fragment
from .lance_tables import LanceTables
from .stored_text import cells

COUNTS = "counts.json"
Kind = tuple[str | None, ...]  # the values of the columns that are counted by

_FORMAT = 1
_FIELDS = {"format": COUNT, "columns": OBJECT, "fragments": OBJECT, "sha256": TEXT}
_FIX = "it is made again when it is needed"
_AT_ONCE = 4096  # rows: Lance takes several kB for each
_WORTH_KEEPING = 20_000  # rows: fewer are counted as fast as a file is written


def count_rows(tables: LanceTables, name: str, columns: Sequence[str], folder: Path, *, keep: bool) -> Counter[Kind]:
    """How many rows of a table have the same values in `columns` of texts, in the version that is read.

    With `keep`, what was counted is kept in the folder if it was much. Raises UnibindError for a table that cannot be
    read, also where everything was counted before.
    """
    tables.width(name)
    fragments, counts = tables.fragments(name), _read(folder / COUNTS, columns)
    new = [fragment for fragment in fragments if fragment.name not in counts]
    counts |= _counted(tables, name, columns, new)
    total = Counter[Kind]()
    for fragment in fragments:
        total.update(counts[fragment.name])
    if keep and sum(fragment.rows for fragment in new) >= _WORTH_KEEPING:
        with suppress(OSError, UnibindError):  # a folder that is read-only, or a disk that is full
            _write(folder / COUNTS, columns, {f.name: counts[f.name] for f in fragments})
    return total


def _counted(
    tables: LanceTables, name: str, columns: Sequence[str], fragments: Sequence[Fragment]
) -> dict[str, Counter[Kind]]:
    """The counts of some fragments, by their names."""
    counts = {fragment.name: Counter[Kind]() for fragment in fragments}
    for fragment, table in tables.scan_fragments(name, columns, fragments, _AT_ONCE):
        groups = table.group_by(list(columns)).aggregate([([], "count_all")])
        values = [cells(groups[column]) for column in (*columns, "count_all")]
        for *kind, count in zip(*values, strict=True):
            counts[fragment.name][tuple(kind)] += count
    return counts


def _write(path: Path, columns: Sequence[str], counts: Mapping[str, Mapping[Kind, int]]) -> None:
    found = {name: [[*kind, number] for kind, number in kinds.items()] for name, kinds in counts.items()}
    content = {"format": _FORMAT, "columns": dict.fromkeys(columns), "fragments": found}
    write_whole(path, json.dumps(content | {"sha256": _checksum(content)}))


def _read(path: Path, columns: Sequence[str]) -> dict[str, Counter[Kind]]:
    """The counts in a file, by fragment name; empty if it is missing, damaged, or counts other columns."""
    try:
        if not path.is_file():
            return {}
        content = check_fields(read_json(path, _FIX), _FIELDS, str(path), _FIX)
        unsigned = {name: value for name, value in content.items() if name != "sha256"}
        if _checksum(unsigned) != content["sha256"] or list(content["columns"]) != list(columns):
            return {}
        return {name: Counter({tuple(k): int(n) for *k, n in kinds}) for name, kinds in content["fragments"].items()}
    except (OSError, TypeError, ValueError):  # a UnibindError is a ValueError
        return {}


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
