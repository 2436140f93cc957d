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

import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..backbones.contract import Contract
from ..errors import ContractError, UnibindError, UnknownNameError
from ..files import OutputKind, check_output
from .file_facts import FileFacts
from .manifest import Item, check_unique
from .rows import FACTS, FACTS_SUM, StoredItem, arrow_table, cells_of, new_row, stored_table
from .sql import AT_ONCE, naming
from .store_entries import NewFragment, Quarantined
from .store_lock import LOCK, Owner, WriterLock, read_owner
from .store_mark import MARK, Precision, write_mark
from .store_reader import COLUMNS, CONTRACTS, ITEMS, QUARANTINE, StoreReader

if TYPE_CHECKING:
    import pyarrow

STORE = OutputKind("a store", marks=(MARK,), resumable=True)
_UPDATED = (*FACTS, FACTS_SUM)


class Store(StoreReader):
    """An open store; use `Store.create`, `Store.open` or `Store.open_or_create` to get one."""

    def __init__(self, path: Path, version: int | None = None) -> None:
        self._lock, self._changing = WriterLock(path), threading.RLock()
        super().__init__(path, version)

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
            self._tables.append(ITEMS, self._stored(rows, vectors, contract))
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
            self._tables.merge(ITEMS, self._stored(rows, vectors, contract))
            self.refresh()
            self._release(rows)

    def update(self, rows: Sequence[StoredItem]) -> None:
        """Write the facts of stored rows in one commit; their modality, contract and embedding stay as they are.

        Rows are matched by their keys; rows that are no longer stored are left out.
        """
        if not rows:
            return
        with self._change():
            self._tables.merge(ITEMS, arrow_table([cells_of(row, self._places) for row in rows], _UPDATED))
            self.refresh()

    def remove(self, rows: Sequence[StoredItem]) -> None:
        """Remove stored rows and their embeddings."""
        if not rows:
            return
        with self._change():
            self._delete(ITEMS, [row.key for row in rows])
            self.refresh()

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
            self._append(QUARANTINE, rows)

    def compact(self, *, full: bool = False) -> None:
        """Merge small files where many have gathered, as every change does, and remove old ones that nobody reads.

        With `full`, all files are merged that are not large yet, and what was removed leaves the disk. The stored data
        does not change.
        """
        with self._change():
            self._tables.compact(full=full)
            self.refresh()  # what was written is counted now, and not by those who open the store

    # --- written by workers -------------------------------------------------------------------------------------------

    @contextmanager
    def receiving(self, width: int) -> Iterator[str]:
        """Let workers write fragments of the table of items in this block; yields where that table is.

        The table is made, without rows, where there is none: `width` is that of its vectors. What workers wrote is in
        the store once `adopt` has named it, and is removed later if it never is.
        """
        with self.writing():
            if self._tables.version(ITEMS) is None:
                empty = stored_table([], np.empty((0, width), np.float32), "", self._places, self.precision)
                self._tables.append(ITEMS, empty)
            with self._tables.receiving(ITEMS) as place:
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
            self._tables.adopt(ITEMS, [fragment.metadata for fragment in fragments])
            self._taken = None
            for fragment in fragments:
                self._counts[contract.modality] += fragment.rows
                self._splits.setdefault(contract.modality, set()).update(fragment.splits)
            self._released({(contract.modality, name) for fragment in fragments for name in fragment.ids})

    # --- checks and tables --------------------------------------------------------------------------------------------

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
        stored_width = self._tables.width(ITEMS)
        other = next((width for width in widths if stored_width not in (None, width)), None)
        if other is not None:
            raise ContractError(
                f"the new vectors have {other} dimensions, but those of {self.path} have {stored_width}; "
                "encode with the same backbone"
            )

    def _write_contract(self, contract: Contract) -> None:
        """Write a contract that the store does not have yet, before the rows that name it."""
        if contract.modality not in self._contracts:
            self._append(CONTRACTS, [{"hash": contract.hash, "json": contract.to_json()}])
            self._contracts[contract.modality] = contract

    def _stored(self, rows: Sequence[StoredItem], vectors: NDArray[np.floating], contract: Contract) -> pyarrow.Table:
        return stored_table(rows, vectors, contract.hash, self._places, self.precision)

    def _release(self, items: Sequence[StoredItem | Quarantined]) -> None:
        """Remove items from quarantine."""
        self._released({(item.modality, item.id) for item in items})

    def _released(self, named: set[tuple[str, str]]) -> None:
        condition = None
        if 0 < len(named) <= AT_ONCE:
            (condition,) = naming("id", [name for _, name in named])
        rows = self._rows(QUARANTINE, ["key", "id", "modality"], condition)
        self._delete(QUARANTINE, [row["key"] for row in rows if (row["modality"], row["id"]) in named])

    def _append(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._tables.append(name, arrow_table(rows, COLUMNS[name]))

    def _delete(self, name: str, keys: Sequence[str]) -> None:
        for condition in naming("key", keys):
            self._tables.delete(name, condition)
