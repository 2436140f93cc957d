"""The store: embeddings on disk, in a LanceDB database folder.

`store.json` marks the folder. Three tables are created with their first rows: `contracts` (hash -> JSON), `items` (one
row per embedding, with the hash of a contract that is already written) and `quarantine` (items that could not be read).
A row is found by the modality and the canonical location of its item (see `data.location`). Every addition, update,
replacement and removal is one atomic Lance commit, so if a writer is killed at any moment, the store opens with every
complete one and nothing else: a row that is replaced is the old one or the new one, never both and never neither. A
commit is synced to the disk before the call returns; a power cut takes at most the one that was being written, and the
store then opens with the version before it, and says so.

One process writes at a time (see `data.store_lock`). An open store reads one version, `Store.version`, whatever others
write meanwhile, until `refresh`.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..backbones.contract import Contract
from ..errors import ContractError, UnibindError, UnknownNameError
from ..files import OutputKind, check_output
from ..modalities import check_modality
from .embeddings import Embeddings, Vectors
from .file_facts import FileFacts
from .fragment_counts import Kind, count_rows
from .lance_files import Fragment
from .lance_tables import VECTOR, LanceTables
from .manifest import Item, check_unique
from .rows import (
    FACTS,
    FACTS_SUM,
    PRESENT,
    VECTOR_SUM,
    Places,
    StoredItem,
    arrow_table,
    cells_of,
    matrix,
    new_row,
    rows_of,
    stored_table,
    vector_checksums,
)
from .store_lock import LOCK, Owner, WriterLock, read_owner
from .store_mark import MARK, Precision, read_mark, write_mark
from .stored_text import cells, stored

if TYPE_CHECKING:
    import pyarrow

_log = logging.getLogger(__name__)

STORE = OutputKind("a store", marks=(MARK,), resumable=True)
_ITEMS, _CONTRACTS, _QUARANTINE = "items", "contracts", "quarantine"
_DELETED_AT_ONCE = 5000  # rows named in one condition
_COLUMNS = {
    _ITEMS: (*FACTS, FACTS_SUM, "modality", "contract", VECTOR_SUM),
    _CONTRACTS: ("hash", "json"),
    _QUARANTINE: ("key", "id", "uri", "modality", "error", "message", "size", "mtime_ns"),
}
_COUNTED = ("modality", "contract", "split", "state")
_UPDATED = (*FACTS, FACTS_SUM)


@dataclass(frozen=True)
class NewFragment:
    """A fragment of the table of items that a worker wrote, and what the store must know of its rows.

    `metadata` is that of pylance as JSON. `ids` are those of the items, `splits` those that they belong to, and `width`
    is that of their vectors.
    """

    metadata: str
    rows: int
    width: int
    ids: Sequence[str]
    splits: frozenset[str | None]


@dataclass(frozen=True)
class Quarantined:
    """An item that could not be read, with the class name and the message of the error.

    `size` and `mtime_ns` are those of its file when it failed; None where there was none.
    """

    id: str
    uri: str | None
    modality: str
    error: str
    message: str
    size: int | None = None
    mtime_ns: int | None = None


class Store:
    """An open store; use `Store.create`, `Store.open` or `Store.open_or_create` to get one."""

    def __init__(self, path: Path, version: int | None = None) -> None:
        self.path = path
        mark = read_mark(path)  # before connecting, which would create a missing folder
        self.precision: Precision = mark["precision"]
        # name and options that `create_backbone` needs to build the backbone of the stored items again
        recorded = mark.get("backbone")
        self.backbone: tuple[str, dict[str, Any]] | None = None if recorded is None else (recorded[0], recorded[1])
        self._tables = LanceTables(path, _COLUMNS)
        self._places = Places(path)
        self._lock, self._changing = WriterLock(path), threading.RLock()
        self._fixed = version  # the version that was asked for
        self._reported: set[str] = set()
        self.derived: dict[Any, Any] = {}  # what other modules derive from this object and reuse as long as it lives
        self.refresh()

    def refresh(self) -> None:
        """Read what was written since the store was opened, unless it was opened at a version.

        Where the newest version is damaged, as a power cut leaves it, the one before is read, with a warning.
        """
        read_mark(self.path)  # a drive that is gone is not an empty store
        self._damage = self._tables.pin(None if self._fixed is None else {_ITEMS: self._fixed})
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
        texts = {row["hash"]: row["json"] for row in self._rows(_CONTRACTS, ["hash", "json"])}
        self._taken: _Taken | None = None  # read when it is first asked for
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
        return count_rows(self._tables, _ITEMS, _COUNTED, self.path, keep=self._fixed is None)

    # --- opening ------------------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | Path, *, precision: Precision = "float32") -> Store:
        """Create an empty store and its folder; raises UnibindError if there is a store already."""
        path = Path(path)
        if cls.is_at(path):
            raise UnibindError(f"{path} is already a store; open it, or choose another folder")
        if precision not in ("float16", "float32"):
            raise UnknownNameError("precision", precision, ("float16", "float32"))
        check_output(path, kind=STORE)
        write_mark(path, precision)
        return cls(path)

    @classmethod
    def open(cls, path: str | Path, *, version: int | None = None) -> Store:
        """Open a store; raises MissingFileError if there is none at `path`.

        It is read as it is now, or as it was at an earlier `version`, until `refresh`; raises UnibindError for a
        version that is not kept. A store that is opened at a version is not written to.
        """
        return cls(Path(path), version)

    @staticmethod
    def is_at(path: str | Path) -> bool:
        """Whether there is a store at `path`."""
        return (Path(path) / MARK).exists()

    @classmethod
    def open_or_create(cls, path: str | Path, *, precision: Precision = "float32") -> Store:
        """Open the store at `path`, or create it; an existing store keeps its precision."""
        return cls.open(path) if cls.is_at(path) else cls.create(path, precision=precision)

    # --- writing ------------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing for a block; every change does so by itself for its own duration.

        Blocks may be nested. Raises UnibindError that names the process that is writing already, and one for a store
        that was opened at a version.
        """
        if self._fixed is not None:
            raise UnibindError(f"{self.path} was opened at version {self._fixed}; open it without a version to write")
        with ExitStack() as stack:
            with self._tables.errors("written"):
                new = stack.enter_context(self._lock.taken())
                self._lock.check()
            if new:
                self._sweep()
            if self._tables.moved():  # by another process before, or by a commit of this one that failed halfway
                self.refresh()
                self._tables.mend()
            yield

    def _sweep(self) -> None:
        """Remove what killed writers left; nobody else is writing."""
        for name in (MARK, LOCK):
            for left in self.path.glob(f".{name}.*"):
                left.unlink(missing_ok=True)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """One change at a time, also where several threads share this store."""
        with self._changing, self.writing():
            yield

    def owner(self) -> Owner | None:
        """The process that is writing to the store, or was when it died; None for nobody."""
        return read_owner(self.path)

    def add(
        self,
        items: Sequence[Item],
        vectors: NDArray[np.floating],
        contract: Contract,
        facts: Sequence[FileFacts | None] | None = None,
        *,
        compared: bool = False,
    ) -> None:
        """Append items of one modality with their embeddings [N, D] in one commit, and remove them from quarantine.

        `facts` are those of the files when they were read; None for an item without a file of its own. A caller that
        has `compared` the items with the store in this block of `writing`, and found them new, skips the check, which
        keeps the ids of all stored items in memory. Raises
        ContractError if the store's vectors are not comparable or have another width, and UnibindError for ids and
        files that are already stored, items of another modality, wrong counts, and values that are not finite.
        """
        check_unique((item.id for item in items), "the items to add")
        known = facts or [None] * len(items)
        rows = [new_row(item).with_facts(found) for item, found in zip(items, known, strict=True)]
        with self._change():
            if not compared:
                self._already().check(rows)
            self._check(rows, vectors, contract)
            if not rows:
                return
            self._write_contract(contract)
            self._tables.append(_ITEMS, self._stored(rows, vectors, contract))
            if self._taken is not None:
                self._taken.add(rows)
            self._counts[contract.modality] += len(rows)
            self._splits.setdefault(contract.modality, set()).update(row.split for row in rows)
            self._release(rows)

    def replace(self, rows: Sequence[StoredItem], vectors: NDArray[np.floating], contract: Contract) -> None:
        """Replace facts and embeddings [N, D] of stored rows of one modality in one commit; raises what `add` raises.

        Rows are matched by their keys; rows that are no longer stored are left out.
        """
        with self._change():
            self._check(rows, vectors, contract)
            if not rows:
                return
            self._write_contract(contract)
            self._tables.merge(_ITEMS, self._stored(rows, vectors, contract))
            self.refresh()
            self._release(rows)

    def update(self, rows: Sequence[StoredItem]) -> None:
        """Write the facts of stored rows in one commit; their modality, contract and embedding stay as they are.

        Rows are matched by their keys; rows that are no longer stored are left out.
        """
        if not rows:
            return
        with self._change():
            self._tables.merge(_ITEMS, arrow_table([cells_of(row, self._places) for row in rows], _UPDATED))
            self.refresh()

    def remove(self, rows: Sequence[StoredItem]) -> None:
        """Remove stored rows and their embeddings."""
        if not rows:
            return
        with self._change():
            self._delete(_ITEMS, [row.key for row in rows])
            self.refresh()

    # --- written by workers -------------------------------------------------------------------------------------------

    @contextmanager
    def receiving(self, width: int) -> Iterator[str]:
        """Let workers write fragments of the table of items in this block; yields where that table is.

        The table is made, without rows, where there is none: `width` is that of its vectors. What workers wrote is in
        the store once `adopt` has named it, and is removed later if it never is.
        """
        with self.writing():
            if self._tables.version(_ITEMS) is None:
                empty = stored_table([], np.empty((0, width), np.float32), "", self._places, self.precision)
                self._tables.append(_ITEMS, empty)
            with self._tables.receiving(_ITEMS) as place:
                yield str(place)

    def adopt(self, fragments: Sequence[NewFragment], contract: Contract) -> None:
        """Add fragments of one modality in one commit, and remove their items from quarantine.

        The caller has compared their items with the store in this block of `writing`, and found them new. Raises
        ContractError where the vectors are not comparable with those of the store or have another width.
        """
        with self._change():
            self.check_contract(contract)
            self._check_width(*{fragment.width for fragment in fragments})
            self._write_contract(contract)
            self._tables.adopt(_ITEMS, [fragment.metadata for fragment in fragments])
            self._taken = None
            for fragment in fragments:
                self._counts[contract.modality] += fragment.rows
                self._splits.setdefault(contract.modality, set()).update(fragment.splits)
            self._released({(contract.modality, name) for fragment in fragments for name in fragment.ids})

    def note_backbone(self, name: str, options: Mapping[str, Any]) -> None:
        """Record which backbone encoded the items, so that it can be built again from the store alone."""
        if self.backbone == (name, dict(options)):
            return
        with self._change(), self._tables.errors("written"):
            self.backbone = name, dict(options)
            write_mark(self.path, self.precision, self.backbone)

    def quarantine(self, failed: Iterable[Quarantined]) -> None:
        """Record items that could not be read; a new entry replaces an earlier one of the same modality and id."""
        entries = {(entry.modality, entry.id): entry for entry in failed}
        if not entries:
            return
        rows = [vars(e) | {"key": uuid.uuid4().hex, "uri": self._places.uri_cell(e.uri)} for e in entries.values()]
        with self._change():
            self._release(list(entries.values()))
            self._append(_QUARANTINE, rows)

    def compact(self, *, full: bool = False) -> None:
        """Merge small files where many have gathered, as every change does, and remove old ones that nobody reads.

        With `full`, all files are merged that are not large yet, and what was removed leaves the disk. The stored data
        does not change.
        """
        with self._change():
            self._tables.compact(full=full)
            self.refresh()  # what was written is counted now, and not by those who open the store

    # --- reading ------------------------------------------------------------------------------------------------------

    def damage(self) -> list[str]:
        """What is wrong with the newest versions of its tables, where older ones are read."""
        return list(self._damage)

    def sizes(self) -> dict[str, int]:
        """Bytes on disk of each table."""
        return self._tables.sizes()

    @property
    def version(self) -> int:
        """The version of the items that is read; 0 before the first ones were stored."""
        return self._tables.version(_ITEMS) or 0

    @property
    def commit(self) -> str | None:
        """A name of what is read that nothing else ever has, whatever becomes of the store; None while it is empty."""
        return self._tables.commit(_ITEMS)

    @property
    def at_a_version(self) -> bool:
        """Whether the store was opened at a version, and is not written to."""
        return self._fixed is not None

    def versions(self) -> list[int]:
        """The versions that `Store.open` finds, the newest first."""
        return self._tables.kept(_ITEMS)

    def rows(self) -> list[StoredItem]:
        """What is known about every stored item, those included whose files are missing; in no particular order."""
        return [row for rows in self.row_batches() for row in rows]

    def row_batches(self, *, size: int = 4096) -> Iterator[list[StoredItem]]:
        """What `rows` returns, at most `size` at a time; memory does not grow with the store."""
        return (rows_of(table, self._places) for table in self.facts(FACTS, size=size))

    def facts(self, names: Sequence[str], *, size: int = 4096) -> Iterator[pyarrow.Table]:
        """These columns, and the modality, of every stored item as they are on the disk, at most `size` at a time."""
        return self._tables.read_batches(_ITEMS, [*names, "modality"], None, size)[1]

    def ids(self) -> set[str]:
        """Ids of all stored items, those included whose files are missing."""
        return {name for _, name in self._already().ids}

    def non_train_ids(self) -> set[str]:
        """Ids of the items that are not in the split "train": their descriptions must not be learned from."""
        return {
            self._id(row) for row in self._rows(_ITEMS, ["id", "location", "uri", "split"]) if row["split"] != "train"
        }

    def splits(self) -> dict[str, set[str | None]]:
        """The splits that the items of each modality belong to; None for items without a split."""
        return {modality: set(self._splits[modality]) for modality in self.modalities()}

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

    def contracts(self) -> dict[str, Contract]:
        """The contract of each stored modality."""
        return dict(self._contracts)

    def quarantined(self) -> list[dict[str, Any]]:
        """Items that could not be read, sorted by id: what `Quarantined` has."""
        rows = self._rows(_QUARANTINE, list(_COLUMNS[_QUARANTINE]))
        failed = {(row["modality"], row["id"]) for row in rows}
        for table in self.facts(["id", "location", "uri", "state"]) if failed else ():
            columns = (cells(table[name]) for name in ("modality", "id", "location", "uri", "state"))
            for modality, name, location, uri, state in zip(*columns, strict=True):
                if state == PRESENT:
                    failed.discard((modality, name or self._places.location(location, uri)))
        names = _COLUMNS[_QUARANTINE][1:]
        entries = [{name: row[name] for name in names} for row in rows if (row["modality"], row["id"]) in failed]
        return sorted((e | {"uri": self._places.uri(e["uri"])} for e in entries), key=lambda e: str(e["id"]))

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
        table = self._tables.read(_ITEMS, [*texts, VECTOR, VECTOR_SUM], condition)
        assert table is not None  # it has the modality
        columns = {name: cells(table[name]) for name in texts}
        named = zip(columns["id"], columns["location"], columns["uri"], strict=True)
        ids = [name or self._places.location(location, uri) for name, location, uri in named]
        return Embeddings(
            modality,
            ids,
            columns["label"],
            self._sound(table, modality),
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
        count, tables = self._tables.read_batches(_ITEMS, columns, _present(modality, split), size)
        return count, ((rows_of(t, self._places), self._sound(t, modality)) for t in tables)

    @property
    def width(self) -> int:
        """The number of dimensions D of the stored vectors; 0 while it is empty."""
        return self._tables.width(_ITEMS) or 0

    def fragments(self) -> tuple[Fragment, ...]:
        """The parts that its items were written in; one that is unchanged has the same name in every version."""
        return self._tables.fragments(_ITEMS)

    def scan(
        self, columns: Sequence[str], modality: str | None = None, split: str | None = None, *, size: int = 4096
    ) -> Iterator[pyarrow.Table]:
        """These columns of the table of items, at most `size` at a time and in no particular order; without those whose
        files are missing.

        Memory does not grow with the store.
        """
        return self._tables.scan(_ITEMS, columns, _present(modality, split), size)

    def scan_fragments(
        self, columns: Sequence[str], fragments: Sequence[Fragment], *, size: int = 4096
    ) -> Iterator[tuple[Fragment, pyarrow.Table]]:
        """The same of the items of some fragments, those included whose files are missing; nothing else is read."""
        return self._tables.scan_fragments(_ITEMS, columns, fragments, size)

    def place(self, own_id: str | None, location: str, uri: str | None) -> tuple[str, str | None]:
        """The id of an item and a path that can be opened, from its cells `id`, `location` and `uri`."""
        return own_id or self._places.location(location, uri), self._places.uri(uri)

    def stored_items(self, table: pyarrow.Table) -> list[StoredItem]:
        """What is known about the items of a table with the columns `FACTS` and "modality"."""
        return rows_of(table, self._places)

    def sound_vectors(self, table: pyarrow.Table, modality: str) -> Vectors:
        """Vectors [N, D] of a table with VECTOR and VECTOR_SUM; UnibindError if they are not what was written."""
        return self._sound(table, modality)

    def vector_batches(self, modality: str, split: str | None = None, *, size: int = 4096) -> Iterator[Vectors]:
        """The embeddings [B, D] of `batches`, without what is known about their items."""
        check_modality(modality, self.modalities())
        _, tables = self._tables.read_batches(_ITEMS, [VECTOR, VECTOR_SUM], _present(modality, split), size)
        return (self._sound(table, modality) for table in tables)

    def _sound(self, table: pyarrow.Table, modality: str) -> Vectors:
        """The vectors of a table [N, D]; raises UnibindError where they are not what was written."""
        vectors = matrix(table[VECTOR])
        finite = bool(np.isfinite(vectors).all())
        if not finite or vector_checksums(vectors) != table[VECTOR_SUM].to_pylist():
            what = f"{modality} vectors are not {'what was written' if finite else 'finite'}"
            raise UnibindError(
                f"the store {self.path} is damaged: {what}; remove them with `unibind store repair`, and encode again"
            )
        return vectors.astype(np.float32)

    def stored(self, *, size: int = 4096) -> Iterator[pyarrow.Table]:
        """All items with all columns and their vectors as they are on the disk, unchecked, at most `size` at a time."""
        _, tables = self._tables.read_batches(_ITEMS, [*_COLUMNS[_ITEMS], VECTOR], None, size)
        return tables

    # --- checks and tables --------------------------------------------------------------------------------------------

    def check_contract(self, contract: Contract) -> None:
        """Raise ContractError unless vectors with this contract may be added to the store."""
        for modality, known in self._contracts.items():
            if modality != contract.modality and known.shares_anchor(contract):
                continue  # the parts of a composed backbone share a store, whether or not they share a space
            contract.check_comparable(known, here="the new vectors", there=f"the {modality} vectors of {self.path}")

    def _check(self, rows: Sequence[StoredItem], vectors: NDArray[np.floating], contract: Contract) -> None:
        if vectors.ndim != 2 or len(vectors) != len(rows):
            raise UnibindError(f"{len(rows)} items need vectors [{len(rows)}, D], not {list(vectors.shape)}")
        if not np.isfinite(vectors).all():
            raise UnibindError("the vectors contain values that are not finite; leave those items out")
        other_modalities = sorted({row.modality for row in rows} - {contract.modality})
        if other_modalities:
            raise UnibindError(
                f"items of the modality {', '.join(other_modalities)} were given with a contract for "
                f"{contract.modality}; add each modality separately"
            )
        self.check_contract(contract)
        self._check_width(vectors.shape[1])

    def _check_width(self, *widths: int) -> None:
        stored_width = self._tables.width(_ITEMS)
        other = next((width for width in widths if stored_width not in (None, width)), None)
        if other is not None:
            raise ContractError(
                f"the new vectors have {other} dimensions, but those of {self.path} have {stored_width}; "
                "encode with the same backbone"
            )

    def _write_contract(self, contract: Contract) -> None:
        """Write a contract that the store does not have yet, before the rows that name it."""
        if contract.modality not in self._contracts:
            self._append(_CONTRACTS, [{"hash": contract.hash, "json": contract.to_json()}])
            self._contracts[contract.modality] = contract

    def _stored(self, rows: Sequence[StoredItem], vectors: NDArray[np.floating], contract: Contract) -> pyarrow.Table:
        return stored_table(rows, vectors, contract.hash, self._places, self.precision)

    def _already(self) -> _Taken:
        """Ids and places of every stored item."""
        if self._taken is None:
            self._taken = _Taken(self.path)
            for row in self._rows(_ITEMS, ["id", "location", "uri", "modality"]):
                place = self._places.location(row["location"], row["uri"])
                self._taken.note(row["modality"], row["id"] or place, place if row["uri"] is not None else None)
        return self._taken

    def _id(self, row: Mapping[str, Any]) -> str:
        return row["id"] or self._places.location(row["location"], row["uri"])

    def _release(self, items: Sequence[StoredItem | Quarantined]) -> None:
        """Remove items from quarantine."""
        self._released({(item.modality, item.id) for item in items})

    def _released(self, named: set[tuple[str, str]]) -> None:
        condition = None
        if len(named) <= _DELETED_AT_ONCE:
            condition = f"id IN ({', '.join(_quoted(str(stored(name))) for _, name in named)})"
        rows = self._rows(_QUARANTINE, ["key", "id", "modality"], condition)
        self._delete(_QUARANTINE, [row["key"] for row in rows if (row["modality"], row["id"]) in named])

    def _rows(self, name: str, columns: list[str], condition: str | None = None) -> list[dict[str, Any]]:
        table = self._tables.read(name, columns, condition)
        if table is None:
            return []
        values = (cells(table[column]) for column in columns)
        return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]

    def _append(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._tables.append(name, arrow_table(rows, _COLUMNS[name]))

    def _delete(self, name: str, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            chosen = ", ".join(map(_quoted, keys[start : start + _DELETED_AT_ONCE]))
            self._tables.delete(name, f"key IN ({chosen})")


class _Taken:
    """Which ids and places are stored, with their modalities; texts have no places, because they may repeat."""

    def __init__(self, store: Path) -> None:
        self.ids: set[tuple[str, str]] = set()
        self._store, self._places = store, set[tuple[str, str]]()

    def note(self, modality: str, name: str, place: str | None) -> None:
        self.ids.add((modality, name))
        if place is not None:
            self._places.add((modality, place))

    def add(self, rows: Sequence[StoredItem]) -> None:
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


def _present(modality: str | None, split: str | None) -> str:
    """The condition, in LanceDB's SQL, of the rows whose embeddings are used."""
    values = {"state": PRESENT, "modality": modality, "split": split}
    return " AND ".join(f"{name} = {_quoted(value)}" for name, value in values.items() if value is not None)


def _quoted(text: str) -> str:
    """A string literal in LanceDB's SQL."""
    return "'" + text.replace("'", "''") + "'"
