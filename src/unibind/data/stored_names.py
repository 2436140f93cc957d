"""Which items are stored: their ids and places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import UnibindError
from .rows import StoredItem


class StoredNames:
    """The ids and places of stored items, with their modalities; texts have no places, because they may repeat."""

    def __init__(self, store: Path) -> None:
        self.ids: set[tuple[str, str]] = set()
        self._store, self._places = store, set[tuple[str, str]]()

    def note(self, modality: str, name: str, place: str | None) -> None:
        """Note a stored item."""
        self.ids.add((modality, name))
        if place is not None:
            self._places.add((modality, place))

    def add(self, rows: Sequence[StoredItem]) -> None:
        """Note rows that were added."""
        for row in rows:
            self.note(row.modality, row.id, row.location if row.uri is not None else None)

    def check(self, rows: Sequence[StoredItem]) -> None:
        """Raise UnibindError for a row that is stored already, and for two rows of one file."""
        new = set[tuple[str, str]]()
        for row in rows:
            if (row.modality, row.id) in self.ids:
                raise UnibindError(f"the store {self._store} already contains the item {row.id!r}; leave it out")
            if row.uri is not None and (row.modality, row.location) in self._places:
                raise UnibindError(f"the store {self._store} already contains the file {row.location}; leave it out")
            if row.uri is not None and (row.modality, row.location) in new:
                raise UnibindError(f"the file {row.location} occurs twice in the items to add; list it once")
            new.add((row.modality, row.location))
