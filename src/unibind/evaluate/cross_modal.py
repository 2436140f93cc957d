"""Cross-modal retrieval: from every modality to every other, by category and by object, and by class name.

The paper reports recall@20 without saying what counts as found. Here by category every item of the query's class counts
("in kind" the paper's measure), and by object only that of the query's own object. Queries that are texts of items
(captions) and queries that are class names are different tasks, and are never averaged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64

from ..data.embeddings import Embeddings, TextEmbeddings
from ..modalities import ANCHOR
from .intervals import Group, Groups
from .metrics import (
    QueryScores,
    Ranked,
    Ranking,
    Similarity,
    category_relevance,
    hits,
    mean_score,
    modality_gap,
    r_precisions,
    ranked,
    ranking,
    recalls,
    spread,
)
from .parts import labeled, shared_names

Splits = Mapping[str, Embeddings]  # modality -> stored embeddings of one split
Matrix = Float64[np.ndarray, "q g"]

# measure -> what is nearest -> a score per query
BY_CLASS: dict[str, Callable[[Ranked], QueryScores]] = {
    "R-precision": r_precisions,
    "hit@1": lambda ranks: hits(ranks, 1),
    "hit@5": lambda ranks: hits(ranks, 5),
    "hit@20": lambda ranks: hits(ranks, 20),
    "recall@20": lambda ranks: recalls(ranks, 20),
}
BY_OBJECT: dict[str, Callable[[Ranked], QueryScores]] = {
    "recall@1": lambda ranks: recalls(ranks, 1),
    "recall@5": lambda ranks: recalls(ranks, 5),
    "recall@20": lambda ranks: recalls(ranks, 20),
}
HEADLINE = "recall@20"  # the paper's measure
_DEPTH = 20  # of all measures but R-precision


@dataclass(frozen=True)
class CrossModal:
    """Retrieval between all modalities.

    Matrices are [M, M] over `modalities`, queries in rows. On the diagonal a query cannot retrieve itself. `by_class`
    maps each measure of `BY_CLASS` to its mean over labeled queries, NaN where two modalities have no category in
    common; `by_object` each of `BY_OBJECT`, NaN on the diagonal and where the objects are not known. `by_name` maps
    each measure of `BY_CLASS` to its mean over the queries that are class names, by gallery; empty without such
    queries. `gap` contains the distances between the modalities' means. `queries` are the scores behind the headline
    measure by class and by object ("image to audio" -> query by query).
    """

    modalities: tuple[str, ...]
    by_class: dict[str, Matrix]
    by_object: dict[str, Matrix]
    by_name: dict[str, dict[str, float]]
    gap: Matrix
    queries: dict[str, Groups] = field(repr=False)

    def pair(self, query: str, gallery: str, measure: str = HEADLINE) -> float:
        """A measure by class for one pair of modalities."""
        return float(self.by_class[measure][self.modalities.index(query), self.modalities.index(gallery)])

    def across(self, matrix: Matrix) -> Float64[np.ndarray, " p"]:
        """The values for pairs of distinct modalities."""
        return matrix[~np.eye(len(self.modalities), dtype=bool)]

    def spread(self, measure: str = HEADLINE) -> dict[str, float] | None:
        """The spread of a measure by class over pairs of distinct modalities; None where no pair has a category."""
        values = self.across(self.by_class[measure])
        return spread(values) if np.isfinite(values).any() else None

    def from_text(self, measure: str = HEADLINE) -> dict[str, float]:
        """A measure by class of the stored texts as queries, by gallery; empty without texts."""
        if ANCHOR not in self.modalities:
            return {}
        found = {m: self.pair(ANCHOR, m, measure) for m in self.modalities if m != ANCHOR}
        return {m: value for m, value in found.items() if np.isfinite(value)}

    @property
    def knows_objects(self) -> bool:
        """Whether the same object was looked for in any pair of modalities."""
        return any(bool(np.isfinite(matrix).any()) for matrix in self.by_object.values())

    @property
    def mean_gap(self) -> float | None:
        """Mean distance between the means of two modalities; None for a single modality."""
        across = self.across(self.gap)
        return float(across.mean()) if len(across) else None

    def without_common_category(self) -> list[tuple[str, str]]:
        """The pairs of distinct modalities that share no category."""
        matrix = next(iter(self.by_class.values()))
        names = self.modalities
        return [(a, b) for i, a in enumerate(names) for j, b in enumerate(names[:i]) if np.isnan(matrix[i, j])]

    def to_json(self) -> dict[str, Any]:
        """Plain figures, rounded to four digits.

        `by_class` and `by_object` map a measure to rows of queries and columns of galleries, in the order of
        `modalities`, null where nothing was measured; `by_name` maps a measure to figures by gallery. `spread` is that
        of the measures by class over pairs of distinct modalities; `gap` and `mean_gap` are distances of means.
        """
        result: dict[str, Any] = {
            "modalities": self.modalities,
            "by_class": {measure: _rounded(matrix) for measure, matrix in self.by_class.items()},
            "by_object": {measure: _rounded(matrix) for measure, matrix in self.by_object.items()},
            "gap": _rounded(self.gap),
        }
        if self.by_name:
            result["by_name"] = {
                measure: {gallery: round(value, 4) for gallery, value in by.items()}
                for measure, by in self.by_name.items()
            }
        spreads = {measure: found for measure in self.by_class if (found := self.spread(measure)) is not None}
        if spreads:
            result["spread"] = {m: {name: round(v, 4) for name, v in found.items()} for m, found in spreads.items()}
        if self.mean_gap is not None:
            result["mean_gap"] = round(self.mean_gap, 4)
        return result


def cross_modal(embeddings: Splits, names: TextEmbeddings | None = None) -> CrossModal:
    """Retrieval from every modality to every other, and the distances between their means.

    The vectors are compared as they are: pass centered ones to measure what a search finds. `names` are embedded class
    names, one per category, as further queries. Raises ContractError for modalities that cannot be compared.
    """
    modalities = tuple(embeddings)
    size = (len(modalities), len(modalities))
    by_class = {measure: np.full(size, np.nan) for measure in BY_CLASS}
    by_object = {measure: np.full(size, np.nan) for measure in BY_OBJECT}
    kept: dict[str, dict[str, Group]] = {"class": {}, "object": {}}
    gap = np.zeros(size)
    for i, query in enumerate(embeddings.values()):
        for j, gallery in enumerate(embeddings.values()):
            query.contract.check_comparable(gallery.contract, here=query.modality, there=gallery.modality)
            similarity = query.vectors @ gallery.vectors.T
            if i == j:
                np.fill_diagonal(similarity, -np.inf)
            gap[i, j] = modality_gap(query.vectors, gallery.vectors)
            pair = f"{query.modality} to {gallery.modality}"
            order = ranking(similarity, _depth(gallery.labels))
            found = {"class": _by_class(similarity, order, query, gallery, same=i == j)}
            if i != j:
                found["object"] = _by_object(order, query, gallery)
            for kind, (rows, scores) in found.items():
                matrices = by_class if kind == "class" else by_object
                for measure, values in scores.items():
                    matrices[measure][i, j] = mean_score(values)
                if i != j and scores:
                    _keep(kept[kind], pair, query.take(rows), scores[HEADLINE])
    by_name = {} if names is None else _by_name(names, embeddings)
    return CrossModal(modalities, by_class, by_object, by_name, gap, dict(kept))


Measured = tuple[list[int], dict[str, QueryScores]]  # rows of the queries, and their scores by measure


def _depth(labels: Sequence[str | None]) -> int:
    """How deep a ranking must be for all measures: as many items as the largest class has, and at least 20."""
    return max([_DEPTH, *Counter(label for label in labels if label is not None).values()])


def _by_class(
    similarity: Similarity, order: Ranking, query: Embeddings, gallery: Embeddings, *, same: bool
) -> Measured:
    """Scores of the labeled queries in the labeled gallery; nothing where there are none."""
    rows, columns = ([i for i, label in enumerate(e.labels) if label is not None] for e in (query, gallery))
    if not rows or not columns:
        return [], {}
    relevant = category_relevance([query.labels[i] for i in rows], [gallery.labels[i] for i in columns])
    if same:
        np.fill_diagonal(relevant, False)
    if relevant.shape != similarity.shape:
        order = ranking(similarity[np.ix_(rows, columns)], _depth(gallery.labels))
    ranks = ranked(order, relevant)
    return rows, {measure: score(ranks) for measure, score in BY_CLASS.items()}


def _by_object(order: Ranking, query: Embeddings, gallery: Embeddings) -> Measured:
    """Scores for the query's own object; nothing where an item has no known object."""
    if not all(query.objects) or not all(gallery.objects):
        return [], {}
    ranks = ranked(order, category_relevance(query.objects, gallery.objects))
    return list(range(len(query))), {measure: score(ranks) for measure, score in BY_OBJECT.items()}


