"""Encoding: items to embeddings, into a store (resumable), into an array, or as a stream of batches."""

from __future__ import annotations

import functools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypedDict, Unpack, cast

import numpy as np
from torch import Tensor

from ..backbones import Backbone
from ..backbones._shared.towers import check_offered
from ..errors import UnibindError
from ..modalities import check_modality
from ..modalities.limits import Limits
from .batch_encoding import encode_batch
from .changes import compare
from .duplicates import DuplicateReport, find_duplicates
from .embeddings import Vectors
from .file_facts import FileFacts
from .inputs import loadable_items
from .intake import IntakeReport
from .loader import ITEM_TIMEOUT_S, TIMED_OUT, Failure, RawItem, batches, can_be_sent, item_label, load_items
from .manifest import Item
from .rows import MISSING, StoredItem
from .store import Quarantined, Store
from .unreadable import Stamps, failed_as_they_are

# A commit costs Lance a new version and file: one for so many items, or after so many seconds.
_COMMIT_ITEMS, _COMMIT_S = 512, 20.0
_MOST_TIMED_OUT = 10  # in a row: then it is the drive and not the files


# --- into a store --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EncodeSummary:
    """What a run did, in numbers of items.

    `encoded`: new ones. `replaced`: encoded again, because their content changed. `updated`: labels or other facts
    changed, nothing was encoded. `unchanged`: stored as they are. `quarantined`: could not be read. `missing`: all
    stored items whose files are gone. `not_retried`: items of the quarantine whose files have not changed. `left_out`:
    items of modalities that the backbone lacks, by modality. `duplicates`: items with the same content. `seconds`: the
    duration of the run. `intake` says what was left out of the source before.
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
    intake: IntakeReport = field(default_factory=IntakeReport)

    @property
    def message(self) -> str:
        """The numbers in one line for people."""
        names = ("encoded", "replaced", "updated", "unchanged", "missing", "quarantined")
        line = ", ".join(f"{getattr(self, name)} {name}" for name in names)
        return f"{line}, {self.not_retried} not tried again" if self.not_retried else line


_P = ParamSpec("_P")
_Encode = Callable[Concatenate[Sequence[Item], Backbone, Store, _P], EncodeSummary]


def _one_at_a_time(encode: _Encode[_P]) -> _Encode[_P]:
    """Keep other processes from writing to the store meanwhile: they would encode the same items."""

    @functools.wraps(encode)
    def locked(items: Sequence[Item], backbone: Backbone, store: Store, *args: _P.args, **options: _P.kwargs) -> Any:
        with store.writing():
            return encode(items, backbone, store, *args, **options)

    return cast("_Encode[_P]", locked)


@_one_at_a_time
def encode_items(
    items: Sequence[Item],
    backbone: Backbone,
    store: Store,
    *,
    folders: Sequence[Path] = (),
    batch_size: int = 64,
    workers: int | None = None,
    item_timeout: float = ITEM_TIMEOUT_S,
    retry_quarantine: bool = False,
    limits: Limits | None = None,
    progress: Callable[[int], None] | None = None,
) -> EncodeSummary:
    """Bring a store up to date with these items; stopped at any moment, the next call continues.

    New items and items whose content changed are encoded; the labels and other facts of the rest are updated, and files
    that are gone are marked (see `data.changes`, also for `folders`, those that were listed). Items that cannot be
    read, or whose embedding is not finite, go to the store's quarantine; they are tried again when their files have
    changed, or with `retry_quarantine`. What is ready is written every 20 s, whatever the rest waits for.

    `workers` processes read and preprocess (None: one, if there are files and the backbone can be pickled; 0: this
    process does, and a decoder that crashes ends the run). An item that is not read within `item_timeout` seconds is
    quarantined as `TimedOut`, and one that kills its worker as `WorkerDied`. `progress` is called with the number of
    items just done. Raises ContractError before anything is read where the store was made by another backbone,
    UnknownNameError where it lacks the modalities of all items, and UnibindError for an item listed twice, for a store
    that another process is writing, and where many items in a row time out.
    """
    if batch_size < 1 or (workers or 0) < 0 or not item_timeout > 0:
        given = f"{batch_size}, {workers} and {item_timeout}"
        raise UnibindError(f"batch_size must be at least 1, workers 0 and item_timeout more than 0, not {given}")
    started = time.monotonic()
    store.refresh()
    counts = Counter(item.modality for item in items)
    left_out = {modality: count for modality, count in counts.items() if modality not in backbone.modalities}
    for modality in sorted(counts.keys() - left_out.keys()) or sorted(left_out):
        store.check_contract(backbone.contract(check_modality(modality, backbone.modalities)))
    changes = compare(items, store.rows(), folders)
    store.note_backbone(backbone.name, backbone.options)
    store.update(changes.updated + changes.touched)
    report = progress or (lambda _: None)
    held = set() if retry_quarantine else failed_as_they_are(store)
    new = [item for item, _ in changes.encode if item.modality not in left_out]
    todo = [item for item in new if (item.modality, item.id) not in held]
    todo.sort(key=lambda item: backbone.modalities.index(item.modality))
    report(len(items) - len(todo))
    count = int(any(item.uri for item in todo) and can_be_sent(backbone)) if workers is None else workers
    writer = _Writer(backbone, store, {(i.modality, i.id): row for i, row in changes.encode if row is not None})

    def readable() -> Iterator[tuple[Item, str, Tensor]]:
        loading = load_items(
            todo, backbone, workers=count, limits=limits or Limits(), item_timeout=item_timeout, facts=True
        )
        with closing(loading) as loaded:
            for item, result, facts in loaded:
                if isinstance(result, Failure):
                    writer.fail(item, result)
                    report(1)
                else:
                    writer.note(item, facts)
                    yield item, item.modality, result

    try:
        with closing(batches(readable(), batch_size)) as ready:
            for modality, group, batch in ready:
                for encoded, vectors in encode_batch(
                    backbone, modality, group, batch, name=item_label, fail=writer.fail
                ):
                    writer.add(encoded, vectors)
                report(len(group))
    finally:
        writer.close()
    if writer.encoded or writer.replaced or changes.updated or changes.touched:
        store.compact()
    return EncodeSummary(
        writer.encoded,
        writer.replaced,
        len(changes.updated),
        changes.unchanged,
        store.missing(),
        writer.failed,
        find_duplicates(store),
        time.monotonic() - started,
        len(new) - len(todo),
        left_out,
    )


class _Writer:
    """Collects rows of one modality and commits them now and then; `stored` are the rows to replace.

    A thread commits what is due also while this one waits for a slow item or encodes a large batch.
    """

    def __init__(self, backbone: Backbone, store: Store, stored: Mapping[tuple[str, str], StoredItem]) -> None:
        self.encoded = self.replaced = self.failed = 0
        self._backbone, self._store, self._stored = backbone, store, stored
        self._facts: dict[tuple[str, str], FileFacts | None] = {}  # of items that are not written yet
        self._ready: list[tuple[Sequence[Item], Vectors]] = []
        self._failed: list[Quarantined] = []
        self._timed_out = 0  # items in a row
        self._stamps = Stamps()
        self._committed = time.monotonic()
        self._lock, self._closed = threading.RLock(), threading.Event()
        self._error: Exception | None = None  # of the thread
        self._timer = threading.Thread(target=self._commit_in_time, daemon=True)
        self._timer.start()

    def note(self, item: Item, facts: FileFacts | None) -> None:
        """Keep the facts of an item's file until it is written."""
        self._timed_out = 0
        self._facts[item.modality, item.id] = facts

    def add(self, items: Sequence[Item], vectors: Vectors) -> None:
        with self._lock:
            if self._ready and self._ready[0][0][0].modality != items[0].modality:
                self.commit()
            self._ready.append((items, vectors))
            self._commit_if_due()

    def fail(self, item: Item, why: Failure) -> None:
        stamp = self._stamps.of(item.uri)
        entry = Quarantined(item.id, item.uri, item.modality, why.error, why.message, *(stamp or (None, None)))
        with self._lock:
            self._failed.append(entry)
            self._commit_if_due()
        self._timed_out = self._timed_out + 1 if why.error == TIMED_OUT else 0
        if self._timed_out == _MOST_TIMED_OUT:
            raise UnibindError(
                f"{self._timed_out} items in a row could not be read in time, the last one {item_label(item)}; check "
                "their drive, then run the command again with --retry-quarantine (retry_quarantine=True)"
            )

    def commit(self) -> None:
        """Write what is ready; raises what went wrong in the thread."""
        with self._lock:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            ready, failed = self._ready, self._failed
            self._ready, self._failed = [], []  # first: an interrupt below must not write them twice
            if ready:
                self._write([item for items, _ in ready for item in items], np.concatenate([v for _, v in ready]))
            self._quarantine(failed)
            self._committed = time.monotonic()

    def close(self) -> None:
        """Write the rest."""
        self._closed.set()
        self._stamps.close()
        self.commit()

    def _commit_if_due(self) -> None:
        waiting = max(sum(len(items) for items, _ in self._ready), len(self._failed))
        if self._error or waiting >= _COMMIT_ITEMS or (waiting and time.monotonic() - self._committed > _COMMIT_S):
            self.commit()

    def _commit_in_time(self) -> None:
        while not self._closed.wait(_COMMIT_S / 10):
            with self._lock:
                try:
                    if not self._closed.is_set():
                        self._commit_if_due()
                except Exception as error:
                    self._error = error
                    return

    def _write(self, items: Sequence[Item], vectors: Vectors) -> None:
        contract = self._backbone.contract(items[0].modality)
        facts = [self._facts.pop((item.modality, item.id), None) for item in items]
        rows = [self._stored.get((item.modality, item.id)) for item in items]
        old = np.array([row is not None for row in rows])
        changed = [row.with_facts(found) for row, found in zip(rows, facts, strict=True) if row is not None]
        new = list(compress(items, ~old))
        self._store.replace(changed, vectors[old], contract)
        self._store.add(new, vectors[~old], contract, list(compress(facts, ~old)))
        self.replaced += len(changed)
        self.encoded += len(new)

    def _quarantine(self, failed: Sequence[Quarantined]) -> None:
        """Record what failed; where a stored item did, the content that was encoded is gone."""
        stored = (self._stored.get((entry.modality, entry.id)) for entry in failed)
        self._store.update([replace(row, state=MISSING) for row in stored if row is not None])
        self._store.quarantine(failed)
        self.failed += len(failed)


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
    with closing(batches(loaded(), batch_size)) as ready:
        for kind, positions, batch in ready:
            encoded = encode_batch(backbone, kind, positions, batch, name=names.__getitem__, fail=fail)
            for kept, vectors in encoded:
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
