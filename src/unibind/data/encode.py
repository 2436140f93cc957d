"""Encoding: items to embeddings, into a store (resumable) or into an array."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
from torch import Tensor

from ..backbones import Backbone
from ..errors import UnibindError
from ..modalities import check_modality
from ..modalities.limits import Limits
from ..modalities.reading import read
from ..modalities.spec import Raw
from .embeddings import Vectors
from .loader import Failure, batches, load_items
from .manifest import Item, check_unique
from .store import Quarantined, Store

# A commit costs Lance a new version and file: none more often than this many items or seconds.
_COMMIT_ITEMS, _COMMIT_S = 512, 20.0


# --- into a store --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EncodeSummary:
    """What a run did: items newly encoded, already there, and unreadable; how long it took."""

    encoded: int
    skipped: int
    quarantined: int
    seconds: float


def encode(
    items: Sequence[Item],
    backbone: Backbone,
    store: Store,
    *,
    batch_size: int = 64,
    workers: int = 0,
    limits: Limits | None = None,
    progress: Callable[[int], None] | None = None,
) -> EncodeSummary:
    """Encode what is not in the store yet; stopped at any moment, the next call goes on there.

    Items that cannot be read, or whose embedding is not finite, go to the store's quarantine and are tried again
    next time. `workers` processes read and preprocess (0: this one does; then a decoder that crashes takes the run
    with it). `progress` is called with the number of items just done. Raises ContractError before anything is read
    where the store was made by another backbone, and UnknownNameError for a modality the backbone lacks.
    """
    if batch_size < 1 or workers < 0:
        raise UnibindError(f"batch_size must be at least 1 and workers 0, not {batch_size} and {workers}")
    started = time.monotonic()
    check_unique((item.id for item in items), "the items to encode")
    store.refresh()
    for modality in sorted({item.modality for item in items}):
        store.check_contract(backbone.contract(check_modality(modality, backbone.modalities)))
    store.note_backbone(backbone.name, backbone.options)
    there = store.ids()
    todo = sorted((i for i in items if i.id not in there), key=lambda i: backbone.modalities.index(i.modality))
    report = progress or (lambda _: None)
    report(len(items) - len(todo))

    writer = _Writer(backbone, store)

    def readable() -> Iterator[tuple[Item, str, Tensor]]:
        with closing(load_items(todo, backbone, workers=workers, limits=limits or Limits())) as loaded:
            for item, result in loaded:
                if isinstance(result, Failure):
                    writer.fail(item, result)
                    report(1)
                else:
                    yield item, item.modality, result

    try:
        with closing(batches(readable(), batch_size)) as ready:
            for modality, group, batch in ready:
                writer.add(group, backbone.encode(modality, batch).numpy())
                report(len(group))
    finally:
        writer.commit()
    if writer.encoded:
        store.compact()
    return EncodeSummary(writer.encoded, len(items) - len(todo), writer.failed, time.monotonic() - started)


class _Writer:
    """Gathers rows of one modality and commits them now and then."""

    def __init__(self, backbone: Backbone, store: Store) -> None:
        self.encoded = self.failed = 0
        self._backbone, self._store = backbone, store
        self._items: list[Item] = []
        self._vectors: list[Vectors] = []
        self._failed: list[Quarantined] = []
        self._committed = time.monotonic()

    def add(self, items: Sequence[Item], vectors: Vectors) -> None:
        if self._items and self._items[0].modality != items[0].modality:
            self.commit()
        finite = np.asarray(np.isfinite(vectors).all(axis=1))
        self._items += compress(items, finite)
        self._vectors.append(vectors[finite])
        for item in compress(items, ~finite):
            self.fail(
                item, Failure("NotFinite", f"the embedding of {item.uri or item.id} is not finite; check the file")
            )
        self._commit_if_due()

    def fail(self, item: Item, why: Failure) -> None:
        self._failed.append(Quarantined(item.id, item.uri, item.modality, why.error, why.message))
        self._commit_if_due()

    def _commit_if_due(self) -> None:
        waiting = max(len(self._items), len(self._failed))
        if waiting >= _COMMIT_ITEMS or time.monotonic() - self._committed > _COMMIT_S:
            self.commit()

    def commit(self) -> None:
        items, vectors, failed = self._items, self._vectors, self._failed
        self._items, self._vectors, self._failed = [], [], []  # first: an interrupt below must not write them twice
        if items:
            self._store.add(items, np.concatenate(vectors), self._backbone.contract(items[0].modality))
        self._store.quarantine(failed)
        self.encoded += len(items)
        self.failed += len(failed)
        self._committed = time.monotonic()


# --- into an array -------------------------------------------------------------------------------------------------


def raw_items(items: Sequence[str | Path | bytes | Raw], modality: str | None = None) -> list[Raw]:
    """Decode items as `unibind.read` does, what is decoded already excepted; raises what it raises."""
    return [_raw(item, modality) for item in items]


def _raw(item: str | Path | bytes | Raw, modality: str | None) -> Raw:
    return item if isinstance(item, Raw) else read(item, modality)


def embed(
    items: Sequence[str | Path | bytes | Raw],
    backbone: Backbone,
    *,
    modality: str | None = None,
    batch_size: int = 64,
) -> Vectors:
    """Embed items of one or mixed modalities, in order: float32 [N, dim], unit length.

    Items are decoded as by `unibind.read`: a str is a path, or a text where `modality` is "text" and it names no
    .txt file. Each is dropped as soon as it is preprocessed. Raises what readers raise for the first unreadable item,
    and UnknownNameError for a modality the backbone lacks.
    """

    def preprocessed() -> Iterator[tuple[int, str, Tensor]]:
        for i, item in enumerate(items):
            raw = _raw(item, modality)
            check_modality(raw.modality, backbone.modalities)
            yield i, raw.modality, backbone.preprocess(raw.modality, raw)

    out = np.empty((len(items), backbone.dim), np.float32)
    for kind, rows, batch in batches(preprocessed(), batch_size):
        out[rows] = backbone.encode(kind, batch).numpy()
    return out
