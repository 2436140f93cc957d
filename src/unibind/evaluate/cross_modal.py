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
    maps k to recall@k by category among labeled items, NaN where two modalities have no category in common;
    `same_object` maps k to recall@k of the query's own object, NaN on the diagonal and where the objects are not known;
    `gap` contains the distances between the modalities' means.
    """

    modalities: tuple[str, ...]
    recall: dict[int, Matrix]
    same_object: dict[int, Matrix]
    gap: Matrix

    def pair(self, query: str, gallery: str, k: int) -> float:
        """Recall@k by category for one pair of modalities."""
        return float(self.recall[k][self.modalities.index(query), self.modalities.index(gallery)])

    def balance(self, k: int) -> dict[str, float] | None:
        """Spread of recall@k over pairs of distinct modalities: small in a balanced space; None without such pairs."""
        across = self._across(self.recall[k])
        return spread(across) if np.isfinite(across).any() else None

    @property
    def knows_objects(self) -> bool:
        """Whether the same object was looked for in any pair of modalities."""
        return any(bool(np.isfinite(matrix).any()) for matrix in self.same_object.values())

    @property
    def mean_gap(self) -> float | None:
        """Mean distance between the means of two modalities; None for a single modality."""
        across = self._across(self.gap)
        return float(across.mean()) if len(across) else None

    def without_common_category(self) -> list[tuple[str, str]]:
        """The pairs of distinct modalities that share no category."""
        matrix = next(iter(self.recall.values()))
        names = self.modalities
        return [(a, b) for i, a in enumerate(names) for j, b in enumerate(names[:i]) if np.isnan(matrix[i, j])]

    def _across(self, matrix: Matrix) -> Float64[np.ndarray, " p"]:
        """The values for pairs of distinct modalities."""
        return matrix[~np.eye(len(self.modalities), dtype=bool)]

    def to_json(self) -> dict[str, Any]:
        """Plain figures, rounded to four digits."""
        result: dict[str, Any] = {
            "modalities": self.modalities,
            "recall": {f"@{k}": _rounded(matrix) for k, matrix in self.recall.items()},
            "same_object": {f"@{k}": _rounded(matrix) for k, matrix in self.same_object.items()},
            "gap": _rounded(self.gap),
        }
        if any(self.balance(k) for k in self.recall):
            result["balance"] = {f"@{k}": self.balance(k) for k in self.recall}
        if self.mean_gap is not None:
            result["mean_gap"] = round(self.mean_gap, 4)
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
            if i == j:
                np.fill_diagonal(similarity, -np.inf)
            gap[i, j] = modality_gap(query.vectors, gallery.vectors)
            by_category = _by_category(similarity, query, gallery, same=i == j, ks=ks)
            by_object = _by_object(similarity, query, gallery, ks=ks) if i != j else {}
            for k in ks:
                recall[k][i, j] = by_category.get(k, np.nan)
                same_object[k][i, j] = by_object.get(k, np.nan)
    return CrossModal(modalities, recall, same_object, gap)


def _by_category(
    similarity: Matrix, query: Embeddings, gallery: Embeddings, *, same: bool, ks: Sequence[int]
) -> dict[int, float]:
    """Recall@k by category among the labeled items; nothing where there are none."""
    rows, columns = (np.flatnonzero([label is not None for label in e.labels]) for e in (query, gallery))
    if not len(rows) or not len(columns):
        return {}
    relevant = category_relevance([query.labels[i] for i in rows], [gallery.labels[i] for i in columns])
    if same:
        np.fill_diagonal(relevant, False)
    return {k: recall_at_k(similarity[np.ix_(rows, columns)], relevant, k) for k in ks}


def _by_object(similarity: Matrix, query: Embeddings, gallery: Embeddings, *, ks: Sequence[int]) -> dict[int, float]:
    """Recall@k of the query's own object; nothing where an item has no known object."""
    if not all(query.objects) or not all(gallery.objects):
        return {}
    relevant = category_relevance(query.objects, gallery.objects)
    return {k: recall_at_k(similarity, relevant, k) for k in ks}


def _rounded(matrix: Matrix) -> list[list[float | None]]:
    return [[None if np.isnan(v) else round(float(v), 4) for v in row] for row in matrix]
