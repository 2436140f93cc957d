"""What encoding has to do: items compared with the rows of a store, and rows with the files on disk.

A manifest adds and corrects; it never erases. A missing column or an empty cell leaves what is stored, and the names of
folders only fill in missing facts: they never overwrite what a table or `relabel` said about a file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..modalities import modality_spec
from ..modalities.tar_members import split_member
from .file_facts import FileFacts, file_stamp, folder_of
from .item_table import Entry, ItemTable
from .location import canonical_location, place_on_disk
from .manifest import Item
from .matching import Matches, hash_or_none, packed, shared_end, unpacked
from .on_disk import key_of, temporary_database
from .rows import MISSING, PRESENT, StoredItem, new_row

_DESCRIBING = ("label", "split", "object", "description")  # facts that a manifest gives and a vector does not depend on

_NAMING_FOLDERS = 2  # split and label: where these have other names now, they say something new
_AT_ONCE = 1000  # items that are in memory


class Comparison:
    """Items compared with the rows of a store: which to encode, and which rows to update without encoding.

    `modalities` are those that are encoded, in their order; `held` are the keys (`key_of`) of modality and id of items
    that are not encoded now. `folders` are given if the items are all files of these folders. A stored file counts as
    deleted where it does not exist and was listed, lay in one of `folders`, or lay in a folder that still has other
    files: where a whole folder is out of reach, nothing is known about its files. All tables are on the disk: memory
    does not grow with the items, nor with the store. Raises UnibindError for an id that names another file in the
    store.
    """

    def __init__(
        self,
        items: ItemTable,
        stored: Iterable[Sequence[StoredItem]],
        folders: Sequence[Path] = (),
        *,
        modalities: Sequence[str],
        held: Collection[bytes] = (),
    ) -> None:
        self.updated = self.touched = self.unchanged = self.not_retried = self.to_encode = 0
        self._items, self._folders, self._modalities, self._held = items, folders, modalities, held
        self._matches = Matches(items, stored)
        self._work = temporary_database()
        self._work.execute(
            "CREATE TABLE work (rank INTEGER, position INTEGER, row BLOB, PRIMARY KEY (rank, position)) WITHOUT ROWID"
        )

    def to_write(self) -> Iterator[StoredItem]:
        """The rows whose facts changed; exhaust it before calling `work`.

        It counts: `updated` have new labels or other facts, `touched` only a new file time or state; `unchanged` are
        the items that need no encoding and have no new facts, `to_encode` those that are encoded, and `not_retried`
        those that are held.
        """
        for block in self._items.blocks():
            rows = self._matches.rows(block[0].position, block[-1].position)
            for entry in block:
                row = rows.get(entry.position)
                if row is None:
                    self._encode(entry, None)
                else:
                    yield from self._compared(entry, row)
        for row in _of_other_files(self._matches.unmatched(), self._folders):
            self.touched += 1
            yield row

    def work(self) -> Iterator[tuple[Item, StoredItem | None]]:
        """The items to encode, each with the row it replaces (None: it is new), by modality and in their order."""
        chosen = "SELECT * FROM work WHERE (rank, position) > (?, ?) ORDER BY rank, position LIMIT ?"
        rank, position = -1, -1
        while found := self._work.execute(chosen, (rank, position, _AT_ONCE)).fetchall():
            for rank, position, row in found:  # noqa: B007 - where to go on
                yield self._items.at(position).item, None if row is None else unpacked(row)

    def _encode(self, entry: Entry, row: StoredItem | None) -> None:
        item = entry.item
        if item.modality not in self._modalities:
            return
        if self._held and key_of(item.modality, item.id) in self._held:
            self.not_retried += 1
            return
        self.to_encode += 1
        place = self._modalities.index(item.modality), entry.position, None if row is None else packed(row)
        self._work.execute("INSERT INTO work VALUES (?, ?, ?)", place)

    def _compared(self, entry: Entry, row: StoredItem) -> Iterator[StoredItem]:
        """The row to write, if there is one, of an item that is stored."""
        kept = replace(row, own_id=_kept_id(entry.item, row, self._items))
        fill_only = bool(self._folders) and shared_end(_folder(row.location), _folder(entry.place)) >= _NAMING_FOLDERS
        merged = _with_facts_of(entry.item, entry.place, kept, fill_only=fill_only)
        found = _on_disk(merged, row.location)
        if found is None:
            self._encode(entry, merged)
            if merged.own_id != row.own_id:  # at once, so that a new item may have the old id
                self.touched += 1
                yield replace(row, own_id=merged.own_id)
        elif _described(merged) != _described(row):
            self.updated += 1
            yield found
        else:
            self.unchanged += found.state == PRESENT
            if found != row:
                self.touched += 1
                yield found


def _kept_id(item: Item, row: StoredItem, items: ItemTable) -> str | None:
    """The row's id of its own, unless another item has it now."""
    if row.own_id is None or row.own_id == item.id:
        return row.own_id
    return None if items.has_id(row.modality, row.own_id) else row.own_id


