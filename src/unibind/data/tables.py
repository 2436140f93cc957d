"""Small tables of text cells in CSV, JSONL, JSON or Parquet: read row by row with row numbers, written atomically.

Manifests and knowledge bases are such tables. A cell is text or None; blank cells, JSON null and NaN are None.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import MissingFileError, UnibindError, UnknownNameError
from ..files import write_whole

Row = dict[str, str | None]


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Yield the number of each row, from 1, and its cells in `columns`; other columns are ignored.

    Raises MissingFileError for a missing file, and UnibindError, naming file and row, for a file that is not a table.
    """
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; pass a CSV, JSONL, JSON or Parquet table")
    reader = _of_suffix(path, _READERS)
    try:
        for number, row in reader(path, columns):
            yield number, {name: _cell(row[name], f"{path}, row {number}, {name}") for name in columns if name in row}
    except UnicodeDecodeError as error:
        raise UnibindError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error


def write_rows(path: Path, rows: Iterable[Mapping[str, str | None]], columns: Sequence[str]) -> None:
    """Write the table, completely or not at all, in the format given by the suffix of the file name."""
    write_whole(path, _of_suffix(path, _WRITERS)(list(rows), columns))


def _of_suffix(path: Path, formats: Mapping[str, Callable]) -> Callable:
    if path.suffix.lower() not in formats:
        raise UnknownNameError(f"table format of {path}:", path.suffix, formats)
    return formats[path.suffix.lower()]


def _cell(value: Any, where: str) -> str | None:
    if value is None or value != value:  # data frames write a missing cell as NaN
        return None
    if isinstance(value, (dict, list, tuple, bytes)):
        raise UnibindError(f"{where} is a {type(value).__name__}; it must be a text or a number")
    text = str(value)
    return text if text.strip() else None


# --- formats: (path, columns) -> (row number, cells), and (rows, columns) -> bytes ----------------------------------


def _read_csv(path: Path, _: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, strict=True)
        number = 0
        try:
            for number, row in enumerate(rows, start=1):
                if None in row or None in row.values():
                    raise UnibindError(
                        f"{path}, row {number} has a different number of cells than the header; quote its commas"
                    )
                yield number, row
        except csv.Error as error:
            raise UnibindError(f"{path} is broken after row {number} ({error}); save it as CSV again") from error


def _read_jsonl(path: Path, _: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, _json_object(line, f"{path}, row {number}")


def _json_object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnibindError(f"{where} is not JSON ({error}); write one JSON object per line") from error
    if not isinstance(value, dict):
        raise UnibindError(f"{where} is a {type(value).__name__}; write one JSON object per line")
    return value


def _read_json(path: Path, _: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise UnibindError(f"{path} is not JSON ({error}); write a list of objects") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnibindError(f"{path} is not a list of JSON objects; write one object per item")
    yield from enumerate(rows, start=1)


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            present = [name for name in columns if name in file.schema_arrow.names]
            number = 0
            for batch in file.iter_batches(columns=present):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError) as error:
        raise UnibindError(f"{path} is not a complete Parquet file ({error}); write it again") from error


def _write_csv(rows: Sequence[Mapping[str, str | None]], columns: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _write_jsonl(rows: Sequence[Mapping[str, str | None]], columns: Sequence[str]) -> bytes:
    cells = ({name: row.get(name) for name in columns if row.get(name) is not None} for row in rows)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in cells).encode()


def _write_parquet(rows: Sequence[Mapping[str, str | None]], columns: Sequence[str]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    cells = {name: pyarrow.array([row.get(name) for row in rows], pyarrow.string()) for name in columns}
    sink = io.BytesIO()
    parquet.write_table(pyarrow.table(cells), sink)
    return sink.getvalue()


_READERS = {".csv": _read_csv, ".jsonl": _read_jsonl, ".json": _read_json, ".parquet": _read_parquet}
_WRITERS = {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}
