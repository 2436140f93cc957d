"""The Lance table of a view, in its folder."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from ...data.engines import LOCAL
from ...data.lance_errors import lance_errors
from ...data.lance_files import TableFiles
from ...data.sql import naming
from ...errors import UnibindError
from ...files import sync, sync_folder
from ..conditions import Comparison, Filter
from ..words import index_words, match_words
from .index_builders import BUILDERS
from .vector_index import NAME, VectorIndex, unindexed_rows

if TYPE_CHECKING:
    import pyarrow

_log = logging.getLogger(__name__)

_TABLE = "items"
_BY_VALUE = ("modality", "split", "label")  # columns that filters name most; they have few values
_KEPT = timedelta(hours=1)  # old versions, for those who are searching them
_UNINDEXED = 5000  # rows from which on new ones are added to the index; fewer are compared as fast


class ViewTable:
    """The rows of a view; `store` is named in errors."""

    def __init__(self, folder: Path, store: Path) -> None:
        import lancedb

        self._store, self._files = store, TableFiles(folder / f"{_TABLE}.lance")
        self._index_folder = folder / f"{_TABLE}.lance" / "_indices"
        with self._errors():
            self._database = lancedb.connect(str(folder))
            self._table: Any = self._database.open_table(_TABLE) if self._files.numbers() else None

    def damage(self) -> str | None:
        """What is wrong with its newest files, by their names and sizes; None if nothing is."""
        numbers = self._files.numbers()
        return self._files.damage(numbers[0]) if numbers else f"{self._files.folder} is missing"

    # --- writing ------------------------------------------------------------------------------------------------------

    def create(self, schema: pyarrow.Schema) -> None:
        """Make the table, without rows."""
        with self._errors():
            self._table = self._database.create_table(_TABLE, schema=schema)

    def add(self, parts: Iterable[pyarrow.Table]) -> None:
        """Append rows, in one commit; parts are written as they come. Raises what making them raises."""
        import pyarrow

        failed: list[BaseException] = []

        def batches() -> Iterator[pyarrow.RecordBatch]:
            try:
                for part in parts:
                    yield from part.to_batches()
            except BaseException as error:  # LanceDB would turn it into one of its own
                failed.append(error)
                raise

        try:
            with self._errors():
                self._table.add(pyarrow.RecordBatchReader.from_batches(self._table.schema, batches()))
        except UnibindError:
            if failed:
                raise failed[0] from None
            raise

    def delete(self, keys: Sequence[str]) -> None:
        """Remove the rows with these keys."""
        with self._errors():
            for condition in naming("key", keys):
                self._table.delete(condition)

    def build(self, index: VectorIndex | None, engine: str = LOCAL) -> None:
        """Build its indexes: for the values of some columns, for words, and, with an engine, for vectors."""
        from lancedb.index import Bitmap

        with self._errors():
            for column in _BY_VALUE:
                self._table.create_index(column, config=Bitmap(), name=f"{column}_index", replace=True)
            index_words(self._table)
            if index is not None:
                BUILDERS[engine](self._table, self._files.folder, index)

    def settle(self, share: float) -> None:
        """Add new rows to its indexes, without building these anew, if they are more than a `share` of all, and many.

        LanceDB also merges files then, which may write most of the table anew.
        """
        with self._errors():
            if self.unindexed() >= max(_UNINDEXED, share * len(self)):
                self._table.optimize(cleanup_older_than=_KEPT)

    def sync(self) -> None:
        """Write its newest version through to the disk."""
        with self._errors():
            self._files.sync()
            for file in self._index_folder.rglob("*"):
                (sync_folder if file.is_dir() else sync)(file)

    # --- reading ------------------------------------------------------------------------------------------------------

    def columns(self) -> list[str]:
        """The names of its columns, in order."""
        with self._errors():
            return list(self._table.schema.names)

    def __len__(self) -> int:
        with self._errors():
            return int(self._table.count_rows())

    def unindexed(self) -> int:
        """How many rows its vector index does not have yet; 0 without an index."""
        with self._errors():
            return unindexed_rows(self._table)

    def has_index(self) -> bool:
        """Whether it has a vector index."""
        with self._errors():
            return any(index.name == NAME for index in self._table.list_indices())

    def key_batches(self, *, size: int = 65_536) -> Iterator[list[str]]:
        """The keys of all rows, a part at a time."""
        with self._errors():
            for batch in self._table.search().select(["key"]).to_batches(size):
                yield batch.column("key").to_pylist()

    def checksums(self, keys: Sequence[str]) -> dict[str, int]:
        """The checksums of those of these rows that it has."""
        found: dict[str, int] = {}
        with self._errors():
            for condition in naming("key", keys):
                part = self._table.search().where(condition).select(["key", "checksum"]).to_arrow()
                found |= dict(zip(part["key"].to_pylist(), part["checksum"].to_pylist(), strict=True))
        return found

    def rows(self, keys: Sequence[str], columns: Sequence[str]) -> pyarrow.Table:
        """These columns of the rows with these keys, in no particular order."""
        import pyarrow

        with self._errors():
            parts = [self._table.search().where(c).select(list(columns)).to_arrow() for c in naming("key", keys)]
        return pyarrow.concat_tables(parts)

    def nearest(
        self,
        vector: Any,
        count: int,
        columns: Sequence[str],
        index: VectorIndex | None,
        where: Filter | None,
        share: float | None,
        *,
        thorough: bool = False,
    ) -> pyarrow.Table:
        """These columns of about the `count` nearest rows to a vector [D] that a filter keeps: this `share` of all.

        Rows that are not in the index yet are compared one by one. See `VectorIndex.asked` for an unknown share and a
        `thorough` search.
        """
        with self._errors():
            search = self._table.search(vector, vector_column_name="vector").distance_type("l2").limit(count)
            if where is not None:
                search = search.where(where.to_sql(), prefilter=True)
            if index is not None:
                search = index.asked(search, count, share, thorough=thorough)
            return search.select([*columns, "_distance"]).to_arrow()

    def matching(self, words: str, count: int, where: Filter | None) -> tuple[list[str], Float32[np.ndarray, " n"]]:
        """The keys of the `count` rows that match words best and that a filter keeps, and their scores."""
        with self._errors():
            return match_words(self._table, words, count, where=where)

    def _errors(self) -> AbstractContextManager[None]:
        return lance_errors(self._store, "searched by its view")


def of_modality(modality: str, among: Collection[str]) -> Filter | None:
    """What rows of a modality meet in a view that has items of these; None where all do."""
    return None if len(among) == 1 else Comparison("modality", "=", modality)
