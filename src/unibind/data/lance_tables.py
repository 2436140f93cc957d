"""The Lance tables in the folder of a store: checked as they are opened; what Lance raises is a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UnibindError

if TYPE_CHECKING:
    import pyarrow

VECTOR = "vector"
_NULLABLE = ("id", "uri", "label", "split", "object", "description", "size", "mtime_ns", "content")
_READ_ONLY = re.compile("permission denied|read-only|not permitted", re.IGNORECASE)
_REASON = 160  # characters of Lance's message


class LanceTables:
    """The tables of one store: `columns` are those of each table, in every row or empty as `_NULLABLE` says."""

    def __init__(self, folder: Path, columns: Mapping[str, Sequence[str]]) -> None:
        import lancedb

        self._folder, self._columns = folder, columns
        with self._errors("read"):
            self._database = lancedb.connect(str(folder))

    def read(self, name: str, columns: Sequence[str], condition: str | None = None) -> pyarrow.Table | None:
        """These columns of the rows that meet a condition in SQL; None before the table's first complete append.

        Raises UnibindError for a damaged table, another schema, and rows without what every row needs.
        """
        table = self._open(name)
        if table is None:
            return None
        with self._errors("read"):
            search = table.search()
            found = (search if condition is None else search.where(condition)).select(list(columns)).to_arrow()
        self._check_filled(name, found)
        return found

    def read_batches(
        self, name: str, columns: Sequence[str], condition: str, size: int
    ) -> tuple[int, Iterator[pyarrow.Table]]:
        """The number of rows that meet a condition, and these columns of them, at most `size` rows at a time.

        Rows that are appended meanwhile are not read. Raises what `read` raises.
        """
        table = self._open(name)
        if table is None:
            return 0, iter(())
        with self._errors("read"):
            count = table.count_rows(condition)

        def batches() -> Iterator[pyarrow.Table]:
            import pyarrow

            with self._errors("read"):
                for batch in table.search().where(condition).select(list(columns)).to_batches(size):
                    found = pyarrow.Table.from_batches([batch])
                    self._check_filled(name, found)
                    yield found

        return count, batches()

    def width(self, name: str) -> int | None:
        """The width of a table's vectors; None before its first complete append."""
        table = self._open(name)
        return None if table is None else int(table.schema.field(VECTOR).type.list_size)

    def append(self, name: str, data: pyarrow.Table) -> None:
        """Append rows in one commit; the first ones make the table."""
        table = self._open(name)
        with self._errors("written"):
            if table is None:
                self._database.create_table(name, data=data)
            else:
                table.add(data)

    def merge(self, name: str, data: pyarrow.Table) -> None:
        """Overwrite the given columns of the rows with the given keys, in one commit."""
        table = self._open(name)
        with self._errors("written"):
            table.merge_insert("key").when_matched_update_all().execute(data)

    def delete(self, name: str, condition: str) -> None:
        """Remove the rows that meet a condition in SQL."""
        table = self._open(name)
        with self._errors("written"):
            table.delete(condition)

    def compact(self, keep: timedelta) -> None:
        """Merge the small files of appends; what they replace is kept this long."""
        for name in self._columns:
            table = self._open(name)
            if table is not None:
                with self._errors("written"):
                    table.optimize(cleanup_older_than=keep)

    def _open(self, name: str) -> Any:
        try:
            with self._errors("read"):
                table = self._database.open_table(name)
                schema = table.schema
        except UnibindError as error:  # also for a folder that a killed writer left without a commit
            if isinstance(error.__cause__, ValueError) and "not found" in str(error.__cause__):
                return None
            raise
        self._check_schema(name, schema)
        return table

    def _check_filled(self, name: str, found: pyarrow.Table) -> None:
        for column in found.column_names:
            if column not in _NULLABLE and found[column].null_count:
                self._refuse(f"its table {name} has rows without {column}")

    def _check_schema(self, name: str, schema: pyarrow.Schema) -> None:
        import pyarrow

        for column in self._columns[name]:
            if column not in schema.names:
                self._refuse(f"its table {name} has no column {column}")
            kind = schema.field(column).type
            if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind) or kind == pyarrow.int64()):
                self._refuse(f"the column {column} of its table {name} is {kind}")
        if VECTOR in schema.names:
            kind = schema.field(VECTOR).type
            if not pyarrow.types.is_fixed_size_list(kind) or not pyarrow.types.is_floating(kind.value_type):
                self._refuse(f"the vectors of its table {name} are {kind}")

    def _refuse(self, reason: str) -> None:
        raise UnibindError(f"the store {self._folder} is damaged: {reason}; encode into a new store")

    @contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        """Turn what Lance raises (also its panics, which are no Exceptions) into one sentence that names the store."""
        try:
            yield
        except (UnibindError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:
            reason = " ".join(str(error).split())
            if _READ_ONLY.search(reason):
                message = f"the store {self._folder} cannot be {done}: permission denied; check who may write there"
            else:
                message = (
                    f"the store {self._folder} cannot be {done} ({reason[:_REASON]}); if it is damaged, encode into a "
                    "new store"
                )
            raise UnibindError(message) from error
