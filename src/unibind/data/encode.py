"""Encoding: items to embeddings, into a store (resumable), into an array, or as a stream of batches."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypedDict, TypeVar, Unpack, cast

import numpy as np
from torch import Tensor

from ..backbones import Backbone
from ..backbones._shared.towers import check_offered
from ..errors import UnibindError
from ..modalities import check_modality
from ..modalities.limits import Limits
from .batch_encoding import BatchEncoder
from .changes import Comparison
from .duplicates import DuplicateReport, find_duplicates
from .embeddings import Vectors
from .engines import LOCAL, Job, find_engine
from .inputs import loadable_items
from .intake import IntakeReport, Manifest
from .item_table import table_of
from .loader import ITEM_TIMEOUT_S, Failure, RawItem, batches, can_be_sent, load_items
from .manifest import Item
from .staffing import Pace
from .store import Store
from .store_writer import StoreWriter
from .unreadable import failed_as_they_are

_ROWS_AT_ONCE = 1024  # of the store, that are read
_UPDATED_AT_ONCE = 8192  # rows, in one commit


# --- into a store --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EncodeSummary:
    """What a run did, in numbers of items.

    `encoded`: new ones. `replaced`: encoded again, because their content changed. `updated`: labels or other facts
    changed, nothing was encoded. `unchanged`: stored as they are. `quarantined`: could not be read. `missing`: all
    stored items whose files are gone. `not_retried`: items of the quarantine whose files have not changed. `left_out`:
    items of modalities that the backbone lacks, by modality. `duplicates`: items with the same content. `seconds`: the
    duration of the run, and `pace` what its parts took. `intake` says what was left out of the source before.
    """

    encoded: int
    replaced: int
    updated: int
    unchanged: int
    missing: int
    quarantined: int
    duplicates: DuplicateReport
    seconds: float
    not_retried: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    pace: Pace = field(default_factory=lambda: Pace(0))
    intake: IntakeReport = field(default_factory=IntakeReport)

    @property
    def message(self) -> str:
        """The numbers in one line for people."""
        names = ("encoded", "replaced", "updated", "unchanged", "missing", "quarantined")
        line = ", ".join(f"{getattr(self, name)} {name}" for name in names)
        return f"{line}, {self.not_retried} not tried again" if self.not_retried else line


_P = ParamSpec("_P")
_Encode = Callable[Concatenate[Iterable[Item], Backbone, Store, _P], EncodeSummary]


def _one_at_a_time(encode: _Encode[_P]) -> _Encode[_P]:
    """Keep other processes from writing to the store meanwhile: they would encode the same items."""

    @functools.wraps(encode)
    def locked(items: Iterable[Item], backbone: Backbone, store: Store, *args: _P.args, **options: _P.kwargs) -> Any:
        with store.writing():
            return encode(items, backbone, store, *args, **options)

    return cast("_Encode[_P]", locked)


@_one_at_a_time
def encode_items(
    items: Iterable[Item],
    backbone: Backbone,
    store: Store,
    *,
    folders: Sequence[Path] = (),
    batch_size: int = 64,
    workers: int | None = None,
    item_timeout: float = ITEM_TIMEOUT_S,
    retry_quarantine: bool = False,
    limits: Limits | None = None,
    engine: str = LOCAL,
    progress: Callable[[int], None] | None = None,
) -> EncodeSummary:
    """Bring a store up to date with these items; stopped at any moment, the next call continues.

    New items and items whose content changed are encoded; the labels and other facts of the rest are updated, and files
    that are gone are marked (see `data.changes`, also for `folders`, those that were listed). Items that cannot be
    read, or whose embedding is not finite, go to the store's quarantine; they are tried again when their files have
    changed, or with `retry_quarantine`. The first items that are ready are written at once, so that a disk that
    cannot be written is noticed early; what is ready later is written every 20 s, whatever the rest waits for.

    Nothing is kept of all items: they are compared with the store in tables on the disk, read ahead of the encoder in
    bounded numbers, and written by a thread of its own. A batch that does not fit in memory is encoded in parts (see
    `data.batch_encoding`).

    `workers` processes read and preprocess (None: as many as keep the encoder busy, see `data.staffing`, if there are
    files and the backbone can be pickled; 0: this process does, and a decoder that crashes ends the run). An item that
    is not read within `item_timeout` seconds is quarantined as `TimedOut`, and one that kills its worker as
    `WorkerDied`. `engine` is a name in `data.engines`: "ray" reads and encodes on the Ray cluster that RAY_ADDRESS
    names, or on one that it starts on this machine; the store is the same. `progress` is called with the number of
    items just done. Raises ContractError before anything is read where the store was made by another backbone,
    UnknownNameError where it lacks the modalities of all items, and UnibindError for an item listed twice, for a store
    that another process is writing, and where many items in a row time out.
    """
    if batch_size < 1 or (workers or 0) < 0 or not item_timeout > 0:
        given = f"{batch_size}, {workers} and {item_timeout}"
        raise UnibindError(f"batch_size must be at least 1, workers 0 and item_timeout more than 0, not {given}")
    started, chosen = time.monotonic(), find_engine(engine)
    store.refresh()
    table = items.table if isinstance(items, Manifest) else table_of(items)
    counts = table.counts()
    left_out = {modality: count for modality, count in counts.items() if modality not in backbone.modalities}
    for modality in sorted(counts.keys() - left_out.keys()) or sorted(left_out):
        store.check_contract(backbone.contract(check_modality(modality, backbone.modalities)))
    changes = Comparison(
        table,
        store.row_batches(size=_ROWS_AT_ONCE),
        folders,
        modalities=backbone.modalities,
        held=() if retry_quarantine else failed_as_they_are(store),
    )
    store.note_backbone(backbone.name, backbone.options)
    for rows in _blocks(changes.to_write(), _UPDATED_AT_ONCE):
        store.update(rows)
    report = progress or (lambda _: None)
    report(len(table) - changes.to_encode)
    if workers is None and not (table.has_files and can_be_sent(backbone)):
        workers = 0
    writer = StoreWriter(backbone, store)
    job = Job(changes, backbone, store, writer, workers, batch_size, item_timeout, limits or Limits(), report)
    try:
        pace = chosen.run(job)
    finally:
        writer.close()
    if writer.encoded or writer.replaced or changes.updated or changes.touched:
        store.compact()
    return EncodeSummary(
        writer.encoded,
        writer.replaced,
        changes.updated,
        changes.unchanged,
        store.missing(),
        writer.failed,
        find_duplicates(store),
        time.monotonic() - started,
        changes.not_retried,
        left_out,
        pace,
    )


_T = TypeVar("_T")


def _blocks(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    remaining = iter(values)
    while block := list(islice(remaining, size)):
        yield block


# --- into memory ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class EmbeddedBatch:
    """Embeddings of some of the items: their positions, names, one modality, and `vectors` float32 [B, D]."""

    positions: list[int]
    names: list[str]
    modality: str
    vectors: Vectors


OnFailure = Callable[[int, str, Failure], None]  # (position, name, why)


class ReadOptions(TypedDict, total=False):
    """How items are read and batched, wherever items are taken.

    `modality`: what bytes and file objects are, and files whose names do not tell it. `batch_size`: items per batch
    (64). `workers`: processes that read and preprocess files (0, the default: this process does). `item_timeout`: the
    seconds after which an item fails (60). `limits`: the largest input.
    """

    modality: str | None
    batch_size: int
    workers: int
    item_timeout: float
    limits: Limits | None


def embed_stream(
    items: Iterable[Any],
    backbone: Backbone,
    *,
    on_failure: OnFailure,
    modality: str | None = None,
    batch_size: int = 64,
    workers: int = 0,
    item_timeout: float = ITEM_TIMEOUT_S,
    limits: Limits | None = None,
) -> Iterator[EmbeddedBatch]:
    """Embed items of any kind that `data.inputs` lists, batch by batch, in bounded memory.

    Batches have one modality each, so they come in an order of their own. `on_failure(position, name, failure)` is
    called for an item that cannot be read or whose modality the backbone lacks.
    """
    limits = limits or Limits()

    def loadable() -> Iterator[Item | RawItem]:
        for position, (name, item) in enumerate(loadable_items(items, modality, limits)):
            names[position] = name
            if not isinstance(item, Failure):
                try:
                    check_offered(item.modality, backbone)
                except UnibindError as error:
                    item = Failure.of(error)
            if isinstance(item, Failure):
                on_failure(position, names.pop(position), item)
            else:
                yield item

    def loaded() -> Iterator[tuple[int, str, Tensor]]:
        loading = load_items(loadable(), backbone, workers=workers, limits=limits, item_timeout=item_timeout)
        with closing(loading) as results:
            for item, result, _ in results:
                if isinstance(result, Failure):
                    fail(int(item.id), result)
                else:
                    yield int(item.id), item.modality, result

    def fail(position: int, failure: Failure) -> None:
        on_failure(position, names.pop(position), failure)

    names: dict[int, str] = {}
    encoder = BatchEncoder(backbone, name=names.__getitem__, fail=fail)
    with closing(batches(loaded(), batch_size)) as ready:
        for kind, positions, batch in ready:
            for kept, vectors in encoder.encode(kind, positions, batch):
                yield EmbeddedBatch(kept, [names.pop(i) for i in kept], kind, vectors)


def raise_failure(position: int, name: str, failure: Failure) -> None:
    """For `on_failure` where the first failure ends the call."""
    raise failure.as_error()


def embed(
    items: Iterable[Any],
    backbone: Backbone,
    *,
    progress: Callable[[int], None] | None = None,
    **reading: Unpack[ReadOptions],
) -> Vectors:
    """Embed items of one or mixed modalities, in order: float32 [N, dim], unit length.

    Each item is dropped as soon as it is preprocessed. Raises what readers raise for the first unreadable item, and
    UnknownNameError for a modality the backbone lacks.
    """
    return in_order(embed_stream(items, backbone, on_failure=raise_failure, **reading), backbone.dim, progress)


def in_order(stream: Iterable[EmbeddedBatch], dim: int, progress: Callable[[int], None] | None = None) -> Vectors:
    """The vectors of all batches by position, float32 [N, dim]."""
    positions: list[int] = []
    parts = [np.empty((0, dim), np.float32)]
    for batch in stream:
        positions += batch.positions
        parts.append(batch.vectors)
        if progress is not None:
            progress(len(batch.positions))
    return np.concatenate(parts)[np.argsort(np.array(positions, np.intp), kind="stable")]
