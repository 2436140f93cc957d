"""What encoding has to do: items compared with the rows of a store, and rows with the files on disk.

A manifest adds and corrects; it never erases. A missing column or an empty cell leaves what is stored, and the names of
folders only fill in missing facts: they never overwrite what a table or `relabel` said about a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

from ..errors import UnibindError
from ..modalities.tar_members import split_member
from .file_facts import FileFacts, content_hash, file_stamp, folder_of
from .location import canonical_location, place_on_disk
from .manifest import Item
from .rows import MISSING, PRESENT, StoredItem, new_row

_DESCRIBING = ("label", "split", "object", "description")  # facts that a manifest gives and a vector does not depend on

_NAMING_FOLDERS = 2  # split and label: where these have other names now, they say something new


@dataclass
class Changes:
    """Items to encode, each with the row it replaces (None: it is new), and rows to write as they are.

    `updated` have new labels or other facts, `touched` only a new file time or state; `unchanged` counts the items that
    need no encoding and have no new facts.
    """

    encode: list[tuple[Item, StoredItem | None]] = field(default_factory=list)
    updated: list[StoredItem] = field(default_factory=list)
    touched: list[StoredItem] = field(default_factory=list)
    unchanged: int = 0


def compare(items: Sequence[Item], rows: Sequence[StoredItem], folders: Sequence[Path] = ()) -> Changes:
    """Compare items with the rows of a store.

    `folders` are given if the items are all files of these folders. A stored file counts as deleted where it does not
    exist and was listed, lay in one of `folders`, or lay in a folder that still has other files: where a whole folder
    is out of reach, nothing is known about its files. Raises UnibindError for two items of one file or with one id, and
    for an id that names another file in the store.
    """
    changes, matched = Changes(), set[str]()
    given_ids = {(item.modality, item.id) for item in items}
    real_folders: dict[str, str] = {}
    places = [canonical_location(item.uri, item.text, folders=real_folders) for item in items]
    for item, place, row in zip(items, places, match(items, places, rows), strict=True):
        if row is None:
            changes.encode.append((item, None))
            continue
        matched.add(row.key)
        kept = replace(row, own_id=_kept_id(item, row, given_ids))
        fill_only = bool(folders) and _shared_end(_folder(row.location), _folder(place)) >= _NAMING_FOLDERS
        _sort_in(changes, item, row, _with_facts_of(item, place, kept, fill_only=fill_only))
    changes.touched += _of_other_files((row for row in rows if row.key not in matched), folders)
    return changes


def _sort_in(changes: Changes, item: Item, row: StoredItem, merged: StoredItem) -> None:
    found = _on_disk(merged, row.location)
    if found is None:
        changes.encode.append((item, merged))
        if merged.own_id != row.own_id:  # at once, so that a new item may have the old id
            changes.touched.append(replace(row, own_id=merged.own_id))
    elif _described(merged) != _described(row):
        changes.updated.append(found)
    else:
        changes.unchanged += found.state == PRESENT
        if found != row:
            changes.touched.append(found)


def _kept_id(item: Item, row: StoredItem, given_ids: set[tuple[str, str]]) -> str | None:
    """The row's id of its own, unless another item has it now."""
    taken = row.own_id != item.id and (row.modality, row.own_id) in given_ids
    return None if taken else row.own_id


def _described(row: StoredItem) -> tuple[str | None, ...]:
    return row.own_id, row.location, *(getattr(row, name) for name in _DESCRIBING)


# --- which row is which item ---------------------------------------------------------------------------------------


def match(items: Sequence[Item], places: Sequence[str], rows: Sequence[StoredItem]) -> list[StoredItem | None]:
    """The row of each item, by its canonical location; None for items that are not stored.

    A file or URL is found by its location. If it is not stored there, it may have been moved: an id of its own finds
    the row that has it, or its content finds a row whose file is gone. An inline text with an id of its own is found by
    this id, because texts may repeat.
    """
    _check_each_once(items, places)
    by_place = {(row.modality, row.location): row for row in rows}
    by_id = {(row.modality, row.own_id): row for row in rows if row.own_id}
    found: list[StoredItem | None] = [None] * len(items)
    claimed = set[str]()
    for position, (item, place) in enumerate(zip(items, places, strict=True)):
        row = by_place.get((item.modality, place))
        if item.uri is None and item.id != place:
            without_id = None if row is None or row.own_id else row
            row = by_id.get((item.modality, item.id), without_id)
        if row is not None and row.key not in claimed:
            found[position] = row
            claimed.add(row.key)
    for position, (item, place) in enumerate(zip(items, places, strict=True)):
        row = by_id.get((item.modality, item.id)) if found[position] is None and item.id != place else None
        if row is not None and row.key not in claimed:
            _check_moved(item, row, place)
            found[position] = row
            claimed.add(row.key)
    if None in found:
        _match_moved(items, places, found, [row for row in rows if row.key not in claimed])
    return found


