"""What is known about items, as filters look at it and as hits show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..data.rows import StoredItem
from ..data.stored_text import stored
from .conditions import COLUMNS
from .searchable import Row

if TYPE_CHECKING:
    import pyarrow


def row_of(item: StoredItem) -> Row:
    """The row of a stored item."""
    return Row(
        item.key,
        item.id,
        item.modality,
        item.uri,
        item.label,
        item.split,
        item.object,
        item.description,
        item.start_s,
        item.end_s,
        item.content,
    )


def facts_table(rows: Sequence[Row], uris: pyarrow.ChunkedArray) -> pyarrow.Table:
    """Rows as a table with the columns that a filter may name, `COLUMNS`; `uris` are as the store keeps them."""
    import pyarrow

    kinds = {"string": pyarrow.string(), "number": pyarrow.float64()}

    def column(name: str, kind: str) -> pyarrow.Array:
        values = [getattr(row, name) for row in rows]
        return pyarrow.array(map(stored, values) if kind == "string" else values, kinds[kind])

    return pyarrow.table({name: column(name, kind) for name, kind in COLUMNS.items()} | {"uri": uris})
