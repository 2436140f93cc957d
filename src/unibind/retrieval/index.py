"""The index: embeddings of one or several modalities, searched exactly."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..backbones import Contract
from ..data.embeddings import BLOCK, Embeddings, Vectors
from ..errors import UnibindError
from .hits import Hit


class Index:
    """A searchable set of embeddings of one or several modalities.

    `embeddings` maps each modality to its stored embeddings (vectors [N, D], unit length), which are compared as they
    are: where they are centered, which their contracts say, queries must be, too.
    """

    def __init__(self, embeddings: Mapping[str, Embeddings]) -> None:
        self.parts = {m: e for m, e in embeddings.items() if len(e.ids)}
        if not self.parts:
            raise UnibindError("there is nothing to search: the index is empty; encode some items first")
        contracts = [e.contract for e in self.parts.values()]
        for other in contracts[1:]:
            contracts[0].check_comparable(other, here="some of the index", there="the rest")
        self.contracts: dict[str, Contract] = {m: e.contract for m, e in self.parts.items()}
        self._modality = [m for m, e in self.parts.items() for _ in e.ids]
        self._row = [i for e in self.parts.values() for i in range(len(e.ids))]
        self._vectors = np.concatenate([e.vectors for e in self.parts.values()])

    def __len__(self) -> int:
        return len(self._vectors)

    def search(
        self, queries: Vectors, contract: Contract, k: int = 10, *, per_modality: int | None = None
    ) -> list[list[Hit]]:
        """The k nearest items of every query [Q, D], best first; exact, equal scores in index order.

        `per_modality` is the most items of one modality among them (None: all of them). Raises ContractError where
        queries and index are not comparable.
        """
        for name, number in (("results", k), ("results per modality", per_modality)):
            if number is not None and number < 1:
                raise UnibindError(f"the number of {name} must be at least 1, not {number}")
        for modality, indexed in self.contracts.items():
            contract.check_comparable(indexed, here="the query", there=f"the index's {modality} part")
        step = max(1, BLOCK // len(self))
        results = []
        for start in range(0, len(queries), step):
            similarity = queries[start : start + step] @ self._vectors.T
            results += [self._hits(row, self._nearest(row, k, per_modality)) for row in similarity]
        return results

    def _nearest(self, similarity: Vectors, k: int, per_modality: int | None) -> NDArray[np.intp]:
        """Rows of the index, nearest first: k of them, or fewer where few modalities may give `per_modality` each."""
        if per_modality is None:
            return _largest(similarity, k)
        starts = np.cumsum([0, *(len(e) for e in self.parts.values())])
        allowed = np.sort(np.concatenate([a + _largest(similarity[a:b], per_modality) for a, b in pairwise(starts)]))
        return allowed[_largest(similarity[allowed], k)]

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
    """Positions of the k largest numbers [N] (of all, if they are fewer), largest first, equal ones in order.

    Only k of them are sorted.
    """
    k = min(k, len(row))
    threshold = np.partition(row, len(row) - k)[len(row) - k]
    candidates = np.flatnonzero(row >= threshold)
    return candidates[np.argsort(-row[candidates], kind="stable")][:k]
