"""Exact search without an index: every query is compared with every item, a block of the store at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from ..backbones import Contract
from ..data.embeddings import Vectors
from ..data.lance_tables import VECTOR
from ..data.rows import FACTS, VECTOR_SUM
from ..data.store import Store
from ..data.store_means import store_sums
from ..modalities import check_modality
from .best import Best, Candidate, Known
from .centering import Searcher
from .compared import Comparison
from .conditions import Filter
from .facts import facts_table, row_of
from .searchable import Ranking, Row

if TYPE_CHECKING:
    import pyarrow

_COLUMNS = (*FACTS, "modality", VECTOR, VECTOR_SUM)
_SAMPLED = 4096  # items of a modality whose mean after a head is shown


class StreamedItems:
    """The present items of a store as a model compares them, read anew for every search: a `Searchable`.

    Memory does not grow with the store: it is that of a block of items, and of the best of each query. `modalities`
    limits what is read. Raises UnknownNameError for a modality that is not stored, and ContractError where the store is
    of another backbone.
    """

    def __init__(
        self, store: Store, model: Searcher, *, modalities: Sequence[str] | None = None, center: bool = True
    ) -> None:
        self._store, self._model = store, model
        self._comparison = Comparison(model, store, center=center)
        names = store.modalities()
        asked = [check_modality(m, names) for m in modalities or names]
        self._contracts = {m: self._comparison.contract_of(m, store.width) for m in asked}
        self._known = Known()

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """See `Searchable`."""
        return self._contracts

    @property
    def version(self) -> int:
        """See `Searchable`."""
        return self._store.version

    @cached_property
    def means(self) -> Mapping[str, Float32[np.ndarray, " d"]]:
        """See `Searchable`; those after a head are of some items of their modality."""
        return {modality: self._mean(modality) for modality in self._contracts}

    def _mean(self, modality: str) -> Float32[np.ndarray, " d"]:
        if modality not in self._model.heads:
            found = store_sums(self._store)[modality]
            return np.asarray(found.total / found.items, np.float32)
        some = next(self._store.scan(_COLUMNS, modality, size=_SAMPLED))
        plain, _ = self._comparison.items(self._store.sound_vectors(some, modality), modality)
        return np.asarray(plain.mean(axis=0), np.float32)

    def as_compared(self, vectors: Vectors, modality: str) -> tuple[Vectors, Contract]:
        """See `Searchable`."""
        return self._comparison.query(vectors, modality)

    def nearest(self, vectors: Vectors, k: int, *, modality: str, where: Filter | None = None) -> Sequence[Ranking]:
        """See `Searchable`."""
        best = [Best(k) for _ in vectors]
        for table, items in self._blocks(modality, where):
            similarity = vectors @ items.T
            for one, scores in zip(best, similarity, strict=True):
                one.offer(scores, partial(self._candidates, table, items, scores))
        for one in best:
            self._known.note(one.kept)
        return [ranking(one.kept) for one in best]

    def rows(self, keys: Sequence[str]) -> tuple[Sequence[Row], Vectors]:
        """See `Searchable`."""
        return self._known.told(keys, self._store.width, self._fetched)

    def _fetched(self, keys: Sequence[str]) -> Iterator[Candidate]:
        wanted = set(keys)
        for modality in self._contracts:
            for table, items in self._blocks(modality, None):
                named = np.flatnonzero([key in wanted for key in table["key"].to_pylist()])
                yield from self._candidates(table, items, np.zeros(len(items), np.float32), named)

    def _blocks(self, modality: str, where: Filter | None) -> Iterator[tuple[pyarrow.Table, Vectors]]:
        """The kept items of a modality: what is known about them, and their compared vectors [B, D]."""
        for table in self._store.scan(_COLUMNS, modality):
            _, items = self._comparison.items(self._store.sound_vectors(table, modality), modality)
            if where is None:
                yield table, items
                continue
            mask = where.matches(facts_table([row_of(item) for item in self._store.stored_items(table)]))
            if mask.true_count:
                yield table.filter(mask), items[mask.to_numpy(zero_copy_only=False)]

    def _candidates(
        self, table: pyarrow.Table, items: Vectors, scores: Float32[np.ndarray, " b"], rows: NDArray[np.intp]
    ) -> list[Candidate]:
        known = self._store.stored_items(table.select([*FACTS, "modality"]).take(rows))
        return [
            Candidate(row_of(item), item.content, items[row].copy(), float(scores[row]))
            for item, row in zip(known, rows, strict=True)
        ]


def ranking(candidates: Sequence[Candidate]) -> Ranking:
    """Candidates as a searchable returns them."""
    return Ranking([c.row.key for c in candidates], np.array([c.score for c in candidates], np.float32))
