"""Looking after a store: what is in it, and removing and correcting its items without encoding them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from ..backbones.contract import Contract
from ..errors import UnibindError, UnknownNameError
from .duplicates import find_duplicates
from .file_facts import file_stamp
from .intake.columns import columns, is_known
from .intake.split_names import normalized_split
from .lance_files import folder_size
from .location import canonical_location
from .manifest import resolve
from .rows import MISSING, StoredItem
from .store import Store
from .store_means import Sum, store_sums
from .tables import BadRow, Dialect, table_rows, text_cell

CORRECTABLE = ("label", "split", "description", "object")

# --- what is in a store --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MeanInFigures:
    """The mean of a modality: its `length`, from how many `items` it was learned, and of which split (None: of all)."""

    length: float
    items: int
    split: str | None

    @classmethod
    def of(cls, found: Sum) -> MeanInFigures:
        """The figures of a sum."""
        return cls(float(np.linalg.norm(found.mean().vector)), found.items, found.split)


@dataclass(frozen=True)
class StoreDescription:
    """What is in a store, in numbers of items by modality.

    `version` is the one that was counted, `versions` are all that are kept, `writer` is the process that is writing, in
    words. `tables` has the bytes on disk of each table.

    `items` are those that `fit`, `eval` and `search` use, `missing` those whose files are gone. `splits` and `labels`
    count `items`; None stands for items without one. `quarantine` counts the items that could not be read by the class
    of their errors. `contracts` and `duplicates` are in words: what the embeddings of each modality mean, and which
    items have the same content.
    """

    path: Path
    backbone: str | None
    precision: str
    version: int
    versions: Sequence[int]
    writer: str | None
    size_bytes: int
    tables: Mapping[str, int]
    items: Mapping[str, int]
    missing: Mapping[str, int]
    splits: Mapping[str, Mapping[str | None, int]]
    labels: Mapping[str, Mapping[str | None, int]]
    quarantine: Mapping[str, int]
    contracts: Mapping[str, str]
    means: Mapping[str, MeanInFigures]
    duplicates: str


def describe_store(store: Store) -> StoreDescription:
    """Count what is in a store, and measure its size on disk."""
    rows = store.rows()
    present = [row for row in rows if row.state != MISSING]
    return StoreDescription(
        store.path,
        None if store.backbone is None else store.backbone[0],
        store.precision,
        store.version,
        store.versions(),
        None if (owner := store.owner()) is None else str(owner),
        folder_size(store.path),
        store.sizes(),
        _counted(row.modality for row in present),
        _counted(row.modality for row in rows if row.state == MISSING),
        _counted_by_modality(present, "split"),
        _counted_by_modality(present, "label"),
        _counted(str(entry["error"]) for entry in store.quarantined()),
        {modality: _in_words(contract) for modality, contract in sorted(store.contracts().items())},
        {modality: MeanInFigures.of(found) for modality, found in store_sums(store).items()},
        find_duplicates(store).message,
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _counted_by_modality(rows: Sequence[StoredItem], fact: str) -> dict[str, dict[str | None, int]]:
    counts: dict[str, Counter[str | None]] = {}
    for row in rows:
        counts.setdefault(row.modality, Counter())[getattr(row, fact)] += 1
    return {modality: dict(sorted(found.items(), key=_by_size)) for modality, found in sorted(counts.items())}


def _by_size(pair: tuple[str | None, int]) -> tuple[int, str]:
    return -pair[1], pair[0] or ""


def _in_words(contract: Contract) -> str:
    anchored = "" if contract.in_anchor_space else f", outside the space of its texts, {contract.anchor_space}"
    head = "" if contract.head is None else ", mapped there by a bridge"
    return f"{contract.backbone}, {contract.precision}, in the space {contract.space}{head}{anchored} ({contract.hash})"


# --- which items ---------------------------------------------------------------------------------------------------


def select(
    store: Store,
    names: Sequence[str] = (),
    *,
    label: str | None = None,
    modality: str | None = None,
    split: str | None = None,
) -> list[StoredItem]:
    """The stored items with one of these names and with this label, modality and split, sorted by id.

    A name is an id, a path or URL, or a pattern with `*`, `?` or `[...]`, which may match an id, a whole location or
    its end, such as `cat_*.jpg` or `test/*`. Raises UnibindError for a name that matches nothing, or if nothing is
    asked for, and UnknownNameError for a modality that is not stored.
    """
    if not names and label is None and modality is None and split is None:
        raise UnibindError("say which items: by id, path or pattern, or by label, modality or split")
    rows = sorted(store.rows(), key=lambda row: (row.id, row.modality))
    stored = sorted({row.modality for row in rows})
    if modality is not None and modality not in stored:
        raise UnknownNameError(f"modality for the store {store.path}:", modality, stored)
    wanted = {"label": label, "modality": modality, "split": normalized_split(split)}
    facts = {name: value for name, value in wanted.items() if value is not None}
    rows = [row for row in rows if all(getattr(row, name) == value for name, value in facts.items())]
    return _named(rows, names, store.path) if names else rows


def _named(rows: Sequence[StoredItem], names: Sequence[str], store: Path) -> list[StoredItem]:
    keys = set[str]()
    for name in names:
        place = canonical_location(name)
        exact = {row.key for row in rows if name == row.id or place == row.location}
        found = exact or {row.key for row in rows if _matches(row, name)}
        if not found:
            raise UnibindError(f"no item of {store} is called {name!r}; see its ids with `unibind store show --items`")
        keys |= found
    return [row for row in rows if row.key in keys]


def _matches(row: StoredItem, pattern: str) -> bool:
    ends = () if pattern.startswith("/") else (f"*/{pattern.removeprefix('./')}",)
    return any(fnmatchcase(name, p) for name in (row.id, row.location) for p in (pattern, *ends))


def find_missing(store: Store) -> list[StoredItem]:
    """Stored items whose files, or whose content as it was encoded, are gone, sorted by id.

    In contrast to what `encode` marks, this includes files whose whole folder is out of reach.
    """
    return sorted((row for row in store.rows() if _is_gone(row)), key=lambda row: row.id)


def _is_gone(row: StoredItem) -> bool:
    stamp = None if row.path is None else file_stamp(row.path)
    if row.state == MISSING:
        return stamp is None or stamp != (row.size, row.mtime_ns)
    return row.path is not None and stamp is None


# --- changes -------------------------------------------------------------------------------------------------------


def remove(store: Store, rows: Sequence[StoredItem]) -> None:
    """Remove items with their embeddings, and merge the store's files; the files of the items stay."""
    store.remove(rows)
    store.compact(full=True)


