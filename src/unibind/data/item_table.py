"""An ordered table of unique items on disk, so that memory does not grow with their number."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import LimitError, UnibindError
from .content import Content
from .location import canonical_location
from .manifest import Item
from .on_disk import key_of, temporary_database

_AT_ONCE = 1000  # items that are in memory
_FOLDERS = 20_000  # whose real paths are remembered
_LARGEST = 900_000_000  # bytes of an item with its content, which SQLite takes


@dataclass(frozen=True)
class Entry:
    """An item, its position and canonical location, and `where` it was listed, if known."""

    position: int
    item: Item
    place: str
    where: str | None


class ItemTable:
    """Items with unique ids and unique files per modality.

    Inline texts may repeat, as captions do; their ids must not. `has_files` tells whether any item is not an inline
    text.
    """

    def __init__(self) -> None:
        self._database = temporary_database()
        self._database.execute(
            "CREATE TABLE items (position INTEGER PRIMARY KEY, place BLOB UNIQUE, name BLOB UNIQUE NOT NULL, item BLOB)"
        )
        self.has_files = False
        self._counts = Counter[str]()
        self._folders: dict[str, str] = {}
        self._holders: list[Callable[..., Any]] = []  # of contents; there are few

    def add(self, item: Item, where: str | None = None) -> Entry | None:
        """Add an item and return None; if an entry has its file or id already, return that entry and add nothing."""
        if len(self._folders) > _FOLDERS:
            self._folders.clear()
        place = canonical_location(item.uri, item.text, folders=self._folders)
        key = None if item.uri is None else key_of(item.modality, place)
        name = key_of(item.modality, item.id)
        row = (len(self), key, name, self._packed(item, place, where))
        if self._database.execute("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?)", row).rowcount:
            self._counts[item.modality] += 1
            self.has_files = self.has_files or item.uri is not None
            return None
        chosen = "SELECT position, item FROM items WHERE place = ? OR name = ? ORDER BY place IS NOT ?"
        return self._entry(self._database.execute(chosen, (key, name, key)).fetchone())

    def counts(self) -> dict[str, int]:
        """Number of items per modality."""
        return dict(self._counts)

    def has_id(self, modality: str, name: str) -> bool:
        """Whether an item of a modality has this id."""
        found = self._database.execute("SELECT 1 FROM items WHERE name = ?", (key_of(modality, name),))
        return found.fetchone() is not None

    def __len__(self) -> int:
        return self._counts.total()

    def at(self, position: int) -> Entry:
        """The entry at a position, from 0; raises IndexError where there is none."""
        found = self._database.execute("SELECT position, item FROM items WHERE position = ?", (position,)).fetchone()
        if found is None:
            raise IndexError(f"there are {len(self)} items, so none at {position}")
        return self._entry(found)

    def blocks(self) -> Iterator[list[Entry]]:
        """All entries in order, in blocks."""
        chosen = "SELECT position, item FROM items WHERE position >= ? AND position < ? ORDER BY position"
        for start in range(0, len(self), _AT_ONCE):
            yield [self._entry(row) for row in self._database.execute(chosen, (start, start + _AT_ONCE)).fetchall()]

    def __iter__(self) -> Iterator[Item]:
        return (entry.item for block in self.blocks() for entry in block)

    def _packed(self, item: Item, place: str, where: str | None) -> bytes:
        """An item as bytes, without the names that repeat its location."""
        facts = vars(item) | {
            "id": None if item.id == place else item.id,
            "uri": True if item.uri == place else item.uri,
            "content": None if item.content is None else self._content(item.content),
        }
        packed = pickle.dumps((*facts.values(), place, True if where == item.uri else where))
        if len(packed) > _LARGEST:
            raise LimitError(f"the item {item.id!r} has {len(packed):,} bytes of content; save it as a file")
        return packed

    def _entry(self, row: tuple[int, bytes]) -> Entry:
        name, modality, uri, text, label, split, description, shared, content, place, where = pickle.loads(row[1])
        uri = place if uri is True else uri
        held = None if content is None else self._held(*content)
        item = Item(name or place, modality, uri, text, label, split, description, shared, held)
        return Entry(row[0], item, place, uri if where is True else where)

    def _content(self, content: Content) -> tuple[Any, ...]:
        if content.holder not in self._holders:
            self._holders.append(content.holder)
        return content.name, content.digest, content.modality, self._holders.index(content.holder), content.args

    def _held(self, name: str, digest: str, modality: str | None, holder: int, args: tuple[Any, ...]) -> Content:
        return Content(name, digest, modality, self._holders[holder], args)


def table_of(items: Iterable[Item]) -> ItemTable:
    """A table of items; raises UnibindError for two items of one file, or with one id."""
    table = ItemTable()
    for item in items:
        earlier = table.add(item)
        if earlier is not None:
            twice = f"the id {item.id!r}"
            if earlier.item.id != item.id:
                twice = f"the file {earlier.place} (as {earlier.item.id!r} and {item.id!r})"
            raise UnibindError(f"{twice} occurs twice in the items to encode; list every {item.modality} item once")
    return table
