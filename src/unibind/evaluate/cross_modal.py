"""Cross-modal retrieval: from every modality to every other, by category and by object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from ..data.embeddings import Embeddings
from .metrics import category_relevance, modality_gap, recall_at_k, spread

Splits = Mapping[str, Embeddings]  # modality -> stored embeddings of one split
Matrix = Float64[np.ndarray, "q g"]

HEADLINE_K = 20  # the paper reports recall@20


@dataclass(frozen=True)
class CrossModal:
    """Retrieval between all modalities, before or after a fit.

    Matrices are [Q, G] over `modalities`, queries in rows. On the diagonal a query cannot retrieve itself. `recall`
    maps k to recall@k by category; `same_object` maps k to recall@k of the query's own object, NaN on the diagonal and
    where the objects are not known; `gap` contains the distances between the modalities' means.
    """

    modalities: tuple[str, ...]
    recall: dict[int, Matrix]
    same_object: dict[int, Matrix]
    gap: Matrix

    def pair(self, query: str, gallery: str, k: int) -> float:
        """Recall@k by category for one pair of modalities."""
        return float(self.recall[k][self.modalities.index(query), self.modalities.index(gallery)])

    def balance(self, k: int) -> dict[str, float]:
        """Spread of recall@k over pairs of distinct modalities: small in a balanced space."""
        return spread(self.recall[k][~np.eye(len(self.modalities), dtype=bool)])

    def to_json(self) -> dict[str, Any]:
        """Plain figures, rounded to four digits."""
        result: dict[str, Any] = {
            "modalities": self.modalities,
            "recall": {f"@{k}": _rounded(matrix) for k, matrix in self.recall.items()},
            "same_object": {f"@{k}": _rounded(matrix) for k, matrix in self.same_object.items()},
            "gap": _rounded(self.gap),
        }
        if len(self.modalities) > 1:  # a single modality has no pairs
            result["balance"] = {f"@{k}": self.balance(k) for k in self.recall}
            distinct = ~np.eye(len(self.modalities), dtype=bool)
            result["mean_gap"] = round(float(self.gap[distinct].mean()), 4)
        return result


def cross_modal(embeddings: Splits, ks: Sequence[int] = (1, HEADLINE_K)) -> CrossModal:
    """Recall@k from every modality to every other, and the distances between their means.

    Raises ContractError for modalities that cannot be compared.
    """
    modalities = tuple(embeddings)
    size = (len(modalities), len(modalities))
    recall, same_object = ({k: np.full(size, np.nan) for k in ks} for _ in range(2))
    gap = np.zeros(size)
    for i, query in enumerate(embeddings.values()):
        for j, gallery in enumerate(embeddings.values()):
            query.contract.check_comparable(gallery.contract, here=query.modality, there=gallery.modality)
            similarity = query.vectors @ gallery.vectors.T
            relevant = category_relevance(query.known_labels(), gallery.known_labels())
            if i == j:
                np.fill_diagonal(similarity, -np.inf)
                np.fill_diagonal(relevant, False)
            gap[i, j] = modality_gap(query.vectors, gallery.vectors)
            for k in ks:
                recall[k][i, j] = recall_at_k(similarity, relevant, k)
            if i != j and all(query.objects) and all(gallery.objects):
                objects = category_relevance([str(o) for o in query.objects], [str(o) for o in gallery.objects])
                for k in ks:
                    same_object[k][i, j] = recall_at_k(similarity, objects, k)
    return CrossModal(modalities, recall, same_object, gap)


def _rounded(matrix: Matrix) -> list[list[float | None]]:
    return [[None if np.isnan(v) else round(float(v), 4) for v in row] for row in matrix]
