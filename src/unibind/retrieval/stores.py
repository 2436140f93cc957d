"""Searching a store: which of its modalities, without which means, and what the hits tell beside their items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..backbones import Contract
from ..data.embeddings import Embeddings, Vectors
from ..data.store import Store
from ..modalities import check_modality
from .centering import Centering, Searcher
from .gap import gap_sizes
from .hits import Hits
from .index import Index


@dataclass(frozen=True)
class _Searched:
    """What queries of one modality are compared with; see `Hits` for `gaps` and `outside`."""

    index: Index
    gaps: dict[str, float]
    outside: tuple[str, ...]


class StoreSearch:
    """What a search looks at in one store, through the heads of a model: read once, for all its queries.

    Of items with the same content in one modality, the first by id is found. With `center`, the mean of each modality
    is removed from items and queries (see `retrieval.centering`).
    """

    def __init__(
        self, store: Store, model: Searcher, *, modalities: Sequence[str] | None, split: str | None, center: bool
    ) -> None:
        stored = tuple(store.modalities())
        self._store, self._model, self._asked = store, model, bool(modalities)
        self._centering = Centering(model, store) if center else None
        self._parts, self._means = dict[str, Embeddings](), dict[str, Vectors]()
        for modality in [check_modality(m, stored) for m in modalities or stored]:
            part = model.project(store.vectors(modality=modality, split=split).distinct())
            if len(part):
                self._means[modality] = part.vectors.mean(axis=0)
            self._parts[modality] = self._centered(part)
        self._searched: dict[str, _Searched] = {}

    def hits(
        self, queries: Vectors, modality: str, names: Sequence[str], *, k: int, per_modality: int | None
    ) -> list[Hits]:
        """The hits of embedded queries [Q, D] of one modality, with their `names`; raises what `Index.search` raises.

        Unless modalities were asked for, those that cannot be compared with the queries are left out where others can.
        """
        contract = self._model.contract(modality)
        if self._centering is not None:
            queries, contract = self._centering.vectors(queries, modality), self._centering.contract(contract)
        if modality not in self._searched:
            self._searched[modality] = self._comparable(contract)
        searched = self._searched[modality]
        results = []
        for name, hits in zip(
            names, searched.index.search(queries, contract, k, per_modality=per_modality), strict=True
        ):
            result = Hits(hits)
            result.query, result.query_modality = name, modality
            result.gaps, result.outside_anchor_space = searched.gaps, searched.outside
            result.store_version = self._store.version
            results.append(result)
        return results

    def _centered(self, part: Embeddings) -> Embeddings:
        if self._centering is None:
            return part
        vectors = self._centering.vectors(part.vectors, part.modality)
        return replace(part, vectors=vectors, contract=self._centering.contract(part.contract))

    def _comparable(self, contract: Contract) -> _Searched:
        """The modalities in the space of the queries; all of them, which the index refuses by name, if none is."""
        outside = [m for m, e in self._parts.items() if _is_outside(e.contract, contract)]
        if self._asked or len(outside) == len(self._parts):
            outside = []
        parts = {m: e for m, e in self._parts.items() if m not in outside}
        return _Searched(
            Index(parts), gap_sizes({m: mean for m, mean in self._means.items() if m in parts}), tuple(outside)
        )


def _is_outside(indexed: Contract, query: Contract) -> bool:
    return not indexed.shares_space(query) and indexed.shares_anchor(query)
