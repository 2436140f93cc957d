"""Rows of a store: what it knows about each item apart from the vector, and how rows are written as Arrow tables."""

from __future__ import annotations

import json
import os
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..modalities.segments import Segment, split_segment
from .file_facts import FileFacts
from .location import canonical_location, place_on_disk
from .manifest import Item, is_absolute, relative, resolve
from .stored_text import cells, stored

if TYPE_CHECKING:
    import pyarrow

State = Literal["present", "missing"]
PRESENT: State = "present"
MISSING: State = "missing"

FACTS_SUM, VECTOR_SUM = "facts_checksum", "vector_checksum"
_INTEGERS = ("size", "mtime_ns", FACTS_SUM, VECTOR_SUM)
FACTS = (
    "key", "id", "location", "uri", "label", "split", "object", "description", "size", "mtime_ns", "content", "state",
)  # fmt: skip
_STORED = (*FACTS, FACTS_SUM, "modality", "contract")  # beside the vector and its checksum


@dataclass(frozen=True)
class StoredItem:
    """What a store knows about an item.

    `key` names the row, whatever its facts become. `location` is canonical (see `data.location`); it is the id of an
    item without an id of its own. `moves` says that the item was named by a relative path, and so is stored relative to
    the store. `content` is the SHA-256 of the file, None for texts and URLs. `state` is "missing" where the file, or
    the content that was encoded, is gone.
    """

    key: str
    own_id: str | None
    modality: str
    location: str
    uri: str | None
    moves: bool
    label: str | None
    split: str | None
    object: str | None
    description: str | None
    size: int | None
    mtime_ns: int | None
    content: str | None
    state: State = PRESENT

    @property
    def id(self) -> str:
        """The id of its own, or its location."""
        return self.own_id or self.location

    @property
    def path(self) -> Path | None:
        """The local file; None for texts and URLs."""
        return place_on_disk(self.location)

    @property
    def segment(self) -> Segment | None:
        """The part of a recording that it is, in seconds; None for whole items."""
        return split_segment(self.location)[1]

    @property
    def start_s(self) -> float | None:
        """Where the segment begins in its recording, in seconds; None for whole items."""
        return None if self.segment is None else self.segment.start_s

    @property
    def end_s(self) -> float | None:
        """Where the segment ends in its recording, in seconds; None for whole items."""
        return None if self.segment is None else self.segment.end_s

    def with_facts(self, facts: FileFacts | None) -> StoredItem:
        """The row after its content was read: present, with these facts."""
        if facts is None:
            return replace(self, size=None, mtime_ns=None, content=None, state=PRESENT)
        return replace(self, size=facts.size, mtime_ns=facts.mtime_ns, content=facts.content, state=PRESENT)


def new_row(item: Item, location: str | None = None) -> StoredItem:
    """The row of an item that is not stored yet; `location` is its canonical one, where that is at hand."""
    location = location or canonical_location(item.uri, item.text)
    return StoredItem(
        uuid.uuid4().hex,
        None if item.id == location else item.id,
        item.modality,
        location,
        item.uri,
        item.uri is not None and not is_absolute(item.uri),
        item.label,
        item.split,
        item.object,
        item.description or item.text,
        None,
        None,
        None,
    )


# --- paths in the store --------------------------------------------------------------------------------------------


class Places:
    """Paths as a store's tables contain them: those that move with the store are relative to its real folder."""

    def __init__(self, folder: Path) -> None:
        real = os.path.realpath(folder)
        # a folder reached through a symbolic link has no ".." of its own: what is beside it is beside the real one
        self._folder = folder if os.path.abspath(folder) == real else Path(real)  # noqa: PTH100
        self._real = real

    def cells(self, row: StoredItem) -> dict[str, str | None]:
        """The cells `uri` and `location` of a row."""
        if not row.moves:
            return {"uri": row.uri, "location": row.location}
        return {"uri": relative(row.uri, self._folder), "location": _posix_relative(row.location, self._real)}

    def uri(self, cell: str | None) -> str | None:
        """The uri of a cell, as a path from the working directory where it moves with the store."""
        return resolve(cell, self._folder)

    def uri_cell(self, uri: str | None) -> str | None:
        """The cell of a uri."""
        return relative(uri, self._folder)

    def uri_cells(self, uri: str) -> tuple[str, ...]:
        """The cells that a file or URL may have, depending on how it was named when it was encoded."""
        if "://" in uri:
            return (uri,)
        absolute = os.path.abspath(uri)  # noqa: PTH100
        return Path(os.path.relpath(absolute, self._real)).as_posix(), absolute

    def location(self, cell: str, uri: str | None) -> str:
        """The location of a cell; `uri` is the cell beside it, which says whether it moves with the store."""
        if uri is None or is_absolute(uri):
            return cell
        return Path(os.path.normpath(f"{self._real}/{cell}")).as_posix()


