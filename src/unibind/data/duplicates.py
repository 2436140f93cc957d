"""The same content under several ids: a copy in another split is a leak, for the answer was seen in training."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass

from ..errors import UnibindError
from .on_disk import key_of, temporary_database
from .rows import PRESENT, StoredItem
from .store import Store
from .stored_text import cells

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Duplicate:
    """Items of one modality with the same content (SHA-256): their ids, sorted, and the split of each."""

    modality: str
    content: str
    ids: tuple[str, ...]
    splits: tuple[str | None, ...]

    @property
    def across_splits(self) -> bool:
        """Whether the items are in several splits; items without a split are in none."""
        return len(set(self.splits) - {None}) > 1

    def __str__(self) -> str:
        return " = ".join(f"{name} ({split or 'no split'})" for name, split in zip(self.ids, self.splits, strict=True))


@dataclass(frozen=True)
class DuplicateReport:
    """All groups of items with the same content, those in several splits first."""

    groups: tuple[Duplicate, ...] = ()

    @property
    def across_splits(self) -> tuple[Duplicate, ...]:
        """The groups in several splits."""
        return tuple(group for group in self.groups if group.across_splits)

    @property
    def message(self) -> str:
        """One line for people; empty if there are no duplicates."""
        if not self.groups:
            return ""
        copies = sum(len(group.ids) - 1 for group in self.groups)
        text = f"{copies} stored {'item has' if copies == 1 else 'items have'} the same content as another one"
        leaks = self.across_splits
        if not leaks:
            return f"{text}, such as {self.groups[0]}; search shows such items once"
        where = "1 of these contents is" if len(leaks) == 1 else f"{len(leaks)} of these contents are"
        return f"{text}; {where} in several splits, which `fit` and `eval` refuse, such as {leaks[0]}"


def find_duplicates(store: Store, modalities: Collection[str] | None = None) -> DuplicateReport:
    """The duplicates among a store's items, in these or all modalities; items without files and missing ones aside."""
    copied = _copied(store)
    groups: dict[tuple[str, str], list[StoredItem]] = {}
    for row in (row for rows in store.row_batches() for row in rows) if copied else ():
        if row.content is not None and key_of(row.modality, row.content) in copied and row.state == PRESENT:
            groups.setdefault((row.modality, row.content), []).append(row)
    found = [_duplicate(rows) for (kind, _), rows in groups.items() if modalities is None or kind in modalities]
    return DuplicateReport(tuple(sorted(found, key=lambda d: (not d.across_splits, d.modality, d.ids))))


def _copied(store: Store) -> set[bytes]:
    """Keys of modality and content that occur more than once; only these are kept in memory."""
    with closing(temporary_database()) as seen:
        seen.execute("CREATE TABLE seen (content BLOB PRIMARY KEY, copied INTEGER) WITHOUT ROWID")
        count = "INSERT INTO seen VALUES (?, 0) ON CONFLICT DO UPDATE SET copied = 1"
        for table in store.facts(["content", "state"], size=_ROWS_AT_ONCE):
            columns = (cells(table[name]) for name in ("modality", "content", "state"))
            rows = zip(*columns, strict=True)
            seen.executemany(count, ((key_of(m, c),) for m, c, state in rows if c is not None and state == PRESENT))
        return {content for (content,) in seen.execute("SELECT content FROM seen WHERE copied")}


def refuse_leaks(store: Store, modalities: Collection[str] | None = None, *, allow: bool = False) -> None:
    """Raise UnibindError, naming an example, if the same content is in several splits, unless that is allowed."""
    leaks = () if allow else find_duplicates(store, modalities).across_splits
    if leaks:
        count = "1 content is" if len(leaks) == 1 else f"{len(leaks)} contents are"
        raise UnibindError(
            f"{count} in several splits of {store.path}, such as {leaks[0]}; remove the copies with "
            "`unibind store remove`, give them one split, or allow them with --allow-duplicates (allow_duplicates=True)"
        )


def _duplicate(rows: list[StoredItem]) -> Duplicate:
    rows = sorted(rows, key=lambda row: row.id)
    return Duplicate(
        rows[0].modality, str(rows[0].content), tuple(row.id for row in rows), tuple(row.split for row in rows)
    )
