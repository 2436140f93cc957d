"""Cross-modal retrieval: an index over stored embeddings, searched by vectors of any modality.

Modalities occupy different cones of one space (the modality gap), so in a mixed index a query's own modality, and
whichever lies nearest, crowds out the rest. The correction learns each modality's mean on the index and removes it
from both sides, after Liang et al. 2022 (arXiv 2203.02053).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .backbones.contract import Contract
from .data.embeddings import BLOCK, Embeddings, Vectors, unit
from .errors import UnibindError


@dataclass(frozen=True)
class Hit:
    """One search result: cosine `score` (gap-corrected where the index says so) and what was found."""

    rank: int
    score: float
    id: str
    modality: str
    uri: str | None
    label: str | None
    text: str | None


class Index:
    """A searchable set of embeddings of one or several modalities.

    `embeddings` maps modality to what is stored of it (vectors [N, D], unit length). With `correct_gap` the mean of
    every modality in the index is removed from its vectors; a query's modality must then be in the index or in
    `query_means` (means [D] learned elsewhere), else only its length is normalized.
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
        for modality, mine in self.contracts.items():
            contract.check_comparable(mine, here="the query", there=f"the index's {modality} part")
        k = min(k, len(self))
        corrected = self._corrected(contract.modality, queries)
        step = max(1, BLOCK // len(self))
        found = []
        for start in range(0, len(corrected), step):
            similarity = corrected[start : start + step] @ self._vectors.T
            nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
            found += [self._hits(row, order) for row, order in zip(similarity, nearest, strict=True)]
        return found

    def _hits(self, similarity: Vectors, order: Sequence[int] | NDArray[np.intp]) -> list[Hit]:
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
