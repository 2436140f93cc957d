"""Items in memory, searched exactly: a `Searchable` of a store whose vectors fit there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from ..backbones import Contract
from ..data.embeddings import BLOCK, Embeddings, Vectors
from ..data.rows import StoredItem
from ..data.store import Store
from ..data.stored_text import stored
from ..modalities import check_modality
from .centering import Centering, Searcher
from .filters import COLUMNS, Filter
from .searchable import Ranking, Row
from .words import PlainWords, searched_words

if TYPE_CHECKING:
    import pyarrow


class HeldItems:
    """The present items of a store through the heads of a model, and without means where they are centered.

    `modalities` limits what is read; raises UnknownNameError for one that is not stored, and ContractError where the
    store is of another backbone.
    """

    def __init__(
        self, store: Store, model: Searcher, *, modalities: Sequence[str] | None = None, center: bool = True
    ) -> None:
        self.version = store.version
        self._model, self._centering = model, Centering(model, store) if center else None
        names = store.modalities()
        self._parts = {check_modality(m, names): self._read(store, m) for m in modalities or names}
        self._places = {row.key: (m, i) for m, part in self._parts.items() for i, row in enumerate(part.rows)}

    def _read(self, store: Store, modality: str) -> _Part:
        _, batches = store.batches(modality)
        items, blocks = [], []
        for rows, vectors in batches:
            items += rows
            blocks.append(vectors)
        order = np.array(sorted(range(len(items)), key=lambda i: items[i].id), np.intp)
        plain = self._model.project(_embeddings(store, modality, np.concatenate(blocks)[order]))
        vectors, contract = plain.vectors, plain.contract
        if self._centering is not None:
            vectors, contract = self._centering.vectors(vectors, modality), self._centering.contract(contract)
        return _Part([_row(items[i]) for i in order], vectors, contract, plain.vectors.mean(axis=0))

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """See `Searchable`."""
        return {m: part.contract for m, part in self._parts.items()}

    @property
    def means(self) -> Mapping[str, Float32[np.ndarray, " d"]]:
        """See `Searchable`."""
        return {m: part.mean for m, part in self._parts.items()}

    def as_compared(self, vectors: Vectors, modality: str) -> tuple[Vectors, Contract]:
        """See `Searchable`."""
        contract = self._model.contract(modality)
        if self._centering is None:
            return vectors, contract
        return self._centering.vectors(vectors, modality), self._centering.contract(contract)

    def nearest(self, vectors: Vectors, k: int, *, modality: str, where: Filter | None = None) -> Sequence[Ranking]:
        """See `Searchable`."""
        part = self._parts[modality]
        kept = part.kept(where)
        searched = part.vectors if where is None else part.vectors[kept]
        step = max(1, BLOCK // max(1, len(searched)))
        blocks = (vectors[start : start + step] @ searched.T for start in range(0, len(vectors), step))
        return [part.ranking(row, kept, _largest(row, k)) for block in blocks for row in block]

    def matching(self, words: str, k: int, *, modality: str, where: Filter | None = None) -> Ranking:
        """See `Searchable`."""
        part = self._parts[modality]
        kept = part.kept(where)
        scores = self._words.scores(words)[self._starts[modality] :][: len(part.rows)][kept]
        best = _largest(scores, k)
        return part.ranking(scores, kept, best[scores[best] > 0])

    def rows(self, keys: Sequence[str]) -> tuple[Sequence[Row], Vectors]:
        """See `Searchable`."""
        places = [self._places[key] for key in keys]
        vectors = [self._parts[m].vectors[i] for m, i in places]
        return [self._parts[m].rows[i] for m, i in places], np.array(vectors, np.float32)

    @cached_property
    def _words(self) -> PlainWords:
        return PlainWords([searched_words(r.label, r.text) for part in self._parts.values() for r in part.rows])

    @cached_property
    def _starts(self) -> dict[str, int]:
        """The place of each modality's first item among all."""
        counts = [len(part.rows) for part in self._parts.values()]
        return dict(zip(self._parts, np.cumsum([0, *counts])[:-1].tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class _Part:
    """The items of one modality, sorted by id."""

    rows: list[Row]
    vectors: Vectors
    contract: Contract
    mean: Float32[np.ndarray, " d"]

    @cached_property
    def table(self) -> pyarrow.Table:
        """What filters look at."""
        import pyarrow

        kinds = {"text": pyarrow.string(), "number": pyarrow.float64()}
        cells = [asdict(row) for row in self.rows]
        return pyarrow.table(
            {
                name: pyarrow.array([stored(c[name]) if kind == "text" else c[name] for c in cells], kinds[kind])
                for name, kind in COLUMNS.items()
            }
        )

    def kept(self, where: Filter | None) -> NDArray[np.intp]:
        """The rows that a filter keeps."""
        if where is None:
            return np.arange(len(self.rows))
        return np.flatnonzero(where.matches(self.table).to_numpy(zero_copy_only=False))

    def ranking(self, scores: Float32[np.ndarray, " n"], kept: NDArray[np.intp], best: NDArray[np.intp]) -> Ranking:
        """The best of the kept rows, whose scores these are."""
        return Ranking([self.rows[kept[i]].key for i in best], scores[best])


def _row(item: StoredItem) -> Row:
    return Row(
        item.key,
        item.id,
        item.modality,
        item.uri,
        item.label,
        item.split,
        item.object,
        item.description,
        content=item.content,
    )


def _embeddings(store: Store, modality: str, vectors: Vectors) -> Embeddings:
    """Vectors as the heads of a model take them, which look at nothing else."""
    nothing: list[str | None] = [None] * len(vectors)
    return Embeddings(
        modality, [""] * len(vectors), nothing, vectors, store.contracts()[modality], nothing, nothing, nothing, nothing
    )


def _largest(row: Float32[np.ndarray, " n"], k: int) -> NDArray[np.intp]:
    """Positions of the k largest numbers [N] (of all, if they are fewer), largest first, equal ones in order.

    Only k of them are sorted.
    """
    k = min(k, len(row))
    if not k:
        return np.zeros(0, np.intp)
    threshold = np.partition(row, len(row) - k)[len(row) - k]
    candidates = np.flatnonzero(row >= threshold)
    return candidates[np.argsort(-row[candidates], kind="stable")][:k]
