"""Exact search without an index: every query is compared with every item, a block of the store at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from ..data.store_means import whole_sums
from ..data.stored_text import cells
from ..modalities import check_modality
from .best import Best, Candidate, Known, ranking
from .centering import Searcher
from .compared import Comparison
from .conditions import Filter
from .facts import facts_table, row_of
from .searchable import Ranking, Row
from .words import PlainWords, searched_words

if TYPE_CHECKING:
    import pyarrow

_KNOWN = (*FACTS, "modality")
_SAMPLED = 4096  # items of a modality whose mean after a head is shown
_KEPT_BYTES = 1 << 27  # of compared vectors: so many are kept for the next query


class StreamedItems:
    """The present items of a store as a model compares them, read for every search: a `Searchable`.

    Memory does not grow with a large store: it is that of a block of items, and of the best of each query; a small one
    is read once. Words are held in memory where they are searched. `modalities` limits what is read. Raises
    UnknownNameError for a modality that is not stored, and ContractError where the store is of another backbone.
    """

    def __init__(
        self, store: Store, model: Searcher, *, modalities: Sequence[str] | None = None, center: bool = True
    ) -> None:
        self._store, self._model = store, model
        self._comparison = Comparison(model, store, center=center)
        names = store.modalities()
        asked = [check_modality(m, names) for m in modalities or names]
        self._width, self._known = store.width, Known()
        self._contracts = {m: self._comparison.contract_of(m, self._width) for m in asked}
        self._kept: dict[str, list[_Block]] = {}
        items = sum(store.counts()[modality] for modality in asked)
        self._is_small = items * self._width * np.dtype(np.float32).itemsize <= _KEPT_BYTES

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
        found = None if modality in self._model.heads else whole_sums(self._store).get(modality)
        if found is not None:
            return np.asarray(found.total / found.items, np.float32)
        some = next(self._store.scan([VECTOR, VECTOR_SUM], modality, size=_SAMPLED))
        plain, _ = self._comparison.items(self._store.sound_vectors(some, modality), modality)
        return np.asarray(plain.mean(axis=0), np.float32)

    def as_compared(self, vectors: Vectors, modality: str) -> tuple[Vectors, Contract]:
        """See `Searchable`."""
        return self._comparison.query(vectors, modality)

    def nearest(self, vectors: Vectors, k: int, *, modality: str, where: Filter | None = None) -> Sequence[Ranking]:
        """See `Searchable`."""
        best = [Best(k) for _ in vectors]
        for block in self._blocks(modality):
            kept = block.where(where)
            for one, scores in zip(best, vectors @ kept.items.T, strict=True):
                one.offer(scores, partial(kept.candidates, scores))
        for one in best:
            self._known.note(one.kept)
        return [ranking(one.kept) for one in best]

    def matching(self, words: str, k: int, *, modality: str, where: Filter | None = None) -> Ranking:
        """See `Searchable`."""
        scores = dict(zip(self._words[0], self._words[1].scores(words).tolist(), strict=True))
        best = Best(k)
        for block in self._blocks(modality):
            kept = block.where(where)
            found = np.array([scores[key] for key in kept.keys], np.float32)
            having = kept.at(np.flatnonzero(found > 0))
            best.offer(found[found > 0], partial(having.candidates, found[found > 0]))
        self._known.note(best.kept)
        return ranking(best.kept)

    def rows(self, keys: Sequence[str]) -> tuple[Sequence[Row], Vectors]:
        """See `Searchable`."""
        return self._known.rows(keys, self._width, self._fetched)

    def _fetched(self, keys: Sequence[str]) -> Iterator[Candidate]:
        wanted = set(keys)
        for modality in self._contracts:
            for block in self._blocks(modality):
                named = np.flatnonzero([key in wanted for key in block.keys])
                yield from block.candidates(np.zeros(len(block.items), np.float32), named)

    def _blocks(self, modality: str) -> Iterator[_Block]:
        """The items of a modality; those of a small store are read once."""
        if not self._is_small:
            yield from self._read(modality)
            return
        if modality not in self._kept:
            self._kept[modality] = list(self._read(modality))
        yield from self._kept[modality]

    def _read(self, modality: str) -> Iterator[_Block]:
        for table in self._store.scan([*_KNOWN, VECTOR, VECTOR_SUM], modality):
            _, items = self._comparison.items(self._store.sound_vectors(table, modality), modality)
            yield _Block(self._store, table.select(_KNOWN), items)

    @cached_property
    def _words(self) -> tuple[list[str], PlainWords]:
        """The keys of all items, and their words."""
        keys, texts = list[str](), list[str]()
        for modality in self._contracts:
            for table in self._store.scan(["key", "label", "description"], modality):
                keys += cells(table["key"])
                texts += map(searched_words, cells(table["label"]), cells(table["description"]))
        return keys, PlainWords(texts)


@dataclass(frozen=True, eq=False)
class _Block:
    """Some items of a modality: what the store knows of them, and their compared vectors `items` [B, D]."""

    store: Store
    known: pyarrow.Table
    items: Vectors

    @property
    def keys(self) -> list[str]:
        return cells(self.known["key"])

    @cached_property
    def _facts(self) -> pyarrow.Table:
        return facts_table([row_of(item) for item in self.store.stored_items(self.known)], self.known["uri"])

    def where(self, condition: Filter | None) -> _Block:
        """The items that a filter keeps."""
        if condition is None:
            return self
        return self.at(np.flatnonzero(condition.matches(self._facts).to_numpy(zero_copy_only=False)))

    def at(self, rows: NDArray[np.intp]) -> _Block:
        """These rows."""
        return _Block(self.store, self.known.take(rows), self.items[rows])

    def candidates(self, scores: Float32[np.ndarray, " b"], rows: NDArray[np.intp]) -> list[Candidate]:
        """These rows, with their scores."""
        known = self.store.stored_items(self.known.take(rows))
        return [
            Candidate(row_of(item), self.items[row].copy(), float(scores[row]))
            for item, row in zip(known, rows, strict=True)
        ]
