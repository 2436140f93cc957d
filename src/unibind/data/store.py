"""The store: embeddings on disk, in a LanceDB database folder.

`store.json` marks the folder. Three tables are created with their first rows: `contracts` (hash -> JSON), `items` (one
row per embedding, with the hash of a contract that is already written) and `quarantine` (items that could not be read).
Every append is one atomic Lance commit, so if a writer is killed at any moment, the store opens with every complete
append and nothing else. One process writes at a time; other open stores see its appends after `refresh`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..backbones.contract import Contract
from ..errors import ContractError, MissingFileError, UnibindError, UnknownNameError
from ..files import OutputKind, check_output, write_whole
from .embeddings import Embeddings, Vectors
from .manifest import Item, check_unique, relative, resolve

if TYPE_CHECKING:
    import pyarrow

Precision = Literal["float16", "float32"]

_MARK, _FORMAT = "store.json", 2
STORE = OutputKind("a store", marks=(_MARK,), resumable=True)
_ITEMS, _CONTRACTS, _QUARANTINE = "items", "contracts", "quarantine"
_KEEP_OLD = timedelta(hours=1)  # files replaced by compaction, for readers that opened the store before
_TEXT_COLUMNS = {
    _ITEMS: ("id", "uri", "modality", "label", "split", "object", "description", "contract"),
    _CONTRACTS: ("hash", "json"),
    _QUARANTINE: ("id", "uri", "modality", "error", "message"),
}


@dataclass(frozen=True)
class Quarantined:
    """An item that could not be read, with the class name and the message of the error."""

    id: str
    uri: str | None
    modality: str
    error: str
    message: str


class Store:
    """An open store; use `Store.create`, `Store.open` or `Store.open_or_create` to get one."""

    def __init__(self, path: Path) -> None:
        import lancedb

        self.path = path
        mark = _read_mark(path)  # before connecting, which would create a missing folder
        self.precision: Precision = mark["precision"]
        # name and options that `create_backbone` needs to build the backbone of the stored items again
        self.backbone: tuple[str, dict[str, Any]] | None = mark.get("backbone") and tuple(mark["backbone"])
        self._database = lancedb.connect(str(path))
        self.refresh()

    def refresh(self) -> None:
        """Read what was appended since the store was opened."""
        rows = self._rows(_ITEMS, ["id", "modality", "contract"])
        texts = {row["hash"]: row["json"] for row in self._rows(_CONTRACTS, ["hash", "json"])}
        self._ids = {row["id"] for row in rows}
        self._counts = Counter(row["modality"] for row in rows)
        used = {row["modality"]: row["contract"] for row in rows}
        self._contracts = {modality: Contract.from_json(texts[name]) for modality, name in used.items()}

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
        write_whole(path / _MARK, json.dumps(_mark(precision)))
        return cls(path)

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Open a store; raises MissingFileError if there is none at `path`."""
        return cls(Path(path))

    @staticmethod
    def is_at(path: str | Path) -> bool:
        """Whether there is a store at `path`."""
        return (Path(path) / _MARK).exists()

    @classmethod
    def open_or_create(cls, path: str | Path, *, precision: Precision = "float32") -> Store:
        """Open the store at `path`, or create it; an existing store keeps its precision."""
        return cls.open(path) if cls.is_at(path) else cls.create(path, precision=precision)

    # --- writing ------------------------------------------------------------------------------------------------------

    def add(self, items: Sequence[Item], vectors: NDArray[np.floating], contract: Contract) -> None:
        """Append items of one modality with their embeddings [N, D] in one commit, and remove them from quarantine.

        Raises ContractError if the store's vectors are not comparable or have another width, and UnibindError for ids
        that are already stored, items of another modality, wrong counts, and values that are not finite.
        """
        self._check(items, vectors, contract)
        if not items:
            return
        if contract.modality not in self._contracts:
            self._append(_CONTRACTS, [{"hash": contract.hash, "json": contract.to_json()}])
        rows = [
            {
                "id": item.id,
                "uri": relative(item.uri, self.path),
                "modality": item.modality,
                "label": item.label,
                "split": item.split,
                "object": item.object,
                "description": item.description or item.text,
                "contract": contract.hash,
            }
            for item in items
        ]
        self._append(_ITEMS, rows, vectors)
        self._ids.update(item.id for item in items)
        self._counts[contract.modality] += len(items)
        self._contracts[contract.modality] = contract
        self._delete(_QUARANTINE, {item.id for item in items} & self._quarantined_ids())

    def note_backbone(self, name: str, options: Mapping[str, Any]) -> None:
        """Record which backbone encoded the items, so that it can be built again from the store alone."""
        if self.backbone != (name, dict(options)):
            self.backbone = name, dict(options)
            write_whole(self.path / _MARK, json.dumps(_mark(self.precision) | {"backbone": self.backbone}))

    def quarantine(self, failed: Iterable[Quarantined]) -> None:
        """Record items that could not be read; a new entry replaces an earlier one with the same id."""
        entries = {entry.id: entry for entry in failed}
        if not entries:
            return
        self._delete(_QUARANTINE, entries.keys() & self._quarantined_ids())
        self._append(_QUARANTINE, [vars(e) | {"uri": relative(e.uri, self.path)} for e in entries.values()])

    def compact(self) -> None:
        """Merge the many small files that appends leave into a few; the stored data does not change.

        The small files are kept for an hour, for readers that opened the store before.
        """
        for name in _TEXT_COLUMNS:
            table = self._table(name)
            if table is not None:
                table.optimize(cleanup_older_than=_KEEP_OLD)

    # --- reading ------------------------------------------------------------------------------------------------------

    def ids(self) -> set[str]:
        """Ids of all stored items."""
        return set(self._ids)

    def non_train_ids(self) -> set[str]:
        """Ids of the items that are not in the split "train": their descriptions must not be learned from."""
        return {row["id"] for row in self._rows(_ITEMS, ["id", "split"]) if row["split"] != "train"}

    def splits(self) -> dict[str, set[str | None]]:
        """The splits that the items of each modality belong to; None for items without a split."""
        splits: dict[str, set[str | None]] = {modality: set() for modality in self.modalities()}
        for row in self._rows(_ITEMS, ["modality", "split"]):
            splits[row["modality"]].add(row["split"])
        return splits

    def __len__(self) -> int:
        return len(self._ids)

    def modalities(self) -> list[str]:
        """Names of the stored modalities, sorted."""
        return sorted(self._counts)

    def counts(self) -> dict[str, int]:
        """Number of items per modality."""
        return dict(self._counts)

    def contracts(self) -> dict[str, Contract]:
        """The contract of each stored modality."""
        return dict(self._contracts)

    def quarantined(self) -> list[dict[str, str | None]]:
        """Items that could not be read, sorted by id: id, uri, modality, error (its class name) and message."""
        rows = self._rows(_QUARANTINE, list(_TEXT_COLUMNS[_QUARANTINE]))
        entries = [row | {"uri": resolve(row["uri"], self.path)} for row in rows if row["id"] not in self._ids]
        return sorted(entries, key=lambda row: str(row["id"]))

    def vectors(self, modality: str | None = None, split: str | None = None) -> Embeddings:
        """Embeddings of one modality and, if given, one split, sorted by id.

        `modality` is required if the store contains several. Raises UnknownNameError for a modality that is not
        stored; a split without items gives no rows.
        """
        known = self.modalities()
        if modality is None and len(known) == 1:
            modality = known[0]
        if modality not in known:
            raise UnknownNameError(f"modality for the store {self.path}:", modality, known)
        condition = f"modality = {_quoted(modality)}" + ("" if split is None else f" AND split = {_quoted(split)}")
        columns = ["id", "label", "uri", "object", "description", "vector"]
        rows = self._table(_ITEMS).search().where(condition).select(columns).to_arrow().combine_chunks()
        rows = rows.take(np.argsort(np.array(rows["id"].to_pylist(), dtype=object), kind="stable"))
        return Embeddings(
            modality,
            rows["id"].to_pylist(),
            rows["label"].to_pylist(),
            _matrix(rows["vector"]),
            self._contracts[modality],
            [resolve(uri, self.path) for uri in rows["uri"].to_pylist()],
            rows["object"].to_pylist(),
            rows["description"].to_pylist(),
        )

    # --- checks and tables --------------------------------------------------------------------------------------------

    def check_contract(self, contract: Contract) -> None:
        """Raise ContractError unless vectors with this contract may be added to the store."""
        for modality, stored in self._contracts.items():
            if modality != contract.modality and stored.shares_anchor(contract):
                continue  # the parts of a composed backbone share a store, whether or not they share a space
            contract.check_comparable(stored, here="the new vectors", there=f"the {modality} vectors of {self.path}")

    def _check(self, items: Sequence[Item], vectors: NDArray[np.floating], contract: Contract) -> None:
        if vectors.ndim != 2 or len(vectors) != len(items):
            raise UnibindError(f"{len(items)} items need vectors [{len(items)}, D], not {list(vectors.shape)}")
        if not np.isfinite(vectors).all():
            raise UnibindError("the vectors contain values that are not finite; leave those items out")
        other_modalities = sorted({item.modality for item in items} - {contract.modality})
        if other_modalities:
            raise UnibindError(
                f"items of the modality {', '.join(other_modalities)} were given with a contract for "
                f"{contract.modality}; add each modality separately"
            )
        check_unique((item.id for item in items), "the items to add")
        stored_id = next((item.id for item in items if item.id in self._ids), None)
        if stored_id is not None:
            raise UnibindError(f"the store {self.path} already contains the item {stored_id!r}; leave it out")
        self.check_contract(contract)
        table = self._table(_ITEMS)
        width = vectors.shape[1] if table is None else table.schema.field("vector").type.list_size
        if vectors.shape[1] != width:
            raise ContractError(
                f"the new vectors have {vectors.shape[1]} dimensions, but those of {self.path} have {width}; "
                "encode with the same backbone"
            )

    def _quarantined_ids(self) -> set[str]:
        return {row["id"] for row in self._rows(_QUARANTINE, ["id"])}

    def _table(self, name: str) -> Any:
        """The LanceDB table; None before its first complete append."""
        try:
            return self._database.open_table(name)
        except ValueError as error:  # also raised for a folder that a killed writer left without a commit
            if "not found" in str(error):
                return None
            raise

    def _rows(self, name: str, columns: list[str]) -> list[dict[str, Any]]:
        table = self._table(name)
        return [] if table is None else table.search().select(columns).to_arrow().to_pylist()

    def _append(
        self, name: str, rows: Sequence[dict[str, str | None]], vectors: NDArray[np.floating] | None = None
    ) -> None:
        data = _arrow(rows, _TEXT_COLUMNS[name], vectors, self.precision)
        table = self._table(name)
        if table is None:
            self._database.create_table(name, data=data)
        else:
            table.add(data)

    def _delete(self, name: str, ids: Collection[str]) -> None:
        if ids:
            self._table(name).delete(f"id IN ({', '.join(map(_quoted, sorted(ids)))})")


