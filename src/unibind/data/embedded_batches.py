"""Streams of embedded batches: counted as they pass, joined to one per modality, or turned into a result per item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any

import numpy as np

from ..progress import progress_bar
from .encode import EmbeddedBatch
from .inputs import one_or_many

Stream = Callable[..., Iterator[EmbeddedBatch]]  # of items, and of options of how to read them


def counted(batches: Iterable[EmbeddedBatch], progress: Callable[[int], None]) -> Iterator[EmbeddedBatch]:
    """The same batches; `progress` is called with the items of each, once it is done with."""
    for batch in batches:
        yield batch
        progress(len(batch.positions))


def joined_by_modality(batches: Iterable[EmbeddedBatch]) -> Iterator[EmbeddedBatch]:
    """One batch per modality, its items by position; nothing but embeddings and names is kept until then."""
    parts: dict[str, list[EmbeddedBatch]] = {}
    for batch in batches:
        parts.setdefault(batch.modality, []).append(batch)
    for modality, group in parts.items():
        positions = [position for batch in group for position in batch.positions]
        names = [name for batch in group for name in batch.names]
        order = np.argsort(positions)
        vectors = np.concatenate([batch.vectors for batch in group])[order]
        yield EmbeddedBatch([positions[i] for i in order], [names[i] for i in order], modality, vectors)


def results_of_each(
    items: Any,
    activity: str,
    stream: Stream,
    results_of: Callable[[EmbeddedBatch], Sequence[Any]],
    *,
    progress: bool | None,
    failures: Mapping[int, Any] | None = None,
    at_once: bool = False,
    **reading: Any,
) -> Any:
    """One result for one item, or a list in order for many; `failures` fills the positions of unreadable items.

    `reading` is passed on to `stream`. With `at_once`, all embeddings of a modality are one batch.
    """
    single, iterable = one_or_many(items)
    results: dict[int, Any] = {}
    with progress_bar(activity, length(iterable), False if single else progress) as advance:
        batches = counted(stream(iterable, **reading), advance)
        for batch in joined_by_modality(batches) if at_once else batches:
            results.update(zip(batch.positions, results_of(batch), strict=True))
    results.update(failures or {})
    return results[0] if single else [results[i] for i in range(len(results))]


def length(items: Iterable[Any]) -> int | None:
    """The number of items; None for a generator."""
    return len(items) if isinstance(items, Sized) else None
