"""The store: embeddings on disk, in a LanceDB database folder.

`store.json` marks the folder. Three tables come with their first rows: `contracts` (hash -> JSON), `items` (one row
an embedding, naming a contract that was written before) and `quarantine` (items that could not be read). Every append
is one atomic Lance commit, so whenever a writer is killed, the store opens with all that was appended and nothing
half. One process writes at a time; what it appends is seen by stores opened or
refreshed afterwards.
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
from ..files import write_whole
from .embeddings import Embeddings
from .manifest import Item, check_unique, relative, resolve

if TYPE_CHECKING:
    import pyarrow

Precision = Literal["float16", "float32"]

_MARK, _FORMAT = "store.json", 1
_ITEMS, _CONTRACTS, _QUARANTINE = "items", "contracts", "quarantine"
_KEEP_OLD = timedelta(hours=1)
_TEXT_COLUMNS = {
    _ITEMS: ("id", "uri", "modality", "label", "split", "object", "description", "contract"),
    _CONTRACTS: ("hash", "json"),
    _QUARANTINE: ("id", "uri", "modality", "error", "message"),
}


@dataclass(frozen=True)
class Quarantined:
    """An item that could not be read, with the class and message of the error."""

    id: str
    uri: str | None
    modality: str
    error: str
    message: str


class Store:
    """An open store; made by `Store.create`, `Store.open` or `Store.open_or_create`."""

    def __init__(self, path: Path) -> None:
        import lancedb

        self.path = path
        mark = _read_mark(path)  # first, for connecting makes a folder where there is none
        self.precision: Precision = mark["precision"]
        # name and options for `create_backbone`, of the backbone that encoded the items
        self.backbone: tuple[str, dict[str, Any]] | None = mark.get("backbone") and tuple(mark["backbone"])
        self._database = lancedb.connect(str(path))
        self.refresh()

    def refresh(self) -> None:
        """Take notice of what was appended since the store was opened."""
        rows = self._rows(_ITEMS, ["id", "modality", "contract"])
        texts = {row["hash"]: row["json"] for row in self._rows(_CONTRACTS, ["hash", "json"])}
        self._ids = {row["id"] for row in rows}
        self._counts = Counter(row["modality"] for row in rows)
        used = {row["modality"]: row["contract"] for row in rows}
        self._contracts = {modality: Contract.from_json(texts[name]) for modality, name in used.items()}

    # --- opening ------------------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | Path, *, precision: Precision = "float32") -> Store:
        """Make an empty store, its folder included; raises UnibindError where one is there already."""
        path = Path(path)
        if cls.is_at(path):
            raise UnibindError(f"{path} is a store already; open it, or name another folder")
        if precision not in ("float16", "float32"):
            raise UnknownNameError("precision", precision, ("float16", "float32"))
        if path.exists() and not path.is_dir():
            raise UnibindError(f"{path} is a file; name a folder for the store")
        write_whole(path / _MARK, json.dumps(_mark(precision)))
        return cls(path)

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Open a store; raises MissingFileError where there is none."""
        return cls(Path(path))

    @staticmethod
    def is_at(path: str | Path) -> bool:
        """Whether there is a store at `path`."""
        return (Path(path) / _MARK).exists()

    @classmethod
    def open_or_create(cls, path: str | Path, *, precision: Precision = "float32") -> Store:
        """Open the store at `path`, made first where there is none; an existing one keeps its precision."""
        return cls.open(path) if cls.is_at(path) else cls.create(path, precision=precision)

    # --- writing ------------------------------------------------------------------------------------------------------

    def add(self, items: Sequence[Item], vectors: NDArray[np.floating], contract: Contract) -> None:
        """Append items of one modality with their embeddings [N, D] in one commit; they leave the quarantine.

        Raises ContractError where the store's vectors are not comparable or of another width, and UnibindError for
        ids that are there already, other modalities, wrong counts and numbers that are not finite.
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
        """Note by which backbone the items are encoded, so that it can be made again without being named."""
        if self.backbone != (name, dict(options)):
            self.backbone = name, dict(options)
            write_whole(self.path / _MARK, json.dumps(_mark(self.precision) | {"backbone": self.backbone}))

    def quarantine(self, failed: Iterable[Quarantined]) -> None:
        """Record items that could not be read; a newer entry replaces an older one of the same id."""
        entries = {entry.id: entry for entry in failed}
        if not entries:
            return
        self._delete(_QUARANTINE, entries.keys() & self._quarantined_ids())
        self._append(_QUARANTINE, [vars(e) | {"uri": relative(e.uri, self.path)} for e in entries.values()])

    def compact(self) -> None:
        """Merge the many small files that appends leave into few; nothing that is stored changes.

        The small files stay for an hour, for readers that began before.
        """
        for name in _TEXT_COLUMNS:
            table = self._table(name)
            if table is not None:
                table.optimize(cleanup_older_than=_KEEP_OLD)

    # --- reading ------------------------------------------------------------------------------------------------------

    def ids(self) -> set[str]:
        """Ids of everything stored."""
        return set(self._ids)

    def held_out(self) -> set[str]:
        """Ids of what is stored of other splits than "train": nothing may be learned from descriptions of those."""
        return {row["id"] for row in self._rows(_ITEMS, ["id", "split"]) if row["split"] != "train"}

    def __len__(self) -> int:
        return len(self._ids)

    def modalities(self) -> list[str]:
        """Modalities stored, by name."""
        return sorted(self._counts)

    def counts(self) -> dict[str, int]:
        """Number of items of each modality."""
        return dict(self._counts)

    def contracts(self) -> dict[str, Contract]:
        """The contract of each modality stored."""
        return dict(self._contracts)

    def quarantined(self) -> list[dict[str, str | None]]:
        """Items that could not be read: id, uri, modality, error (its class) and message, by id."""
        rows = self._rows(_QUARANTINE, list(_TEXT_COLUMNS[_QUARANTINE]))
        left = [row | {"uri": resolve(row["uri"], self.path)} for row in rows if row["id"] not in self._ids]
        return sorted(left, key=lambda row: str(row["id"]))

    def vectors(self, modality: str | None = None, split: str | None = None) -> Embeddings:
        """Embeddings of one modality (needed where the store holds several) and, if given, of one split, by id.

        Raises UnknownNameError for a modality that is not stored; a split without items gives no rows.
        """
        known = self.modalities()
        if modality is None and len(known) == 1:
            modality = known[0]
        if modality not in known:
            raise UnknownNameError(f"modality for the store {self.path}:", modality, known)
        wanted = f"modality = {_quoted(modality)}" + ("" if split is None else f" AND split = {_quoted(split)}")
        names = ["id", "label", "uri", "object", "description", "vector"]
        found = self._table(_ITEMS).search().where(wanted).select(names).to_arrow().combine_chunks()
        found = found.take(np.argsort(np.array(found["id"].to_pylist(), dtype=object), kind="stable"))
        return Embeddings(
            modality,
            found["id"].to_pylist(),
            found["label"].to_pylist(),
            _matrix(found["vector"]),
            self._contracts[modality],
            [resolve(uri, self.path) for uri in found["uri"].to_pylist()],
            found["object"].to_pylist(),
            found["description"].to_pylist(),
        )

    # --- checks and tables --------------------------------------------------------------------------------------------

    def check_contract(self, contract: Contract) -> None:
        """Raise ContractError unless vectors of this contract may join the store."""
        for modality, mine in self._contracts.items():
            if modality != contract.modality and mine.shares_anchor(contract):
                continue  # the parts of a composed backbone share a store, whether or not they share a space
            contract.check_comparable(mine, here="the new vectors", there=f"the {modality} vectors of {self.path}")

    def _check(self, items: Sequence[Item], vectors: NDArray[np.floating], contract: Contract) -> None:
        if vectors.ndim != 2 or len(vectors) != len(items):
            raise UnibindError(f"{len(items)} items need vectors [{len(items)}, D], not {list(vectors.shape)}")
        if not np.isfinite(vectors).all():
            raise UnibindError("the vectors hold numbers that are not finite; leave those items out")
        strangers = sorted({item.modality for item in items} - {contract.modality})
        if strangers:
            raise UnibindError(f"items of {', '.join(strangers)} came with a contract for {contract.modality}")
        check_unique((item.id for item in items), "the items to add")
        there = next((item.id for item in items if item.id in self._ids), None)
        if there is not None:
            raise UnibindError(f"the store {self.path} has an item {there!r} already; leave it out")
        self.check_contract(contract)
        table = self._table(_ITEMS)
        width = vectors.shape[1] if table is None else table.schema.field("vector").type.list_size
        if vectors.shape[1] != width:
            raise ContractError(f"the new vectors have {vectors.shape[1]} numbers, those of {self.path} {width}")

    def _quarantined_ids(self) -> set[str]:
        return {row["id"] for row in self._rows(_QUARANTINE, ["id"])}

    def _table(self, name: str) -> Any:
        """The LanceDB table; None before its first append, whole or not."""
        try:
            return self._database.open_table(name)
        except ValueError as error:  # also for a folder that a killed writer left without a commit
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
        raise MissingFileError(f"there is no store at {path} (it has no {_MARK}); make one with `unibind encode`")
    try:
        mark: dict[str, Any] = json.loads((path / _MARK).read_text())
        version, _ = mark["format"], mark["precision"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnibindError(f"{path / _MARK} is damaged; encode into a new store") from error
    if version != _FORMAT:
        raise UnibindError(f"the store {path} has format {version}, this unibind reads {_FORMAT}; encode again")
    return mark


def _quoted(text: str) -> str:
    """A string literal of LanceDB's SQL."""
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


def _matrix(column: pyarrow.ChunkedArray) -> NDArray[np.float32]:
    """A column of fixed size lists as float32 [N, D]."""
    width = column.type.list_size
    flat = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate([np.empty(0, np.float32), *flat]).astype(np.float32).reshape(-1, width)
