"""The items of a view: a `Searchable` that looks at few of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from ...backbones import Contract
from ...data.embeddings import Vectors
from ...data.rows import matrix
from ...data.store import Store
from ...modalities import check_modality
from ..best import Candidate, Known, ordered, ranking
from ..compared import Comparison
from ..conditions import Filter
from ..searchable import Ranking, Row
from .record import ViewRecord
from .rows import OF_HIT, unpacked_rows
from .table import ViewTable, of_modality

if TYPE_CHECKING:
    import pyarrow


class ViewItems:
    """The present items of a store in the view of a model, found by its vector index, if it has one.

    Which items are candidates may be approximate; their scores are exact.
    """

    def __init__(self, store: Store, comparison: Comparison, record: ViewRecord, table: ViewTable) -> None:
        self.record = record
        self._store, self._comparison, self._table = store, comparison, table
        self._contracts = {m: c for m, c in record.contracts.items() if m in store.modalities()}
        self._known, self._width = Known(), store.width

    def only(self, modalities: Sequence[str] | None) -> ViewItems:
        """The same with these modalities alone (None: all); raises UnknownNameError for one that is not stored."""
        if modalities is None:
            return self
        part = ViewItems(self._store, self._comparison, self.record, self._table)
        part._contracts = {m: self._contracts[check_modality(m, tuple(self._contracts))] for m in modalities}
        return part

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """See `Searchable`."""
        return self._contracts

    @cached_property
    def means(self) -> Mapping[str, Float32[np.ndarray, " d"]]:
        """See `Searchable`; those of when the view was built."""
        return {m: self.record.averages[m].vector for m in self._contracts}

    @property
    def version(self) -> int:
        """See `Searchable`."""
        return self._store.version

    def as_compared(self, vectors: Vectors, modality: str) -> tuple[Vectors, Contract]:
        """See `Searchable`."""
        return self._comparison.query(vectors, modality)

    def nearest(self, vectors: Vectors, k: int, *, modality: str, where: Filter | None = None) -> Sequence[Ranking]:
        """See `Searchable`."""
        share = self._store.counts()[modality] / len(self._store) if where is None else None
        ask = functools.partial(self._found, k=k, condition=self._condition(modality, where), share=share)
        found = []
        for vector in vectors:
            # what a filter keeps may be far from any query
            candidates = ask(vector, thorough=False) if where is None else []
            if not candidates or self._is_far(candidates[0], vector, modality):
                candidates = ask(vector, thorough=True)
            found.append(ranking(candidates))
        return found

    def _is_far(self, best: Candidate, query: Float32[np.ndarray, " d"], modality: str) -> bool:
        """Whether a query lacks a neighbor as near as the items of this modality usually have."""
        if self.record.index is None:
            return False
        return best.score < self.record.usual.get(modality, np.inf) * float(np.linalg.norm(query))

    def matching(self, words: str, k: int, *, modality: str, where: Filter | None = None) -> Ranking:
        """See `Searchable`."""
        return Ranking(*self._table.matching(words, k, self._condition(modality, where)))

    def rows(self, keys: Sequence[str]) -> tuple[Sequence[Row], Vectors]:
        """See `Searchable`."""
        return self._known.rows(keys, self._width, self._fetched)

    def _fetched(self, keys: Sequence[str]) -> list[Candidate]:
        return self._candidates(self._table.rows(keys, OF_HIT), np.zeros(self._width, np.float32))

    def _condition(self, modality: str, where: Filter | None) -> Filter | None:
        """What rows must meet; None where all do."""
        of = of_modality(modality, self.record.contracts)
        return where if of is None else of if where is None else of & where

    def _found(
        self,
        vector: Float32[np.ndarray, " d"],
        *,
        k: int,
        condition: Filter | None,
        share: float | None,
        thorough: bool,
    ) -> list[Candidate]:
        table = self._table.nearest(vector, k, OF_HIT, self.record.index, condition, share, thorough=thorough)
        found = ordered(self._candidates(table, vector))
        self._known.note(found)
        return found

    def _candidates(self, table: pyarrow.Table, query: Float32[np.ndarray, " d"]) -> list[Candidate]:
        vectors = matrix(table["vector"]).astype(np.float32, copy=False)
        known = zip(unpacked_rows(self._store, table), vectors, vectors @ query, strict=True)
        return [Candidate(row, vector, float(score)) for row, vector, score in known]
