"""Unlabeled items of several modalities: what a classifier that was never fitted may learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..backbones import Backbone
from ..centering import Mean
from .embeddings import Vectors
from .encode import embed_stream, raise_failure
from .opening import open_store
from .store import Store
from .store_means import store_sums

UnlabeledSource = Store | str | Path | Iterable[Any]


@dataclass(frozen=True, eq=False)
class Unlabeled:
    """The mean of each modality's items, and `read`, which gives their embeddings in batches [B, D]."""

    means: Mapping[str, Mean]
    read: Callable[[str], Iterable[Vectors]]

    def samples(self, modality: str) -> Iterator[Vectors] | None:
        """The centered embeddings of a modality's items in batches [B, D]; None where there are none."""
        mean = self.means.get(modality)
        return None if mean is None else (mean(batch) for batch in self.read(modality))


def store_of(source: UnlabeledSource | None) -> Store | None:
    """The store that a source is or names; None where it is a list of items.

    Raises MissingFileError where it names a folder without one.
    """
    return open_store(source) if isinstance(source, Store | str | Path) else None


def read_unlabeled(source: UnlabeledSource, backbone: Backbone) -> Unlabeled:
    """What a store has, or a list of items of any kind that `UniBind.embed` takes.

    Of a store these are the training items of each modality, or all where it has none. Memory does not grow with it.
    Raises ContractError for a store of another backbone, and what readers raise for an item.
    """
    if isinstance(source, Store | str | Path):
        return _of_store(open_store(source), backbone)
    found: dict[str, list[Vectors]] = {}
    for batch in embed_stream(source, backbone, on_failure=raise_failure):
        found.setdefault(batch.modality, []).append(batch.vectors)
    return Unlabeled({m: Mean.of(np.concatenate(batches)) for m, batches in found.items()}, found.__getitem__)


def _of_store(store: Store, backbone: Backbone) -> Unlabeled:
    for modality, contract in store.contracts().items():
        if modality in backbone.modalities:
            backbone.contract(modality).check_comparable(
                contract, here="the backbone's vectors", there=f"those of {store.path}"
            )
    sums = {m: found for m, found in store_sums(store).items() if m in backbone.modalities}
    return Unlabeled(
        {m: found.mean() for m, found in sums.items()},
        lambda modality: store.vector_batches(modality, sums[modality].split),
    )