def relabel(store: Store, rows: Sequence[StoredItem], **facts: str | None) -> int:
    """Write a label, split, description or object to stored items (None erases it); returns how many changed.

    Nothing is encoded. Folder names do not undo this at the next `encode`; a table that says otherwise does. Raises
    UnknownNameError for other facts.
    """
    return _write(store, ((row, facts) for row in rows))


def relabel_from_table(store: Store, path: str | Path) -> tuple[int, int]:
    """Write the facts of a table (CSV, JSONL, JSON, Parquet) to the items it names by `id` or by path.

    Columns are called as in manifests; empty cells erase nothing. Returns how many items changed, and how many rows
    name no stored item. Raises UnibindError for a table without a column of ids or paths, or without facts.
    """
    path = Path(path)
    by_name: dict[str, list[StoredItem]] = {}
    for row in store.rows():
        for name in {row.id, row.location}:
            by_name.setdefault(name, []).append(row)
    changes: list[tuple[StoredItem, dict[str, str | None]]] = []
    unknown = 0
    for names, facts in _table_facts(path):
        rows = next((by_name[name] for name in names if name in by_name), [])
        unknown += not rows
        changes += [(row, facts) for row in rows]
    return _write(store, changes), unknown


def _table_facts(path: Path) -> Iterator[tuple[list[str], dict[str, str | None]]]:
    """For each row, the names that it may be stored under, the surest first, and what it says."""
    for number, row in table_rows(path, Dialect(is_known)):
        if isinstance(row, BadRow):
            continue
        meant = columns(tuple(row)).meanings
        cells = {meaning: text_cell(row[written[0]], written[0]) for meaning, written in meant.items()}
        given, place = cells.get("id"), resolve(cells.get("uri"), path.parent)
        names = ([given] if given else []) + ([canonical_location(place)] if place else [])
        facts = {name: cells[name] for name in CORRECTABLE if cells.get(name)}
        if not names or not facts:
            lacks = "neither an id nor a path" if not names else f"none of {', '.join(CORRECTABLE)}"
            raise UnibindError(f"{path}, row {number} has {lacks}; add it")
        yield names, facts


def _write(store: Store, changes: Iterable[tuple[StoredItem, Mapping[str, Any]]]) -> int:
    changed: dict[str, StoredItem] = {}
    for row, facts in changes:
        for name in facts:
            if name not in CORRECTABLE:
                raise UnknownNameError("fact of an item", name, CORRECTABLE)
        new = replace(changed.get(row.key, row), **_normalized(facts))
        if new != row:
            changed[row.key] = new
    store.update(list(changed.values()))
    return len(changed)


def _normalized(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: normalized_split(value) if name == "split" else value for name, value in facts.items()}