def _match_moved(
    items: Sequence[Item], places: Sequence[str], found: list[StoredItem | None], rows: Iterable[StoredItem]
) -> None:
    """Find the rows of files that were moved or renamed: of the same content as a file that is gone."""
    gone: dict[tuple[str, int | None], list[StoredItem]] = {}
    for row in rows:
        if row.content is not None and row.path is not None and file_stamp(row.path) is None:
            gone.setdefault((row.modality, row.size), []).append(row)
    for position, (item, place) in enumerate(zip(items, places, strict=True)):
        path = place_on_disk(place) if gone and found[position] is None else None
        stamp = None if path is None else file_stamp(path)
        candidates = [] if stamp is None else gone.get((item.modality, stamp[0]), [])
        if path is None or not candidates:
            continue
        content = _hash_or_none(path)
        same = [row for row in candidates if row.content == content]
        if same:
            moved = max(same, key=lambda row: _shared_end(row.location, place))
            found[position] = moved
            candidates.remove(moved)


def _folder(location: str) -> str:
    return location.rpartition("/")[0]


def _shared_end(one: str, other: str) -> int:
    """How many names two paths have in common, from the end."""
    names = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], names))


def _hash_or_none(path: Path) -> str | None:
    """The hash of a file's content; None where it cannot be read: encoding will say what is wrong with it."""
    try:
        return content_hash(path)
    except (OSError, UnibindError):
        return None


def _check_each_once(items: Sequence[Item], places: Sequence[str]) -> None:
    """Raise UnibindError for two items of one file, or with one id; texts with ids of their own may repeat."""
    seen: dict[tuple[str, str, str], str] = {}
    for item, place in zip(items, places, strict=True):
        names = [("id", item.id)] if item.uri is None else [("id", item.id), ("place", place)]
        for kind, name in names:
            if (kind, item.modality, name) in seen:
                ids = f"{seen[kind, item.modality, name]!r} and {item.id!r}"
                what = f"the id {name!r}" if kind == "id" else f"the file {name} (as {ids})"
                raise UnibindError(f"{what} occurs twice in the items to encode; list every {item.modality} item once")
            seen[kind, item.modality, name] = item.id


def _check_moved(item: Item, row: StoredItem, place: str) -> None:
    """Raise UnibindError if an id names another file or URL in the store, and that is still there."""
    if item.uri is not None and (row.path is None or file_stamp(row.path) is not None):
        raise UnibindError(
            f"the id {item.id!r} is {row.location} in the store, and {place} in the items to encode; give this "
            f"{item.modality} item another id, or remove the stored one with `unibind store remove`"
        )


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
    content = _hash_or_none(path)
    if content is None or row.content not in (None, content):
        return None
    return row.with_facts(FileFacts(*stamp, content))


def _of_other_files(rows: Iterable[StoredItem], folders: Sequence[Path]) -> Iterator[StoredItem]:
    """Rows of items that are not listed, with another state where their files were deleted or are back."""
    roots = tuple(canonical_location(str(folder)).rstrip("/") + "/" for folder in folders)
    with_files: dict[Path, bool] = {}
    for row in rows:
        path = row.path
        if path is None:
            continue
        stamp = file_stamp(path)
        if row.state == MISSING and stamp is not None and stamp == (row.size, row.mtime_ns):
            yield replace(row, state=PRESENT)
        elif row.state == PRESENT and stamp is None:
            folder = folder_of(path)
            if folder not in with_files:
                with_files[folder] = _has_files(folder)
            if with_files[folder] or row.location.startswith(roots):
                yield replace(row, state=MISSING)


def _has_files(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return False
