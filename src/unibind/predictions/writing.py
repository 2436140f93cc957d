"""Tables that are written a part at a time, in the format of the file's suffix, completely or not at all."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.formulas import shielded
from ..data.stored_text import cells, readable
from ..errors import UnibindError, UnknownNameError
from ..files import FILE, staged

if TYPE_CHECKING:
    import pyarrow

Write = Callable[["pyarrow.Table"], None]


@dataclass(frozen=True)
class StoreAnswers:
    """What became of the items of a store: how many there are, of each label and of "none of these", and the table."""

    items: int
    labels: Mapping[str, int]
    none_of_these: int
    out: str


def write_answers(tables: Iterable[pyarrow.Table], path: Path, progress: Callable[[int], None]) -> StoreAnswers:
    """Write tables of answers (see `predictions.stored`) as one file; raises UnibindError where there are none."""
    items, labels = 0, Counter[str]()
    with streamed_table(path) as write:
        for table in tables:
            write(table)
            items += len(table)
            labels.update(cells(table.filter(table["accepted"])["label"]))
            progress(len(table))
        if not items:
            raise UnibindError("there are no items to classify; choose another split, or encode some first")
    return StoreAnswers(items, dict(labels.most_common()), items - labels.total(), str(path))


def check_streamed_name(path: Path) -> None:
    """Raise UnknownNameError unless a table can be written in parts under this name."""
    if path.suffix.lower() not in _WRITERS:
        raise UnknownNameError(f"table format of {path}:", path.suffix, _WRITERS)


@contextmanager
def streamed_table(path: Path) -> Iterator[Write]:
    """Yield a function that writes the next part of a table; all parts have the same columns.

    The file has its name when the block is done. Raises UnknownNameError for another suffix, and WriteError where the
    file cannot be written.
    """
    check_streamed_name(path)
    with staged(path, kind=FILE) as temporary, _WRITERS[path.suffix.lower()](temporary) as write:
        yield write


@contextmanager
def _csv(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer, begun = csv.writer(file), False

        def write(table: pyarrow.Table) -> None:
            nonlocal begun
            if not begun:
                writer.writerow(table.column_names)
                begun = True
            writer.writerows([shielded(_in_csv(cell)) for cell in row] for row in _rows(table))

        yield write


@contextmanager
def _jsonl(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:

        def write(table: pyarrow.Table) -> None:
            for row in _rows(table):
                named = dict(zip(table.column_names, row, strict=True))
                file.write(json.dumps(named, ensure_ascii=False) + "\n")

        yield write


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    from pyarrow import parquet

    writer: Any = None

    def write(table: pyarrow.Table) -> None:
        nonlocal writer
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(readable(table))

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


def _rows(table: pyarrow.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(cells(column) for column in table.columns), strict=True)


def _in_csv(cell: Any) -> Any:
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, list) else cell


_WRITERS = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
