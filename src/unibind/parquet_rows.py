"""Rows of a Parquet file, which may be a few bytes that stand for gigabytes: sizes are checked before they are read.

A Parquet file can repeat one cell a billion times, or declare columns that unpack to far more than the file. Rows and
unpacked bytes are therefore counted from its footer, and texts stay in their dictionaries until their lengths are
known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import LimitError, UnibindError

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

MAX_ROWS = 20_000_000
_REPEATED_ROWS = 100_000  # rows that may all be alike; of more, each takes at least a byte of the file
MAX_CELL = 1_000_000  # bytes of a text
_MAX_COLUMN = 1 << 29  # unpacked bytes of one column in one row group
_MAX_TEXT, _MAX_RATIO = 1 << 28, 64  # bytes of all texts, however small the file is, and per byte of the file
_ROWS_AT_ONCE = 4096
_BYTES_AT_ONCE = 1 << 26
_FIX = "write it again as a smaller table"


def parquet_rows(path: Path, is_known: Callable[[str], bool]) -> Iterator[dict[str, Any]]:
    """Yield the cells of every row in the columns that are known.

    Raises LimitError for more rows or larger cells than a table may have, and UnibindError for a file that is damaged
    or has columns of lists.
    """
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if is_known(name)]
            _check_footer(path, file, names)
        texts = [name for name in names if _is_text(file.schema_arrow.field(name).type)]
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            budget = max(_MAX_TEXT, _MAX_RATIO * path.stat().st_size)
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=names):
                size = _text_bytes(path, batch)
                budget -= size
                if budget < 0:
                    raise LimitError(f"{path} unpacks to far more text than it has bytes; {_FIX}")
                step = max(1, batch.num_rows * _BYTES_AT_ONCE // max(size, _BYTES_AT_ONCE))
                for start in range(0, batch.num_rows, step):
                    rows = batch.slice(start, step)
                    yield from rows.to_pylist() if names else ({} for _ in range(rows.num_rows))
    except UnibindError:
        raise
    except MemoryError:
        raise LimitError(f"{path} unpacks to more than there is memory for; {_FIX}") from None
    except Exception as error:  # Arrow has its own errors, and damaged texts are found when they are used
        reason = " ".join(str(error).split())[:200]
        raise UnibindError(f"{path} is not a complete Parquet file ({reason}); write it again") from error


def _check_footer(path: Path, file: ParquetFile, names: list[str]) -> None:
    import pyarrow

    metadata = file.metadata
    size = path.stat().st_size
    if metadata.num_rows > min(MAX_ROWS, max(_REPEATED_ROWS, size)):
        raise LimitError(
            f"{path} has {metadata.num_rows:,} rows in {size:,} bytes, but a table may have {MAX_ROWS:,}, and each "
            f"takes a byte; {_FIX}"
        )
    for name in names:
        kind = file.schema_arrow.field(name).type
        if pyarrow.types.is_nested(kind):
            raise UnibindError(f"the column {name} of {path} is {str(kind)[:80]}; it must be a text or a number")
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for index in range(group.num_columns):
            column = group.column(index)
            size = column.total_uncompressed_size
            if column.path_in_schema in names and size > _MAX_COLUMN:
                raise LimitError(f"the column {column.path_in_schema} of {path} unpacks to {size:,} bytes; {_FIX}")


def _text_bytes(path: Path, batch: pyarrow.RecordBatch) -> int:
    """Bytes of all texts of a batch, without unpacking them; raises LimitError for one that is too long."""
    import pyarrow
    from pyarrow import compute

    total = 0
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        in_dictionary = pyarrow.types.is_dictionary(column.type)
        texts = column.dictionary if in_dictionary else column
        if not _is_text(texts.type):
            continue
        lengths = compute.binary_length(texts)
        longest = compute.max(lengths).as_py() or 0
        if longest > MAX_CELL:
            raise LimitError(f"{path} has a cell of {longest:,} bytes in {name}, of {MAX_CELL:,} at most; {_FIX}")
        total += compute.sum(lengths.take(column.indices) if in_dictionary else lengths).as_py() or 0
    return total


def _is_text(kind: pyarrow.DataType) -> bool:
    import pyarrow

    is_text = pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)
    return bool(is_text or pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))
