"""A store that is read: what `Store` has besides writing.

An open store reads one version, whatever others write meanwhile, until `refresh`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backbones.contract import Contract
from ..errors import UnibindError, UnknownNameError
from ..modalities import check_modality
from .embeddings import Embeddings, Vectors
from .fragment_counts import Kind, count_rows
from .lance_files import Fragment
from .lance_tables import VECTOR, LanceTables
from .rows import FACTS, FACTS_SUM, PRESENT, VECTOR_SUM, Places, StoredItem, matrix, rows_of, vector_checksums
from .sql import quoted
from .store_mark import Precision, read_mark
from .stored_names import StoredNames
from .stored_text import cells

if TYPE_CHECKING:
    import pyarrow

_log = logging.getLogger(__name__)

ITEMS, CONTRACTS, QUARANTINE = "items", "contracts", "quarantine"  # tables
COLUMNS = {
    ITEMS: (*FACTS, FACTS_SUM, "modality", "contract", VECTOR_SUM),
    CONTRACTS: ("hash", "json"),
    QUARANTINE: ("key", "id", "uri", "modality", "error", "message", "size", "mtime_ns"),
}
_COUNTED = ("modality", "contract", "split", "state")


class StoreReader:
    """An open store without what writes to it."""

    def __init__(self, path: Path, version: int | None = None) -> None:
        self.path = path
        mark = read_mark(path)  # before connecting, which would create a missing folder
        self.precision: Precision = mark["precision"]
        # name and options that `create_backbone` needs to build the backbone of the stored items again
        recorded = mark.get("backbone")
        self.backbone: tuple[str, dict[str, Any]] | None = None if recorded is None else (recorded[0], recorded[1])
        self._tables = LanceTables(path, COLUMNS)
        self._places = Places(path)
        self._fixed = version  # the version that was asked for
        self._reported: set[str] = set()
        self.derived: dict[Any, Any] = {}  # what other modules derive from this object and reuse as long as it lives
        self.refresh()

    def refresh(self) -> None:
        """Read what was written since the store was opened, unless it was opened at a version.

        Where the newest version is damaged, as a power cut leaves it, the one before is read, with a warning.
        """
        read_mark(self.path)  # a drive that is gone is not an empty store
        self._damage = self._tables.pin(None if self._fixed is None else {ITEMS: self._fixed})
        for wrong in self._damage:
            if wrong not in self._reported:
                self._reported.add(wrong)
                _log.warning(f"the store {self.path} was not written completely: {wrong}")
        counts = Counter[tuple[str, str, str]]()
        self._splits: dict[str, set[str | None]] = {}
        for (modality, contract, split, state), count in self._kinds().items():
            counts[str(modality), str(contract), str(state)] += count
            if state == PRESENT:
                self._splits.setdefault(str(modality), set()).add(split)
        texts = {row["hash"]: row["json"] for row in self._rows(CONTRACTS, ["hash", "json"])}
        self._taken: StoredNames | None = None  # read when it is first asked for
        self._counts = Counter[str]()
        for (modality, _, state), count in counts.items():
            if state == PRESENT:
                self._counts[modality] += count
        self._missing = sum(counts.values()) - self._counts.total()
        used = {modality: contract for modality, contract, _ in counts}
        missing = sorted(set(used.values()) - texts.keys())
        if missing:
            raise UnibindError(f"the store {self.path} lacks its contract {missing[0]}; encode into a new store")
        self._contracts = {
            m: Contract.from_json(texts[name], f"the contract {name} of {self.path}") for m, name in used.items()
        }

    def _kinds(self) -> Counter[Kind]:
        return count_rows(self._tables, ITEMS, _COUNTED, self.path, keep=self._fixed is None)

    # --- the version --------------------------------------------------------------------------------------------------

    def damage(self) -> list[str]:
        """What is wrong with the newest versions of its tables, where older ones are read."""
        return list(self._damage)

    def sizes(self) -> dict[str, int]:
        """Bytes on disk of each table."""
        return self._tables.sizes()

    @property
    def version(self) -> int:
        """The version of the items that is read; 0 before the first ones were stored."""
        return self._tables.version(ITEMS) or 0

    @property
    def commit(self) -> str | None:
        """A name of what is read that nothing else ever has, whatever becomes of the store; None while it is empty."""
        return self._tables.commit(ITEMS)

    @property
    def at_a_version(self) -> bool:
        """Whether the store was opened at a version, and is not written to."""
        return self._fixed is not None

    def versions(self) -> list[int]:
        """The versions that `Store.open` finds, the newest first."""
        return self._tables.kept(ITEMS)

    # --- what is known about items ------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return sum(self._counts.values())

    def modalities(self) -> list[str]:
        """Names of the stored modalities, sorted."""
        return sorted(self._counts)

    def counts(self) -> dict[str, int]:
        """Number of items per modality, without those whose files are missing."""
        return dict(self._counts)

    def missing(self) -> int:
        """Number of items whose files, or whose content as it was encoded, are gone."""
        return self._missing

    def splits(self) -> dict[str, set[str | None]]:
        """The splits that the items of each modality belong to; None for items without a split."""
        return {modality: set(self._splits[modality]) for modality in self.modalities()}

    def contracts(self) -> dict[str, Contract]:
        """The contract of each stored modality."""
        return dict(self._contracts)

    @property
    def width(self) -> int:
        """The number of dimensions D of the stored vectors; 0 while it is empty."""
        return self._tables.width(ITEMS) or 0

    def rows(self) -> list[StoredItem]:
        """What is known about every stored item, those included whose files are missing; in no particular order."""
        return [row for rows in self.row_batches() for row in rows]

    def row_batches(self, *, size: int = 4096) -> Iterator[list[StoredItem]]:
        """What `rows` returns, at most `size` at a time; memory does not grow with the store."""
        return (rows_of(table, self._places) for table in self.facts(FACTS, size=size))

    def facts(self, names: Sequence[str], *, size: int = 4096) -> Iterator[pyarrow.Table]:
        """These columns, and the modality, of every stored item as they are on the disk, at most `size` at a time."""
        return self._tables.read_batches(ITEMS, [*names, "modality"], None, size)[1]

    def ids(self) -> set[str]:
        """Ids of all stored items, those included whose files are missing."""
        return {name for _, name in self._already().ids}

    def non_train_ids(self) -> set[str]:
        """Ids of the items that are not in the split "train": their descriptions must not be learned from."""
        return {
            self._id(row["id"], row["location"], row["uri"])
            for row in self._rows(ITEMS, ["id", "location", "uri", "split"])
            if row["split"] != "train"
        }

    def quarantined(self) -> list[dict[str, Any]]:
        """Items that could not be read, sorted by id: what `Quarantined` has."""
        rows = self._rows(QUARANTINE, list(COLUMNS[QUARANTINE]))
        failed = {(row["modality"], row["id"]) for row in rows}
        for table in self.facts(["id", "location", "uri", "state"]) if failed else ():
            columns = (cells(table[name]) for name in ("modality", "id", "location", "uri", "state"))
            for modality, name, location, uri, state in zip(*columns, strict=True):
                if state == PRESENT:
                    failed.discard((modality, self._id(name, location, uri)))
        names = COLUMNS[QUARANTINE][1:]
        entries = [{name: row[name] for name in names} for row in rows if (row["modality"], row["id"]) in failed]
        return sorted((e | {"uri": self._places.uri(e["uri"])} for e in entries), key=lambda e: str(e["id"]))

    # --- vectors ------------------------------------------------------------------------------------------------------

    def vectors(self, modality: str | None = None, split: str | None = None) -> Embeddings:
        """Embeddings of one modality and, if given, one split, sorted by id, without items whose files are missing.

        `modality` is required if the store contains several. Raises UnknownNameError for a modality that is not
        stored; a split without items gives no rows.
        """
        known = self.modalities()
        if modality is None and len(known) == 1:
            modality = known[0]
        if modality not in known:
            raise UnknownNameError(f"modality for the store {self.path}:", modality, known)
        condition = _present(modality, split)
        texts = ["id", "location", "uri", "label", "object", "description", "content"]
        table = self._tables.read(ITEMS, [*texts, VECTOR, VECTOR_SUM], condition)
        assert table is not None  # it has the modality
        columns = {name: cells(table[name]) for name in texts}
        named = zip(columns["id"], columns["location"], columns["uri"], strict=True)
        ids = [self._id(*names) for names in named]
        return Embeddings(
            modality,
            ids,
            columns["label"],
            self.sound_vectors(table, modality),
            self._contracts[modality],
            [self._places.uri(uri) for uri in columns["uri"]],
            columns["object"],
            columns["description"],
            columns["content"],
        ).take(np.argsort(np.array(ids, dtype=object), kind="stable"))

    def batches(
        self, modality: str, split: str | None = None, *, size: int = 4096
    ) -> tuple[int, Iterator[tuple[list[StoredItem], Vectors]]]:
        """The number of items that `vectors` returns, and these in no particular order, at most `size` at a time.

        A batch is what is known about its items, and their embeddings [B, D]. Memory does not grow with the store.
        Raises UnknownNameError for a modality that is not stored.
        """
        check_modality(modality, self.modalities())
        columns = [*FACTS, "modality", VECTOR, VECTOR_SUM]
        count, tables = self._tables.read_batches(ITEMS, columns, _present(modality, split), size)
        return count, ((rows_of(t, self._places), self.sound_vectors(t, modality)) for t in tables)

    def vector_batches(self, modality: str, split: str | None = None, *, size: int = 4096) -> Iterator[Vectors]:
        """The embeddings [B, D] of `batches`, without what is known about their items."""
        check_modality(modality, self.modalities())
        _, tables = self._tables.read_batches(ITEMS, [VECTOR, VECTOR_SUM], _present(modality, split), size)
        return (self.sound_vectors(table, modality) for table in tables)

    def sound_vectors(self, table: pyarrow.Table, modality: str) -> Vectors:
        """Vectors [N, D] of a table with VECTOR and VECTOR_SUM; UnibindError if they are not what was written."""
        vectors = matrix(table[VECTOR])
        finite = bool(np.isfinite(vectors).all())
        if not finite or vector_checksums(vectors) != table[VECTOR_SUM].to_pylist():
            what = f"{modality} vectors are not {'what was written' if finite else 'finite'}"
            raise UnibindError(
                f"the store {self.path} is damaged: {what}; remove them with `unibind store repair`, and encode again"
            )
        return vectors.astype(np.float32)

    # --- tables as they are on the disk -------------------------------------------------------------------------------

    def fragments(self) -> tuple[Fragment, ...]:
        """The parts that its items were written in; one that is unchanged has the same name in every version."""
        return self._tables.fragments(ITEMS)

    def scan(
        self, columns: Sequence[str], modality: str | None = None, split: str | None = None, *, size: int = 4096
    ) -> Iterator[pyarrow.Table]:
        """These columns of the table of items, at most `size` at a time and in no particular order; without those whose
        files are missing.

        Memory does not grow with the store.
        """
        return self._tables.scan(ITEMS, columns, _present(modality, split), size)

    def scan_fragments(
        self, columns: Sequence[str], fragments: Sequence[Fragment], *, size: int = 4096
    ) -> Iterator[tuple[Fragment, pyarrow.Table]]:
        """The same of the items of some fragments, those included whose files are missing; nothing else is read."""
        return self._tables.scan_fragments(ITEMS, columns, fragments, size)

    def stored(self, *, size: int = 4096) -> Iterator[pyarrow.Table]:
        """All items with all columns and their vectors as they are on the disk, unchecked, at most `size` at a time."""
        _, tables = self._tables.read_batches(ITEMS, [*COLUMNS[ITEMS], VECTOR], None, size)
        return tables

    def place(self, own_id: str | None, location: str, uri: str | None) -> tuple[str, str | None]:
        """The id of an item and a path that can be opened, from its cells `id`, `location` and `uri`."""
        return self._id(own_id, location, uri), self._places.uri(uri)

    def stored_items(self, table: pyarrow.Table) -> list[StoredItem]:
        """What is known about the items of a table with the columns `FACTS` and "modality"."""
        return rows_of(table, self._places)

    # --- checks -------------------------------------------------------------------------------------------------------

    def check_contract(self, contract: Contract) -> None:
        """Raise ContractError unless vectors with this contract may be added to the store."""
        for modality, known in self._contracts.items():
            if modality != contract.modality and known.shares_anchor(contract):
                continue  # the parts of a composed backbone share a store, whether or not they share a space
            contract.check_comparable(known, here="the new vectors", there=f"the {modality} vectors of {self.path}")

    def _already(self) -> StoredNames:
        """Ids and places of every stored item."""
        if self._taken is None:
            self._taken = StoredNames(self.path)
            for row in self._rows(ITEMS, ["id", "location", "uri", "modality"]):
                place = self._places.location(row["location"], row["uri"])
                self._taken.note(row["modality"], row["id"] or place, place if row["uri"] is not None else None)
        return self._taken

    def _id(self, own_id: str | None, location: str, uri: str | None) -> str:
        return own_id or self._places.location(location, uri)

    def _rows(self, name: str, columns: list[str], condition: str | None = None) -> list[dict[str, Any]]:
        table = self._tables.read(name, columns, condition)
        if table is None:
            return []
        values = (cells(table[column]) for column in columns)
        return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def _present(modality: str | None, split: str | None) -> str:
    """The condition, in LanceDB's SQL, of the rows whose embeddings are used."""
    values = {"state": PRESENT, "modality": modality, "split": split}
    return " AND ".join(f"{name} = {quoted(value)}" for name, value in values.items() if value is not None)
