"""Cross-modal retrieval: an index over stored embeddings, searched by vectors of any modality.

Modalities occupy different cones of one space (the modality gap), so in a mixed index a query's own modality, and
whichever lies nearest, crowds out the rest. The correction learns each modality's mean on the index and removes it
from both sides, after Liang et al. 2022 (arXiv 2203.02053).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .backbones import Contract
from .data.embeddings import BLOCK, Embeddings, Vectors, unit
from .data.store import Store
from .errors import UnibindError
from .modalities import check_modality
from .modalities.reading import read
from .modalities.text import Text

_COLUMNS, _CELL = 5, 256  # of a picture of results: cells per row, their height in pixels


@dataclass(frozen=True)
class Hit:
    """One search result: cosine `score` (gap-corrected where the index is) and the stored item."""

    rank: int
    score: float
    id: str
    modality: str
    uri: str | None
    label: str | None
    text: str | None


class Hits(list[Hit]):
    """The results of one query, best first.

    `query_modality` is the query's; `gaps` maps each searched modality to the distance of its mean from the others',
    before correction; `outside_anchor_space` lists the stored modalities that could not be compared with the query.
    """

    query_modality: str = ""
    gaps: Mapping[str, float] = {}
    outside_anchor_space: tuple[str, ...] = ()

    def save_png(self, path: str | Path) -> None:
        """Write a picture of the results: one cell per hit, captioned by rank, label and score."""
        from .modalities.pictures import grid, picture, save_png

        pictures = [picture(read(h.uri, h.modality) if h.uri else Text(h.text or h.id), _CELL) for h in self]
        captions = [f"{h.rank}. {h.label or h.id} ({h.score:.2f}, {h.modality})" for h in self]
        save_png(grid(pictures, min(_COLUMNS, len(self)), captions), path)


class Index:
    """A searchable set of embeddings of one or several modalities.

    `embeddings` maps each modality to its stored embeddings (vectors [N, D], unit length). With `correct_gap` the mean
    of every modality in the index is removed from its vectors; a query's modality must then be in the index or in
    `query_means` (means [D] learned elsewhere), else the query is only normalized.
    """

    def __init__(
        self,
        embeddings: Mapping[str, Embeddings],
        *,
        correct_gap: bool = False,
        query_means: Mapping[str, Vectors] | None = None,
    ) -> None:
        self.parts = {m: e for m, e in embeddings.items() if len(e.ids)}
        if not self.parts:
            raise UnibindError("there is nothing to search: the index is empty; encode some items first")
        contracts = [e.contract for e in self.parts.values()]
        for other in contracts[1:]:
            contracts[0].check_comparable(other, here="some of the index", there="the rest")
        self.contracts: dict[str, Contract] = {m: e.contract for m, e in self.parts.items()}
        self.means: dict[str, Vectors] = {}
        if correct_gap:
            self.means = {m: e.vectors.mean(axis=0) for m, e in self.parts.items()} | dict(query_means or {})
        self._modality = [m for m, e in self.parts.items() for _ in e.ids]
        self._row = [i for e in self.parts.values() for i in range(len(e.ids))]
        self._vectors = np.concatenate([self._corrected(m, e.vectors) for m, e in self.parts.items()])

    def __len__(self) -> int:
        return len(self._vectors)

    def _corrected(self, modality: str, vectors: Vectors) -> Vectors:
        return unit(vectors - self.means[modality]) if modality in self.means else vectors

    def gaps(self) -> dict[str, float]:
        """Distance of each modality's mean from the mean of the others' means, before any correction."""
        means = {m: e.vectors.mean(axis=0) for m, e in self.parts.items()}
        if len(means) < 2:
            return {}
        return {
            m: float(np.linalg.norm(mean - np.mean([v for n, v in means.items() if n != m], axis=0)))
            for m, mean in means.items()
        }

    def search(self, queries: Vectors, contract: Contract, k: int = 10) -> list[list[Hit]]:
        """The k nearest items of every query [Q, D], best first; exact, equal scores in index order.

        Raises ContractError where queries and index are not comparable.
        """
        if k < 1:
            raise UnibindError(f"the number of results must be at least 1, not {k}")
        for modality, indexed in self.contracts.items():
            contract.check_comparable(indexed, here="the query", there=f"the index's {modality} part")
        k = min(k, len(self))
        corrected = self._corrected(contract.modality, queries)
        step = max(1, BLOCK // len(self))
        results = []
        for start in range(0, len(corrected), step):
            similarity = corrected[start : start + step] @ self._vectors.T
            results += [self._hits(row, _largest(row, k)) for row in similarity]
        return results

    def _hits(self, similarity: Vectors, order: NDArray[np.intp]) -> list[Hit]:
        hits = []
        for rank, i in enumerate(order, start=1):
            part, row = self.parts[self._modality[i]], self._row[i]
            hits.append(
                Hit(
                    rank,
                    float(similarity[i]),
                    part.ids[row],
                    self._modality[i],
                    part.uris[row],
                    part.labels[row],
                    part.descriptions[row],
                )
            )
        return hits


def _largest(row: Vectors, k: int) -> NDArray[np.intp]:
    """Positions of the k largest numbers [N], largest first, equal ones in order; only k of them are sorted."""
    threshold = np.partition(row, len(row) - k)[len(row) - k]
    candidates = np.flatnonzero(row >= threshold)
    return candidates[np.argsort(-row[candidates], kind="stable")][:k]


def search_store(
    store: Store,
    queries: Vectors,
    contract: Contract,
    *,
    project: Callable[[Embeddings], Embeddings],
    modalities: Sequence[str] | None,
    split: str | None,
    k: int,
    correct_gap: bool,
) -> list[Hits]:
    """Search a store by embedded queries [Q, D] of one contract; `project` applies a model's heads.

    Without `modalities`, those that cannot be compared with the query are left out where others can. Of items with the
    same content in one modality, the first by id is found.
    """
    stored = tuple(store.modalities())
    names = [check_modality(m, stored) for m in modalities or stored]
    parts = {m: project(store.vectors(modality=m, split=split).distinct()) for m in names}
    outside = [
        m for m, e in parts.items() if not e.contract.shares_space(contract) and e.contract.shares_anchor(contract)
    ]
    if modalities or len(outside) == len(parts):
        outside = []  # the index refuses them by name
    parts = {m: e for m, e in parts.items() if m not in outside}
    means = {}
    query_modality = contract.modality
    if query_modality in stored and query_modality not in names:  # the gap is removed from both sides
        means[query_modality] = project(store.vectors(modality=query_modality)).vectors.mean(axis=0)
    index = Index(parts, correct_gap=correct_gap, query_means=means)
    gaps, results = index.gaps(), []
    for hits in index.search(queries, contract, k):
        result = Hits(hits)
        result.query_modality, result.gaps, result.outside_anchor_space = query_modality, gaps, tuple(outside)
        results.append(result)
    return results