def _described(row: StoredItem) -> tuple[str | None, ...]:
    return row.own_id, row.location, *(getattr(row, name) for name in _DESCRIBING)


def _folder(location: str) -> str:
    return location.rpartition("/")[0]


def _with_facts_of(item: Item, place: str, row: StoredItem, *, fill_only: bool) -> StoredItem:
    """The row with what the item says; with `fill_only`, only where the row says nothing."""
    new = new_row(item, place)
    facts = {}
    for name in _DESCRIBING:
        old, given = getattr(row, name), getattr(new, name)
        facts[name] = (old or given) if fill_only else (given or old)
    if new.location != row.location or (new.uri != row.uri and not _readable(row)):
        facts |= {"location": new.location, "uri": new.uri, "moves": new.moves}
    return replace(row, own_id=new.own_id or row.own_id, **facts)


def _readable(row: StoredItem) -> bool:
    """Whether the file is there under the name that is stored, which may lead through a symbolic link."""
    path = place_on_disk(row.uri)
    return path is None or file_stamp(path) is not None


# --- what the disk says --------------------------------------------------------------------------------------------


def _on_disk(row: StoredItem, encoded_from: str) -> StoredItem | None:
    """The row with the facts of its file; None if its content is not the one that was encoded."""
    path = row.path
    if path is None:
        return replace(row, state=PRESENT) if row.location == encoded_from else None
    stamp = file_stamp(path)
    if stamp is None:
        return replace(row, state=MISSING)
    if stamp == (row.size, row.mtime_ns) and row.location == encoded_from:
        return replace(row, state=PRESENT)
    if row.content is not None and stamp[0] != row.size and split_member(path) is None:
        return None
    content = hash_or_none(path, row.segment)
    if content is None or row.content not in (None, content):
        return None
    return row.with_facts(FileFacts(*stamp, content))


def _of_other_files(rows: Iterable[StoredItem], folders: Sequence[Path]) -> Iterator[StoredItem]:
    """Rows of items that are not listed and whose state changed: their files were deleted, or are back.

    A recording may be listed as other items now: whole, or in other segments. If its content changed, the stored items
    that are no longer listed are missing.
    """
    roots = tuple(canonical_location(str(folder)).rstrip("/") + "/" for folder in folders)
    with_files: dict[Path, bool] = {}
    for row in rows:
        path = row.path
        if path is None:
            continue
        stamp = file_stamp(path)
        if row.state == MISSING and stamp is not None and stamp == (row.size, row.mtime_ns):
            yield replace(row, state=PRESENT)
        elif row.state == PRESENT and stamp is not None and _is_recording(row):
            if stamp != (row.size, row.mtime_ns):
                yield _on_disk(row, row.location) or replace(row, state=MISSING)
        elif row.state == PRESENT and stamp is None:
            folder = folder_of(path)
            if folder not in with_files:
                with_files[folder] = _has_files(folder)
            if with_files[folder] or row.location.startswith(roots):
                yield replace(row, state=MISSING)


def _is_recording(row: StoredItem) -> bool:
    return row.size is not None and modality_spec(row.modality).segments is not None


def _has_files(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return False
