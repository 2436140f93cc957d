"""Checking a store, and mending what can be mended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .rows import MISSING, StoredItem
from .store import Store


@dataclass(frozen=True)
class Repair:
    """What was mended: how many doubled rows and how many damaged rows were removed."""

    doubles: int

    @property
    def message(self) -> str:
        """The numbers in one line for people."""
        return f"{self.doubles} doubled rows removed"


def repair(store: Store) -> Repair:
    """Mend a store: damaged versions of its tables are set aside, and of rows of one item all but one are removed.

    Of doubles, the one that was read last is kept, and of those the one with the smallest key. Raises UnibindError
    where another process is writing.
    """
    with store.writing():
        store.refresh()
        doubles = find_doubles(store.rows())
        store.remove(doubles)
        store.compact(full=True)
    return Repair(len(doubles))


def find_doubles(rows: Iterable[StoredItem]) -> list[StoredItem]:
    """Rows beyond the first of each item: of one modality, and with the same id or the same file."""
    doubles, seen = [], set[tuple[str, ...]]()
    for row in sorted(rows, key=_rank):
        names = set(_names(row))
        if names & seen:
            doubles.append(row)
        else:
            seen |= names
    return doubles


def _rank(row: StoredItem) -> tuple[bool, int, str]:
    return row.state == MISSING, -(row.mtime_ns or 0), row.key


def _names(row: StoredItem) -> Iterator[tuple[str, ...]]:
    yield "key", row.key
    yield "id", row.modality, row.id
    if row.uri is not None:  # texts may repeat
        yield "place", row.modality, row.location