def _by_name(names: TextEmbeddings, embeddings: Splits) -> dict[str, dict[str, float]]:
    """The means over class names as queries, by measure and gallery of labeled items.

    A store's texts are no gallery, because they usually contain the name.
    """
    found: dict[str, dict[str, float]] = {measure: {} for measure in BY_CLASS}
    for modality, gallery in embeddings.items():
        known = labeled(gallery)
        if modality == ANCHOR or not len(known):
            continue
        names.contract.check_comparable(gallery.contract, here="the class names", there=modality)
        order = ranking(names.vectors @ known.vectors.T, _depth(known.labels))
        ranks = ranked(order, category_relevance(names.categories, known.labels))
        for measure, score in BY_CLASS.items():
            mean = mean_score(score(ranks))
            if np.isfinite(mean):
                found[measure][modality] = mean
    return {measure: by for measure, by in found.items() if by}


def _keep(kept: dict[str, Group], pair: str, queries: Embeddings, scores: QueryScores) -> None:
    """Keep the scores of the queries that have a relevant item."""
    answerable = np.flatnonzero(np.isfinite(scores))
    if len(answerable):
        kept[pair] = Group(shared_names(queries.take(answerable)), {HEADLINE: scores[answerable]})


def between_moments(by_moment: Mapping[str, Groups]) -> dict[str, Group]:
    """The groups of the pairs that were measured at all moments on the same queries, with the moments as methods."""
    moments = list(by_moment.values())
    found = {}
    for pair, first in (moments[0] if moments else {}).items():
        if all(pair in groups and list(groups[pair].objects) == list(first.objects) for groups in moments):
            scores = {moment: groups[pair].correct[HEADLINE] for moment, groups in by_moment.items()}
            found[pair] = Group(first.objects, scores)
    return found


def _rounded(matrix: Matrix) -> list[list[float | None]]:
    return [[None if np.isnan(v) else round(float(v), 4) for v in row] for row in matrix]


def directions(modalities: Sequence[str], *, queries: str) -> list[str]:
    """The names of the pairs with queries of one modality."""
    return [f"{queries} to {gallery}" for gallery in modalities if gallery != queries]
