"""Small tables of cells in CSV, JSONL, JSON or Parquet: read row by row with row numbers, written atomically.

Manifests and knowledge bases are such tables. CSV may be separated by commas, semicolons, tabs or bars, in UTF-8 or
UTF-16, with or without a byte order mark. A cell of text is text or None; blank cells, JSON null and NaN are None.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import LimitError, MissingFileError, UnibindError, UnknownNameError
from ..files import check_not_special, write_whole
from ..json_files import parse_json
from ..parquet_rows import MAX_CELL, MAX_ROWS, parquet_rows
from .csv_rows import csv_rows
from .formulas import shielded
from .stored_text import restored, stored
from .text_encoding import decoded, decoded_lines, undecodable

Row = dict[str, str | None]
_MAX_BYTES = 2 << 30  # of a table


@dataclass(frozen=True)
class BadRow:
    """A row that is not one, and the reason."""

    reason: str


BLANK = BadRow("it is blank")


@dataclass(frozen=True)
class Dialect:
    """What the columns of a table may be called.

    `is_known(name)` recognizes columns, by which the separator of a CSV file is found. `without_header(cells)` gives
    the columns of a CSV file from the cells of its first row where these are an item and no names, otherwise None.
    """

    is_known: Callable[[str], bool]
    without_header: Callable[[Sequence[str]], Sequence[str] | None] = lambda cells: None


def table_rows(path: Path, dialect: Dialect) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    """Yield the number of each row, from 1, and its cells in the known columns, or why it has none.

    A blank row is BLANK; blank rows at the end are left out. Cells are texts, or what JSON and Parquet hold. Raises
    MissingFileError for a missing file, and UnibindError for a file that is not a table.
    """
    check_not_special(path)
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; pass a CSV, JSONL, JSON or Parquet table")
    if path.stat().st_size > _MAX_BYTES:
        raise LimitError(f"{path} has more than {_MAX_BYTES >> 30} GiB; split it into several tables")
    blank: list[int] = []
    for number, row in _of_suffix(path, _READERS)(path, dialect):
        if number > MAX_ROWS:
            raise LimitError(f"{path} has more than {MAX_ROWS:,} rows; split it into several tables")
        if isinstance(row, dict) and not any(map(_is_filled, row.values())):
            blank.append(number)
            continue
        yield from ((earlier, BLANK) for earlier in blank)
        blank.clear()
        yield number, row if isinstance(row, BadRow) else _known_cells(row, dialect)


def _known_cells(row: Mapping[str, Any], dialect: Dialect) -> dict[str, Any] | BadRow:
    """The cells in known columns, with texts as they were before they were stored."""
    cells = {n: restored(v) if isinstance(v, str) else v for n, v in row.items() if dialect.is_known(n)}
    long = next((n for n, v in cells.items() if isinstance(v, str) and len(v) > MAX_CELL), None)
    if long is not None:
        return BadRow(f"its {long[:100]} has more than {MAX_CELL:,} characters; shorten it")
    return cells


def is_table(path: Path) -> bool:
    """Whether the ending of a file is that of a table."""
    return path.suffix.lower() in TABLE_ENDINGS


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Yield the number of each row, from 1, and its texts in `columns`; other columns and blank rows are ignored.

    Raises MissingFileError for a missing file, and UnibindError, naming file and row, for a row or a file that is not
    one.
    """
    for number, row in table_rows(path, Dialect(columns.__contains__)):
        where = f"{path}, row {number}"
        if row is BLANK:
            continue
        if isinstance(row, BadRow):
            raise UnibindError(f"{where}: {row.reason}")
        try:
            cells = {name: text_cell(row[name], name) for name in columns if name in row}
        except UnibindError as error:
            raise UnibindError(f"{where}: {error}") from error
        yield number, cells


def text_cell(value: Any, name: str) -> str | None:
    """A cell as text; raises UnibindError for one that is neither a text nor a number."""
    if is_missing(value):
        return None
    if isinstance(value, (dict, list, tuple, bytes)):
        raise UnibindError(f"{name} is a {type(value).__name__}; it must be a text or a number")
    text = str(value)
    return text if text.strip() else None


def _is_filled(value: Any) -> bool:
    return not is_missing(value) and (not isinstance(value, str) or bool(value.strip()))


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, or the NaN and NA of data frames, which are not equal to themselves."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):  # pandas' NA is neither; an array has many answers
        return type(value).__name__ in ("NAType", "NaTType")


def write_rows(path: Path, rows: Iterable[Mapping[str, str | None]], columns: Sequence[str]) -> None:
    """Write the table, completely or not at all, in the format given by the suffix of the file name."""
    write_whole(path, _of_suffix(path, _WRITERS)(list(rows), columns))


def _of_suffix(path: Path, formats: Mapping[str, Callable]) -> Callable:
    if path.suffix.lower() not in formats:
        raise UnknownNameError(f"table format of {path}:", path.suffix, formats)
    return formats[path.suffix.lower()]


# --- formats: (path, dialect) -> (row number, cells), and (rows, columns) -> bytes ----------------------------------


def _read_csv(path: Path, dialect: Dialect) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    for number, row in csv_rows(decoded_lines(path, ""), dialect.is_known, dialect.without_header):
        yield number, BadRow(row) if isinstance(row, str) else row


def _read_jsonl(path: Path, _: Dialect) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    for number, line in enumerate(decoded_lines(path), start=1):
        yield number, _json_object(line) if line.strip() else {}


def _json_object(text: str) -> dict[str, Any] | BadRow:
    if undecodable(text):
        return BadRow("it is not UTF-8 text; save the table as UTF-8")
    try:
        return _object(parse_json(text, "it", "write one JSON object per line"))
    except UnibindError as error:
        return BadRow(str(error))


def _object(value: Any) -> dict[str, Any] | BadRow:
    return value if isinstance(value, dict) else BadRow(f"it is a {type(value).__name__}; write a JSON object")


def _read_json(path: Path, _: Dialect) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    text = decoded(path)
    if undecodable(text):
        raise UnibindError(f"{path} is not UTF-8 text; save it as UTF-8")
    rows = parse_json(text, str(path), "write a list of objects")
    if not isinstance(rows, list):
        raise UnibindError(f"{path} is not a list of JSON objects; write one object per item")
    yield from enumerate(map(_object, rows), start=1)


def _read_parquet(path: Path, dialect: Dialect) -> Iterator[tuple[int, dict[str, Any]]]:
    yield from enumerate(parquet_rows(path, dialect.is_known), start=1)


def _write_csv(rows: Sequence[Mapping[str, str | None]], columns: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows({name: shielded(stored(row.get(name))) for name in columns} for row in rows)
    return text.getvalue().encode()


def _write_jsonl(rows: Sequence[Mapping[str, str | None]], columns: Sequence[str]) -> bytes:
    cells = ({name: row.get(name) for name in columns if row.get(name) is not None} for row in rows)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in cells).encode("utf-8", "backslashreplace")


def _write_parquet(rows: Sequence[Mapping[str, str | None]], columns: Sequence[str]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    cells = {name: pyarrow.array([stored(row.get(name)) for row in rows], pyarrow.string()) for name in columns}
    sink = io.BytesIO()
    parquet.write_table(pyarrow.table(cells), sink)
    return sink.getvalue()


_READERS = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".txt": _read_csv,
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".parquet": _read_parquet,
}
_WRITERS = {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}
TABLE_ENDINGS = tuple(_READERS)
