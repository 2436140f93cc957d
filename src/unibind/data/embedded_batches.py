"""Streams of embedded batches: counted as they pass, or joined to one batch per modality."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from .encode import EmbeddedBatch


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
