"""Matching items with the rows of a store by location, id and content, in tables on disk."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from ..errors import UnibindError
from ..modalities.segments import Segment, split_segment
from .file_facts import content_hash, file_stamp
from .item_table import Entry, ItemTable
from .location import place_on_disk
from .on_disk import key_of, temporary_database
from .rows import StoredItem

_AT_ONCE = 1000  # rows that are in memory


class Matches:
    """The row of each item, by its canonical location; items that are not stored have none.

    A file or URL is found by its location. If it is not stored there, it may have been moved: an id of its own finds
    the row that has it, or its content finds a row whose file is gone. An inline text with an id of its own is found by
    this id, because texts may repeat. Raises UnibindError for an id that names another file in the store.
    """

    def __init__(self, items: ItemTable, stored: Iterable[Sequence[StoredItem]]) -> None:
        self._items, self._tables = items, temporary_database()
        self._stored = self._matched = 0  # how many
        self._tables.execute("CREATE TABLE stored (number INTEGER PRIMARY KEY, place BLOB, name BLOB, row BLOB)")
        self._tables.execute("CREATE TABLE matched (position INTEGER PRIMARY KEY, number INTEGER UNIQUE)")
        self._fill(stored)
        if self._stored:
            self._match_places()
        if self._matched < min(self._stored, len(items)):
            self._match_ids()
        if self._matched < min(self._stored, len(items)):
            self._match_contents()

    def rows(self, first: int, last: int) -> dict[int, StoredItem]:
        """The rows of the items at positions `first` to `last`, by position."""
        if not self._matched:
            return {}
        chosen = "SELECT position, row FROM matched JOIN stored USING (number) WHERE position BETWEEN ? AND ?"
        return {at: unpacked(row) for at, row in self._tables.execute(chosen, (first, last)).fetchall()}

    def unmatched(self) -> Iterator[StoredItem]:
        """The rows that no item matches."""
        return (row for _, row in self._unmatched())

    def _fill(self, stored: Iterable[Sequence[StoredItem]]) -> None:
        for rows in stored:
            cells = (
                (
                    key_of(row.modality, row.location),
                    key_of(row.modality, row.own_id) if row.own_id else None,
                    packed(row),
                )
                for row in rows
            )
            self._tables.executemany("INSERT INTO stored (place, name, row) VALUES (?, ?, ?)", cells)
            self._stored += len(rows)
        for column in ("place", "name"):
            self._tables.execute(f"CREATE INDEX by_{column} ON stored ({column})")

    def _match_places(self) -> None:
        for entry in (entry for block in self._items.blocks() for entry in block):
            item = entry.item
            row = self._find("place", item.modality, entry.place)
            if item.uri is None and item.id != entry.place:
                without_id = None if row is None or row[1] is not None else row
                row = self._find("name", item.modality, item.id) or without_id
            if row is not None:
                self._claim(entry, row[0])

    def _match_ids(self) -> None:
        for entry in self._unmatched_entries():
            item = entry.item
            row = self._find("name", item.modality, item.id) if item.id != entry.place else None
            if row is not None and not self._is_claimed(row[0]):
                _check_moved(item.id, entry, unpacked(row[2]))
                self._claim(entry, row[0])

    def _match_contents(self) -> None:
        """Find the rows of files that were moved or renamed: they have the content of a file that is gone."""
        self._tables.execute("CREATE TABLE gone (kind BLOB, content TEXT, number INTEGER)")
        for number, row in self._unmatched():
            if row.content is not None and row.path is not None and file_stamp(row.path) is None:
                kind = key_of(row.modality, str(row.size))
                self._tables.execute("INSERT INTO gone VALUES (?, ?, ?)", (kind, row.content, number))
        if self._tables.execute("SELECT 1 FROM gone").fetchone() is None:
            return
        self._tables.execute("CREATE INDEX by_kind ON gone (kind, content)")
        for entry in self._unmatched_entries():
            path = place_on_disk(entry.place)
            stamp = None if path is None else file_stamp(path)
            if path is not None and stamp is not None:
                self._match_content(entry, path, key_of(entry.item.modality, str(stamp[0])))

    def _match_content(self, entry: Entry, path: Path, kind: bytes) -> None:
        if self._tables.execute("SELECT 1 FROM gone WHERE kind = ?", (kind,)).fetchone() is None:
            return
        chosen = (
            "SELECT number, row FROM gone JOIN stored USING (number) WHERE kind = ? AND content = ?"
            " AND NOT EXISTS (SELECT 1 FROM matched WHERE matched.number = stored.number)"
        )
        same = self._tables.execute(chosen, (kind, hash_or_none(path, split_segment(entry.place)[1]))).fetchall()
        if same:
            self._claim(entry, max(same, key=lambda pair: shared_end(unpacked(pair[1]).location, entry.place))[0])

    # --- tables -------------------------------------------------------------------------------------------------------

    def _find(self, column: str, modality: str, name: str) -> tuple[int, bytes | None, bytes] | None:
        """Number, key of its own id, and packed content of the last row read with this place or id."""
        chosen = f"SELECT number, name, row FROM stored WHERE {column} = ? ORDER BY number DESC LIMIT 1"
        found: tuple[int, bytes | None, bytes] | None = self._tables.execute(
            chosen, (key_of(modality, name),)
        ).fetchone()
        return found

    def _claim(self, entry: Entry, number: int) -> None:
        """Match an item with a row, unless the row has one."""
        done = self._tables.execute("INSERT OR IGNORE INTO matched VALUES (?, ?)", (entry.position, number))
        self._matched += done.rowcount

    def _is_claimed(self, number: int) -> bool:
        return self._tables.execute("SELECT 1 FROM matched WHERE number = ?", (number,)).fetchone() is not None

    def _unmatched_entries(self) -> Iterator[Entry]:
        chosen = "SELECT position FROM matched WHERE position BETWEEN ? AND ?"
        for block in self._items.blocks():
            matched = self._tables.execute(chosen, (block[0].position, block[-1].position)).fetchall()
            positions = {position for (position,) in matched}
            yield from (entry for entry in block if entry.position not in positions)

    def _unmatched(self) -> Iterator[tuple[int, StoredItem]]:
        chosen = (
            "SELECT number, row FROM stored WHERE number > ?"
            " AND NOT EXISTS (SELECT 1 FROM matched WHERE matched.number = stored.number) ORDER BY number LIMIT ?"
        )
        number = 0
        while found := self._tables.execute(chosen, (number, _AT_ONCE)).fetchall():
            for number, row in found:
                yield number, unpacked(row)


def packed(row: StoredItem) -> bytes:
    """A row as a temporary table keeps it."""
    return pickle.dumps(tuple(vars(row).values()))


def unpacked(cell: bytes) -> StoredItem:
    """Inverse of `packed`."""
    return StoredItem(*pickle.loads(cell))


def shared_end(one: str, other: str) -> int:
    """How many names two paths have in common, from the end."""
    names = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], names))


def hash_or_none(path: Path, segment: Segment | None) -> str | None:
    """The hash of the content of a file or a segment of it; None where it cannot be read, as encoding will say."""
    try:
        return content_hash(path, segment)
    except (OSError, UnibindError):
        return None


def _check_moved(name: str, entry: Entry, row: StoredItem) -> None:
    """Raise UnibindError if an id names another file or URL in the store, and that is still there."""
    if entry.item.uri is not None and (row.path is None or file_stamp(row.path) is not None):
        raise UnibindError(
            f"the id {name!r} is {row.location} in the store, and {entry.place} in the items to encode; give this "
            f"{entry.item.modality} item another id, or remove the stored one with `unibind store remove`"
        )
