"""Checking a store, and mending what can be mended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import UnibindError
from .file_facts import content_hash, file_stamp
from .lance_tables import VECTOR
from .rows import (
    FACTS,
    FACTS_SUM,
    MISSING,
    VECTOR_SUM,
    Places,
    StoredItem,
    facts_checksum,
    matrix,
    rows_of,
    vector_checksums,
)
from .store import Store
from .store_means import damaged_means, remove_damaged_means
from .stored_text import cells

if TYPE_CHECKING:
    import pyarrow

_UNIT = 0.005  # how far from 1 the length of a vector may be: float16 rounds
_EXAMPLES = 5
_FOUND = {
    "damaged": "facts that are not what was written",
    "vector": "vectors that are not what was written",
    "not finite": "vectors that are not finite",
    "length": "vectors that are not of unit length",
    "contract": "items whose contract is not stored",
    "double": "doubled rows",
    "no file": "items whose files are gone",
    "changed": "items whose files have another size or content",
}


@dataclass
class Check:
    """What checking a store found: its number of `items`, and of each fault how many have it, and the ids of a few.

    `tables` and `means` say in words what is wrong with the files of tables, and with that of the modalities' means.
    """

    version: int
    items: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    means: str | None = None

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.counts and not self.tables and self.means is None

    def note(self, fault: str, ids: Iterable[str]) -> None:
        """Add items with a fault."""
        for name in ids:
            self.counts[_FOUND[fault]] = self.counts.get(_FOUND[fault], 0) + 1
            few = self.examples.setdefault(_FOUND[fault], [])
            if len(few) < _EXAMPLES:
                few.append(name)

    def lines(self) -> list[str]:
        """What is wrong, one line for each fault, for people."""
        found = [f"{count} {what}, such as {', '.join(self.examples[what])}" for what, count in self.counts.items()]
        return [*self.tables, *([] if self.means is None else [self.means]), *found]


def check_store(store: Store, *, files: bool = False, content: bool = False) -> Check:
    """Check every item of a store, at the version that is open; memory grows by its ids alone.

    Looked at are the files of its tables and of its means, the checksums of facts and vectors, whether vectors are
    finite and of unit length, whether ids, keys and files occur once and contracts are stored. With `files`, also
    whether the files of the items are there with their sizes; with `content`, whether they still have the content that
    was encoded, for which they are read. Raises UnibindError where Lance cannot read a table.
    """
    done = Check(store.version, tables=store.damage(), means=damaged_means(store.path))
    contracts, places = {c.hash for c in store.contracts().values()}, Places(store.path)
    seen = set[tuple[str, ...]]()
    for table in store.stored():
        rows, vectors = rows_of(table, places), matrix(table[VECTOR])
        done.items += len(rows)
        for fault, wrong in _faults(table, vectors, contracts):
            done.note(fault, (row.id for row, is_wrong in zip(rows, wrong, strict=True) if is_wrong))
        done.note("double", (row.id for row in rows if not _is_first(row, seen)))
        if files or content:
            _check_files(rows, done, content=content)
    return done


def _faults(
    table: pyarrow.Table, vectors: NDArray[np.floating], contracts: set[str]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each fault of a row, and which rows have it [N]."""
    damaged = _damaged_facts(table)
    pairs = zip(vector_checksums(vectors), table[VECTOR_SUM].to_pylist(), strict=True)
    exact = np.array([found == written for found, written in pairs], bool)
    wide = vectors.astype(np.float64)
    finite = np.asarray(np.isfinite(wide).all(axis=1))
    lengths = np.linalg.norm(np.where(finite[:, None], wide, 0), axis=1)
    yield "damaged", damaged
    yield "vector", ~exact
    yield "not finite", ~finite
    yield "length", finite & exact & (np.abs(lengths - 1) > _UNIT)
    yield "contract", np.array([name not in contracts for name in cells(table["contract"])], bool)


def _damaged_facts(table: pyarrow.Table) -> NDArray[np.bool_]:
    names = (*FACTS, "modality")
    columns = [cells(table[name]) for name in names]
    sums = (facts_checksum(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True))
    return np.array([a != b for a, b in zip(sums, table[FACTS_SUM].to_pylist(), strict=True)], bool)


def _check_files(rows: Iterable[StoredItem], done: Check, *, content: bool) -> None:
    for row in rows:
        if row.path is None or row.state == MISSING:
            continue
        stamp = file_stamp(row.path)
        if stamp is None:
            done.note("no file", [row.id])
        elif row.content is not None and (stamp[0] != row.size or (content and not _has_content(row))):
            done.note("changed", [row.id])


def _has_content(row: StoredItem) -> bool:
    try:
        return content_hash(str(row.path), row.segment) == row.content
    except (OSError, UnibindError):
        return False


# --- mending ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Repair:
    """What was mended: how many doubled rows and how many damaged rows were removed, and whether damaged means were."""

    doubles: int
    damaged: int
    means: bool

    @property
    def message(self) -> str:
        """The numbers in one line for people."""
        rows = f"{self.doubles} doubled and {self.damaged} damaged rows removed"
        again = "; encode again to fill them in" if self.damaged else ""
        return f"{rows}{again}" + ("; a damaged file of means removed" if self.means else "")


def repair(store: Store) -> Repair:
    """Mend a store: damaged versions of its tables are set aside; damaged and doubled rows and damaged means go.

    Rows are damaged if their facts or vectors are not what was written or not finite; `encode` adds these items again.
    Of doubles, the one that was read last is kept, and of those the one with the smallest key. Raises UnibindError
    where another process is writing, or where Lance cannot read a table.
    """
    places = Places(store.path)
    with store.writing():
        store.refresh()
        damaged, whole = list[StoredItem](), list[StoredItem]()
        for table in store.stored():
            faults = dict(_faults(table, matrix(table[VECTOR]), set()))
            wrong = faults["damaged"] | faults["vector"] | faults["not finite"]
            for row, is_wrong in zip(rows_of(table, places), wrong, strict=True):
                (damaged if is_wrong else whole).append(row)
        doubles = find_doubles(whole)
        store.remove(doubles + damaged)
        means = remove_damaged_means(store.path)
        store.compact(full=True)
    return Repair(len(doubles), len(damaged), means)


def find_doubles(rows: Iterable[StoredItem]) -> list[StoredItem]:
    """Rows beyond the first of each item: of one modality, and with the same id or the same file."""
    seen = set[tuple[str, ...]]()
    return [row for row in sorted(rows, key=_rank) if not _is_first(row, seen)]


def _rank(row: StoredItem) -> tuple[bool, int, str]:
    return row.state == MISSING, -(row.mtime_ns or 0), row.key


def _is_first(row: StoredItem, seen: set[tuple[str, ...]]) -> bool:
    """Whether none of the row's names was seen; they are now."""
    names = set(_names(row))
    if names & seen:
        return False
    seen |= names
    return True


def _names(row: StoredItem) -> Iterator[tuple[str, ...]]:
    yield "key", row.key
    yield "id", row.modality, row.id
    if row.uri is not None:  # texts may repeat
        yield "place", row.modality, row.location
