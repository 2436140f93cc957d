"""Search results as tables: one row per hit, numbers as numbers, in the format of the file's suffix."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data.formulas import shielded
from ..errors import UnknownNameError
from ..files import write_whole

Rows = Sequence[Mapping[str, Any]]


def check_table_name(path: Path) -> None:
    """Raise UnknownNameError unless a table can be written under this name."""
    if path.suffix.lower() not in _WRITERS:
        raise UnknownNameError(f"table format of {path}:", path.suffix, _WRITERS)


def save_table(rows: Rows, path: Path, columns: Sequence[str]) -> None:
    """Write the rows atomically in the format of the suffix; raises UnknownNameError for another one."""
    check_table_name(path)
    write_whole(path, _WRITERS[path.suffix.lower()](rows, columns))


def _csv(rows: Rows, columns: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows({name: shielded(cell) for name, cell in row.items()} for row in rows)
    return _encoded(text.getvalue())


def _json(rows: Rows, _: Sequence[str]) -> bytes:
    return _encoded(json.dumps(list(rows), indent=1, ensure_ascii=False) + "\n")


def _jsonl(rows: Rows, _: Sequence[str]) -> bytes:
    return _encoded("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _parquet(rows: Rows, columns: Sequence[str]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    whole, real = pyarrow.int64(), pyarrow.float64()
    kinds = {"rank": whole, "score": real, "start_s": real, "end_s": real, "same_as": whole}
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in columns])
    cells = [{name: _valid(value) for name, value in row.items()} for row in rows]
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(cells, schema), sink)
    return sink.getvalue()


def _encoded(text: str) -> bytes:
    """UTF-8, in which a byte of a file name that is not UTF-8 stays visible as an escape."""
    return text.encode("utf-8", "backslashreplace")


def _valid(value: Any) -> Any:
    return _encoded(value).decode() if isinstance(value, str) else value


_WRITERS: dict[str, Callable[[Rows, Sequence[str]], bytes]] = {
    ".csv": _csv,
    ".json": _json,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
