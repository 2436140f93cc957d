"""The stages of the pipeline, each of which runs in workers of a Ray cluster: read, encode, write.

Between them travel Arrow tables of one row per batch, whose columns are bytes: arrays are not pickled.
"""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....backbones import Backbone
from ....errors import ContractError
from ....modalities.limits import Limits
from ...batch_encoding import BatchEncoder
from ...file_facts import FileFacts
from ...loader import Failure, batches, can_be_sent, item_label, load_items
from ...rows import Places, new_row, stored_table
from ...staffing import Staffing
from ...store_entries import NewFragment
from .plan import Task, enter, read_block

if TYPE_CHECKING:
    import pyarrow

BLOCK = "id"  # the column of the numbers of blocks to read

_RETRIED = {  # what lance-ray retries by itself where it writes a whole data set
    "description": "write a fragment",
    "match": ["LanceError(IO)"],
    "max_attempts": 10,
    "max_backoff_s": 32,
}


@dataclass(frozen=True)
class Read:
    """A task whose item was read, and the facts of its file."""

    task: Task
    facts: FileFacts | None


@dataclass(frozen=True)
class Settings:
    """What all workers get: how items are read, and the store that rows are for."""

    folder: Path  # of the blocks
    directory: Path | None
    batch_size: int
    item_timeout: float
    limits: Limits
    in_processes: bool
    store: Path
    table: str  # where fragments are written
    precision: str
    contracts: Mapping[str, str]  # modality -> hash


@dataclass(frozen=True)
class Part:
    """What became of some tasks of one modality.

    `fragment` has the new items at `positions`; `changed` are items whose rows are replaced, with their vectors.
    `read_s` and `encode_s` are what they took altogether.
    """

    modality: str
    positions: NDArray[np.int64]
    fragment: NewFragment | None
    changed: list[tuple[Read, NDArray[np.float32]]]
    failed: list[tuple[Task, Failure]]
    read_s: float
    encode_s: float


# --- reading -------------------------------------------------------------------------------------------------------


class Reader:
    """Reads and preprocesses the items of blocks, in a process beside it that a decoder may crash."""

    def __init__(self, backbone: Backbone, settings: Settings) -> None:
        self._backbone, self._settings = backbone, settings
        self._staffing = Staffing(1 if settings.in_processes and can_be_sent(backbone) else 0)

    def __call__(self, blocks: pyarrow.Table) -> Iterator[pyarrow.Table]:
        """Batches of the blocks with these numbers, one at a time; each has what failed since the one before."""
        settings = self._settings
        enter(settings.directory)
        for block in blocks[BLOCK].to_pylist():
            yield from self._batches(read_block(settings.folder, block))

    def _batches(self, tasks: list[Task]) -> Iterator[pyarrow.Table]:
        settings = self._settings
        named = {task.item.id: task for task in tasks}  # of one modality
        failed: list[tuple[Task, Failure]] = []
        modality = tasks[0].item.modality

        def readable() -> Iterator[tuple[Read, str, torch.Tensor]]:
            for item, result, facts in loading:
                task = replace(named.pop(item.id), item=replace(item, content=None))
                if isinstance(result, Failure):
                    failed.append((task, result))
                else:
                    yield Read(task, facts), modality, result

        how: dict[str, Any] = {"item_timeout": settings.item_timeout, "limits": settings.limits}
        how |= {"workers": self._staffing, "facts": True, "ahead": settings.batch_size}
        with closing(load_items((task.item for task in tasks), self._backbone, **how)) as loading:
            for _, keys, batch in batches(readable(), settings.batch_size):
                yield self._table(modality, keys, batch.numpy(), failed)
                failed.clear()
        if failed:
            yield self._table(modality, [], np.empty(0, np.float32), failed)

    def _table(
        self, modality: str, keys: list[Read], array: NDArray[Any], failed: list[tuple[Task, Failure]]
    ) -> pyarrow.Table:
        seconds = (self._staffing.pace().read_s or 0.0) * len(keys)
        return _row({"modality": modality, "keys": keys, "failed": failed, "read_s": seconds, "encode_s": 0.0}, array)


# --- encoding ------------------------------------------------------------------------------------------------------