def _posix_relative(location: str, folder: str) -> str:
    return Path(os.path.relpath(location, folder)).as_posix()


# --- Arrow ---------------------------------------------------------------------------------------------------------


def cells_of(row: StoredItem, places: Places) -> dict[str, Any]:
    """The cells of a row with their checksum, but for modality, contract and vector."""
    plain = {name: getattr(row, name) for name in FACTS if name not in ("id", "location", "uri")}
    cells = {"id": row.own_id, **places.cells(row), **plain}
    return cells | {FACTS_SUM: facts_checksum(cells | {"modality": row.modality})}


def facts_checksum(cells: Mapping[str, Any]) -> int:
    """CRC-32 of the facts and the modality of a row, as they are stored."""
    return zlib.crc32(json.dumps([cells[name] for name in (*FACTS, "modality")]).encode())


def vector_checksums(vectors: NDArray[np.floating]) -> list[int]:
    """CRC-32 of each of the vectors [N, D] in their precision on disk."""
    return [zlib.crc32(vector) for vector in np.ascontiguousarray(vectors)]


def stored_table(
    rows: Sequence[StoredItem], vectors: NDArray[np.floating], contract: str, places: Places, precision: str
) -> pyarrow.Table:
    """Rows of one modality with their vectors [N, D], as a store's table of items has them.

    `contract` is the hash of the contract of the vectors.
    """
    cells = [{**cells_of(row, places), "modality": row.modality, "contract": contract} for row in rows]
    return arrow_table(cells, _STORED, vectors, precision)


def rows_of(table: pyarrow.Table, places: Places) -> list[StoredItem]:
    """The rows of a table with the columns `FACTS` and "modality"."""
    names = (*FACTS, "modality")
    columns = [cells(table[name]) for name in names]
    return [_row(dict(zip(names, row, strict=True)), places) for row in zip(*columns, strict=True)]


def _row(row: Mapping[str, Any], places: Places) -> StoredItem:
    facts = {name: row[name] for name in FACTS if name not in ("id", "location", "uri")}
    uri = row["uri"]
    return StoredItem(
        own_id=row["id"],
        modality=row["modality"],
        location=places.location(row["location"], uri),
        uri=places.uri(uri),
        moves=uri is not None and not is_absolute(uri),
        **facts,
    )


def arrow_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    vectors: NDArray[np.floating] | None = None,
    precision: str = "float32",
) -> pyarrow.Table:
    """A table of these columns.

    If vectors [N, D] are given, it also has a column `vector` of fixed-size lists, and one of their checksums.
    """
    import pyarrow

    table = {name: _array([row[name] for row in rows], integer=name in _INTEGERS) for name in columns}
    if vectors is not None:
        exact = np.ascontiguousarray(vectors, precision)
        table[VECTOR_SUM] = _array(vector_checksums(exact), integer=True)
        table["vector"] = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(exact.reshape(-1)), vectors.shape[1])
    return pyarrow.table(table)


def _array(values: list[Any], *, integer: bool) -> pyarrow.Array:
    import pyarrow

    return pyarrow.array(values, pyarrow.int64()) if integer else pyarrow.array(map(stored, values), pyarrow.string())


def matrix(column: pyarrow.ChunkedArray) -> NDArray[np.floating]:
    """A column of fixed-size lists as vectors [N, D] in their precision on disk."""
    import pyarrow

    kind = column.type
    flat = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    empty = pyarrow.array([], kind.value_type).to_numpy(zero_copy_only=False)
    return np.concatenate([empty, *flat]).reshape(-1, kind.list_size)
