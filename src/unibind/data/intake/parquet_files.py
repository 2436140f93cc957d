"""Parquet tables with files in their cells, as data sets are published: bytes, or records of bytes and a path."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import LimitError, UnibindError
from ...parquet_rows import MAX_ROWS
from ..content import Content, digest_of
from ..tables import BadRow
from .columns import columns, is_known

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

PARQUET = ".parquet"
_MAX_COLUMN = 4 << 30  # unpacked bytes of a column in a group of rows
_ROWS_AT_ONCE = 32
_BYTES, _PATH = "bytes", "path"


def held_columns(path: Path) -> dict[str, bool]:
    """The columns whose cells contain files: False for bytes, True for records of bytes and a path."""
    with _opened(path) as file:
        schema = file.schema_arrow
    known = columns(tuple(schema.names))
    files = (*known.modalities, *known.meanings.get("uri", ()))
    kinds = {name: schema.field(name).type for name in files}
    return {name: _is_record(kind) for name, kind in kinds.items() if _is_bytes(kind) or _is_record(kind)}


def rows_with_files(path: Path, held: Mapping[str, bool]) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    """Yield the number of each row, from 1, and its cells in known columns; `held` cells become contents.

    Their bytes are read here for their digests, and again when they are encoded. If a group of rows is damaged, the
    first row that cannot be read is a BadRow, and the rest of the group is left out. Raises LimitError for a file that
    is larger than a table may be, and UnibindError for a file that is not Parquet.
    """
    with _opened(path) as file:
        _check(path, file, held)
        names = [name for name in file.schema_arrow.names if is_known(name)]
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    holders = {name: _Cells(path, name, is_record=is_record) for name, is_record in held.items()}
    first = 1
    for group, size in enumerate(sizes):
        number = first
        try:
            for cells in _rows_of_group(path, group, names, held):
                taken = partial(_content, place=(group, number - first), number=number)
                yield number, cells | {name: taken(name, cells[name], holders[name]) for name in held}
                number += 1
        except UnibindError as error:
            yield number, BadRow(f"{error}; the rows up to {first + size - 1:,} are left out")
        first += size


def _rows_of_group(path: Path, group: int, names: list[str], held: Mapping[str, bool]) -> Iterator[dict[str, Any]]:
    for batch in _batches(path, group, names, held):
        for row in range(batch.num_rows):
            yield {name: batch.column(name)[row].as_py() for name in names}


def _content(name: str, cell: Any, holder: _Cells, *, place: tuple[int, int], number: int) -> Any:
    data = _bytes_in(cell, is_record=holder.is_record)
    if data is None:
        return cell
    written = (cell.get(_PATH) if holder.is_record else None) or f"{name} of row {number}"
    return Content(str(written), digest_of(data), None, holder, place)


class _Cells:
    """Gives the bytes in a column by group and row, fast if they are asked for in order, as encoding does."""

    def __init__(self, path: Path, name: str, *, is_record: bool) -> None:
        self._path, self._name, self.is_record = path, name, is_record
        self._lock = threading.Lock()
        self._group, self._next, self._left = -1, 0, iter(())
        self._recent: dict[int, bytes] = {}  # of two batches: the threads of workers ask a little out of order

    def __call__(self, group: int, row: int) -> bytes:
        with self._lock:
            if group != self._group or row < min(self._recent, default=self._next):
                self._group, self._next, self._recent = group, 0, {}
                self._left = _batches(self._path, group, [self._name], {self._name: self.is_record})
            while row >= self._next:
                self._read_batch()
            return self._recent[row]

    def _read_batch(self) -> None:
        batch = next(self._left, None)
        if batch is None:
            raise UnibindError(f"{self._path} has fewer rows than before; encode it again")
        cells = (_bytes_in(cell.as_py(), is_record=self.is_record) for cell in batch.column(0))
        older = {at: data for at, data in self._recent.items() if at >= self._next - _ROWS_AT_ONCE}
        self._recent = older | {self._next + at: data or b"" for at, data in enumerate(cells)}
        self._next += batch.num_rows


def _bytes_in(cell: Any, *, is_record: bool) -> bytes | None:
    found = cell.get(_BYTES) if is_record and cell is not None else cell
    return found if isinstance(found, bytes) else None


# --- the file ------------------------------------------------------------------------------------------------------


def _opened(path: Path, read_dictionary: list[str] | None = None) -> ParquetFile:
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path, read_dictionary=read_dictionary)
    except Exception as error:  # Arrow has its own errors
        raise _damaged(path, error) from error


def _batches(path: Path, group: int, names: list[str], held: Mapping[str, bool]) -> Iterator[pyarrow.RecordBatch]:
    """Batches of rows; a value that repeats a million times is in memory once, in a dictionary."""
    repeated = [f"{name}.{_BYTES}" if held[name] else name for name in names if name in held]
    with _opened(path, repeated) as file:
        try:
            yield from file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=names)
        except MemoryError:
            raise LimitError(f"{path} unpacks to more than fits in memory; write smaller groups of rows") from None
        except OSError as error:
            raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UnibindError:
    reason = " ".join(str(error).split())[:200]
    return UnibindError(f"{path} is not a complete Parquet file ({reason}); write it again")


def _check(path: Path, file: ParquetFile, held: Mapping[str, bool]) -> None:
    metadata = file.metadata
    if metadata.num_rows > MAX_ROWS:
        raise LimitError(f"{path} has {metadata.num_rows:,} rows, but a table may have {MAX_ROWS:,}; split it")
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for column in map(group.column, range(group.num_columns)):
            size = column.total_uncompressed_size
            if column.path_in_schema.partition(".")[0] in held and size > _MAX_COLUMN:
                raise LimitError(f"the files in {path} unpack to {size:,} bytes at once; write smaller groups of rows")
    for name in file.schema_arrow.names:
        kind = file.schema_arrow.field(name).type
        if is_known(name) and name not in held and _is_nested(kind):
            raise UnibindError(f"the column {name} of {path} is {str(kind)[:80]}; it must be a text, number or file")


def _is_bytes(kind: pyarrow.DataType) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))


def _is_record(kind: pyarrow.DataType) -> bool:
    import pyarrow

    return pyarrow.types.is_struct(kind) and any(kind.field(i).name == _BYTES for i in range(kind.num_fields))


def _is_nested(kind: pyarrow.DataType) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_nested(kind))