class Encoder:
    """Encodes batches; it has a model of its own."""

    def __init__(self, backbone: Backbone, settings: Settings) -> None:
        self._backbone, self._settings = backbone, settings
        self._failed: list[tuple[Task, Failure]] = []
        self._encoder = BatchEncoder[Read](
            backbone,
            name=lambda read: item_label(read.task.item),
            fail=lambda read, failure: self._failed.append((read.task, failure)),
        )

    def __call__(self, rows: pyarrow.Table) -> Iterator[pyarrow.Table]:
        """Vectors in place of the inputs of each batch."""
        for head, array in _rows(rows):
            self._failed = head["failed"]
            started = time.perf_counter()
            keys, vectors = self._encoded(head["modality"], head["keys"], array)
            head |= {"keys": keys, "failed": self._failed, "encode_s": time.perf_counter() - started}
            yield _row(head, vectors)

    def _encoded(self, modality: str, keys: list[Read], array: NDArray[Any]) -> tuple[list[Read], NDArray[np.float32]]:
        if not keys:
            return [], np.empty((0, self._backbone.dim), np.float32)
        self._check_contract(modality)
        parts = list(self._encoder.encode(modality, keys, torch.from_numpy(array.copy())))
        vectors = [np.empty((0, self._backbone.dim), np.float32), *(part for _, part in parts)]
        return [key for kept, _ in parts for key in kept], np.concatenate(vectors)

    def _check_contract(self, modality: str) -> None:
        if self._backbone.contract(modality).hash != self._settings.contracts[modality]:
            raise ContractError(
                f"a host of the Ray cluster has other weights of {self._backbone.name} than the one that started the "
                "run; put the same files on all of them"
            )


# --- writing -------------------------------------------------------------------------------------------------------


def write(rows: pyarrow.Table, settings: Settings) -> pyarrow.Table:
    """Write the new items among encoded batches as fragments, one for each modality; a row is a pickled `Part`."""
    import pyarrow

    enter(settings.directory)
    found = sorted(_rows(rows), key=lambda row: row[0]["modality"])
    parts = [
        pickle.dumps(_part(modality, list(group), settings))
        for modality, group in groupby(found, key=lambda row: row[0]["modality"])
    ]
    return pyarrow.table({"part": pyarrow.array(parts, pyarrow.large_binary())})


def _part(modality: str, found: list[tuple[dict[str, Any], NDArray[Any]]], settings: Settings) -> Part:
    keys: list[Read] = [key for head, _ in found for key in head["keys"]]
    vectors = np.concatenate([array for head, array in found])
    new = np.array([key.task.replaces is None for key in keys], bool)
    changed = [(key, vector) for key, vector, is_new in zip(keys, vectors, new, strict=True) if not is_new]
    added = [key for key, is_new in zip(keys, new, strict=True) if is_new]
    return Part(
        modality,
        np.array([key.task.position for key in added], np.int64),
        _fragment(modality, added, vectors[new], settings) if added else None,
        changed,
        [entry for head, _ in found for entry in head["failed"]],
        sum(head["read_s"] for head, _ in found),
        sum(head["encode_s"] for head, _ in found),
    )


def _fragment(modality: str, keys: list[Read], vectors: NDArray[np.float32], settings: Settings) -> NewFragment:
    from lance_ray import LanceFragmentWriter

    rows = [new_row(key.task.item).with_facts(key.facts) for key in keys]
    table = stored_table(rows, vectors, settings.contracts[modality], Places(settings.store), settings.precision)
    writer = LanceFragmentWriter(settings.table, use_legacy_format=None, retry_params=_RETRIED)
    (written,) = writer(table)["fragment"].to_pylist()
    return NewFragment(
        json.dumps(pickle.loads(written).to_json()),
        len(rows),
        vectors.shape[1],
        [row.id for row in rows],
        frozenset(row.split for row in rows),
    )


# --- rows ----------------------------------------------------------------------------------------------------------


def _row(head: Mapping[str, Any], array: NDArray[Any]) -> pyarrow.Table:
    import pyarrow

    whole = np.ascontiguousarray(array)
    described = pickle.dumps((head, whole.dtype.str, whole.shape))
    data = pyarrow.py_buffer(whole.reshape(-1).view(np.uint8))
    column = pyarrow.LargeBinaryArray.from_buffers(
        pyarrow.large_binary(), 1, [None, pyarrow.py_buffer(np.array([0, data.size], np.int64)), data]
    )
    return pyarrow.table({"head": pyarrow.array([described], pyarrow.large_binary()), "data": column})


def _rows(table: pyarrow.Table) -> Iterator[tuple[dict[str, Any], NDArray[Any]]]:
    for described, data in zip(table["head"], table["data"], strict=True):
        head, dtype, shape = pickle.loads(described.as_buffer())
        yield head, np.frombuffer(data.as_buffer(), np.dtype(dtype)).reshape(shape)