def _mark(precision: Precision) -> dict[str, Any]:
    return {"format": _FORMAT, "precision": precision}


def _read_mark(path: Path) -> dict[str, Any]:
    if not (path / _MARK).is_file():
        raise MissingFileError(f"{path} is not a store (it has no {_MARK}); create one with `unibind encode`")
    try:
        mark: dict[str, Any] = json.loads((path / _MARK).read_text())
        version, _ = mark["format"], mark["precision"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnibindError(f"{path / _MARK} is damaged; encode into a new store") from error
    if version != _FORMAT:
        raise UnibindError(
            f"the store {path} has format {version}, but this version of unibind reads {_FORMAT}; encode again"
        )
    return mark


def _quoted(text: str) -> str:
    """A string literal in LanceDB's SQL."""
    return "'" + text.replace("'", "''") + "'"


def _arrow(
    rows: Sequence[dict[str, str | None]],
    columns: Sequence[str],
    vectors: NDArray[np.floating] | None,
    precision: Precision,
) -> pyarrow.Table:
    import pyarrow

    cells = {name: pyarrow.array([row[name] for row in rows], pyarrow.string()) for name in columns}
    if vectors is not None:
        numbers = pyarrow.array(np.ascontiguousarray(vectors, precision).reshape(-1))
        cells["vector"] = pyarrow.FixedSizeListArray.from_arrays(numbers, vectors.shape[1])
    return pyarrow.table(cells)


def _matrix(column: pyarrow.ChunkedArray) -> Vectors:
    """A column of fixed-size lists as float32 vectors [N, D]."""
    width = column.type.list_size
    flat = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate([np.empty(0, np.float32), *flat]).astype(np.float32).reshape(-1, width)
