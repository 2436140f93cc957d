"""The means of a store's modalities, kept in its folder for the version of the items that they were learned from."""

from __future__ import annotations

import numpy as np

from ..centering import Mean
from .store import Store

_TRAIN = "train"


def store_means(store: Store) -> dict[str, Mean]:
    """The mean of each stored modality: of its training items, or of all items where it has none."""
    splits = store.splits()
    return {m: _mean(store, m, _TRAIN if _TRAIN in splits[m] else None) for m in store.modalities()}


def _mean(store: Store, modality: str, split: str | None) -> Mean:
    total, items = 0.0, 0
    for _, vectors in store.batches(modality, split)[1]:
        total, items = total + vectors.sum(axis=0, dtype=np.float64), items + len(vectors)
    return Mean.of_sum(np.asarray(total), items)
