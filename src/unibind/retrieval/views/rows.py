"""Rows of a view: made of rows of the store and their compared vectors, and what they say about an item."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.embeddings import Vectors
from ...data.lance_tables import VECTOR
from ...data.rows import FACTS, FACTS_SUM, VECTOR_SUM
from ...data.store import Store
from ...data.stored_text import restored_cell, stored
from ..searchable import Row
from ..words import WORDS, searched_words

if TYPE_CHECKING:
    import pyarrow

OF_STORE = (*FACTS, FACTS_SUM, "modality", VECTOR, VECTOR_SUM)  # the columns of the store that are needed
_TEXTS = ("key", "id", "modality", "label", "split", "object", "uri", "text")
_PACKED = "packed"  # the facts of a hit as one JSON list: reading a dozen columns slows a search by a third
_IN_PACKED = ("key", "id", "location", "modality", "uri", "label", "split", "object", "description", "content")
OF_HIT = (_PACKED, "vector")
_SHIFT = 31  # bits: both checksums in one number of 64 with a sign


def schema(width: int) -> pyarrow.Schema:
    """The columns of a view with vectors [width], in float32: LanceDB takes five times as long to index float16.

    `id` is what people see. Paths are as in the store, which may be moved.
    """
    import pyarrow

    return pyarrow.schema(
        [
            *((name, pyarrow.string()) for name in _TEXTS),
            ("start_s", pyarrow.float64()),
            ("end_s", pyarrow.float64()),
            (WORDS, pyarrow.string()),
            (_PACKED, pyarrow.string()),
            ("checksum", pyarrow.int64()),
            ("vector", pyarrow.list_(pyarrow.float32(), width)),
        ]
    )


def checksums(rows: pyarrow.Table) -> list[int]:
    """One number for the facts and the vector of each row of the store: it changes where any of them does."""
    facts, vectors = (rows[name].to_numpy() for name in (FACTS_SUM, VECTOR_SUM))
    return ((facts << _SHIFT) ^ vectors).tolist()


def view_rows(store: Store, rows: pyarrow.Table, vectors: Vectors) -> pyarrow.Table:
    """Rows of the store, with their compared vectors [N, D], as rows of a view."""
    import pyarrow

    width = vectors.shape[1]
    items = store.stored_items(rows)
    starts, ends = [item.start_s for item in items], [item.end_s for item in items]
    columns = {
        **{name: rows[name] for name in ("key", "modality", "label", "split", "object", "uri")},
        "id": pyarrow.array([stored(item.id) for item in items], pyarrow.string()),
        _PACKED: pyarrow.array(map(_packed, *(rows[name].to_pylist() for name in _IN_PACKED), starts, ends)),
        "text": rows["description"],
        WORDS: pyarrow.array(map(searched_words, rows["label"].to_pylist(), rows["description"].to_pylist())),
        "start_s": pyarrow.array(starts, pyarrow.float64()),
        "end_s": pyarrow.array(ends, pyarrow.float64()),
        "checksum": pyarrow.array(checksums(rows), pyarrow.int64()),
        "vector": pyarrow.FixedSizeListArray.from_arrays(
            pyarrow.array(np.ascontiguousarray(vectors, np.float32).reshape(-1)), width
        ),
    }
    return pyarrow.table({name: columns[name] for name in schema(width).names}).cast(schema(width))


def _packed(*facts: str | float | None) -> str:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))


def unpacked_rows(store: Store, found: pyarrow.Table) -> list[Row]:
    """What is known about the items of a table with the columns `OF_HIT`."""
    return [_unpacked(store, json.loads(packed)) for packed in found[_PACKED].to_pylist()]


def _unpacked(store: Store, facts: list[Any]) -> Row:
    key, own_id, location, modality, uri, label, split, thing, text, content, start_s, end_s = map(restored_cell, facts)
    name, place = store.place(own_id, location, uri)
    return Row(key, name, modality, place, label, split, thing, text, start_s, end_s, content)
