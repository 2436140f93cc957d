"""Answers to queries: the nearest items of several modalities mixed, fused with words, and spread out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from ..backbones import Contract
from ..errors import UnibindError
from ..modalities import check_modality
from .diversity import near_duplicates, spread
from .filters import Filter
from .fusion import fused
from .gap import gap_sizes
from .hits import Hit, Hits
from .queries import Query
from .searchable import Ranking, Row, Searchable

_MOST_LOOKED_AT = 10_000  # items per modality, where nearly all are copies of few
_POOL, _SMALLEST_POOL = 5, 50  # candidates per hit, and at least so many, that are fused or spread out


@dataclass(frozen=True)
class SearchOptions:
    """Which items may be hits, how many, and in which order; see `UniBind.search`.

    Raises UnibindError for numbers below 1.
    """

    k: int = 10
    modalities: tuple[str, ...] | None = None
    per_modality: int | None = None
    where: Filter | None = None
    diverse: bool = False
    hybrid: bool = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, number in (("results", self.k), ("results per modality", self.per_modality)):
            if number is not None and number < 1:
                raise UnibindError(f"the number of {name} must be at least 1, not {number}")

    @property
    def candidates(self) -> int:
        """How many items of each modality are looked at."""
        if self.hybrid or self.diverse:
            return max(_SMALLEST_POOL, _POOL * self.k)
        return min(self.k, self.per_modality or self.k)


@dataclass(frozen=True)
class _Found:
    """A candidate: its modality, its key, and its cosine to the query, None where only its words were found."""

    modality: str
    key: str
    cosine: float | None = None


@dataclass(frozen=True)
class _Candidates:
    """Candidates for the hits of one query, the best first, and their relevance; modalities in `cut` may have more."""

    found: list[_Found]
    relevance: list[float]
    cut: frozenset[str]


@dataclass(frozen=True, eq=False)
class _Taken:
    """A candidate that may be a hit, with what is known about it."""

    found: _Found
    relevance: float
    row: Row
    vector: Float32[np.ndarray, " d"]


class ItemSearch:
    """Searches one set of items; raises UnibindError where it is empty, UnknownNameError for modalities it lacks."""

    def __init__(self, items: Searchable, options: SearchOptions) -> None:
        if not items.contracts:
            raise UnibindError("there is nothing to search: the store is empty; encode some items first")
        self._items, self._options = items, options
        self._modalities = [check_modality(m, tuple(items.contracts)) for m in options.modalities or items.contracts]

    def hits(self, queries: Sequence[Query]) -> list[Hits]:
        """The hits of each query, best first.

        Of items of one modality with the same content (and the same `start_s`), the best is a hit. Unless modalities
        were asked for, those that cannot be compared with a query are left out where others can. Raises ContractError
        where none can, and UnibindError for a hybrid search without words.
        """
        results: dict[int, Hits] = {}
        for places in _alike(queries):
            asked = [queries[place] for place in places]
            searched, outside = self._comparable([part.contract for part in asked[0].every_part])
            gaps = gap_sizes({m: mean for m, mean in self._items.means.items() if m in searched})
            for place, query, hits in zip(places, asked, self._answers(asked, searched), strict=True):
                result = Hits(hits)
                result.query, result.query_modality = query.name, query.modality
                result.gaps, result.outside_anchor_space = gaps, outside
                result.store_version = self._items.version
                results[place] = result
        return [results[place] for place in range(len(queries))]

    def _comparable(self, asked: Sequence[Contract]) -> tuple[list[str], tuple[str, ...]]:
        """The modalities in the space of a query's parts, and those that are left out."""
        contracts = self._items.contracts
        outside = [m for m in self._modalities if any(_is_outside(contracts[m], contract) for contract in asked)]
        if self._options.modalities or len(outside) == len(self._modalities):
            outside = []
        searched = [m for m in self._modalities if m not in outside]
        for contract in asked:
            for modality in searched:
                contract.check_comparable(contracts[modality], here="the query", there=f"the stored {modality} items")
        return searched, tuple(outside)

    def _answers(self, queries: Sequence[Query], searched: Sequence[str]) -> Iterator[Iterator[Hit]]:
        """The hits of each query; where copies fill the candidates, more of them are looked at."""
        count = self._options.candidates
        for query, first in zip(queries, self._candidates(queries, searched, count), strict=True):
            candidates, looked_at = first, count
            taken = self._taken(candidates)
            while looked_at < _MOST_LOOKED_AT and self._may_have_more(taken, candidates):
                looked_at *= 2
                candidates = next(self._candidates([query], searched, looked_at))
                taken = self._taken(candidates)
            yield _hits(query, self._spread(taken) if self._options.diverse else taken)

    def _candidates(self, queries: Sequence[Query], searched: Sequence[str], count: int) -> Iterator[_Candidates]:
        """For each query the `count` best items of each modality; equal ones in the order of modalities."""
        vectors = np.stack([query.vector for query in queries])
        nearest = {m: self._items.nearest(vectors, count, modality=m, where=self._options.where) for m in searched}
        for place, query in enumerate(queries):
            rankings = {m: found[place] for m, found in nearest.items()}
            found = sorted(_all(rankings), key=lambda pair: -pair[1])
            near = {one.key: replace(one, cosine=cosine) for one, cosine in found}
            sums = {one.key: cosine for one, cosine in found}
            cut = {m for m, ranking in rankings.items() if len(ranking) == count}
            if self._options.hybrid:
                worded = self._worded(query, searched, count)
                near |= {one.key: one for one, _ in worded if one.key not in near}
                sums = fused([sums, {one.key: score for one, score in worded}])
                best = max(sums.values(), default=1.0)
                sums = {key: value / best for key, value in sums.items()}
            yield _Candidates([near[key] for key in sums], list(sums.values()), frozenset(cut))

    def _worded(self, query: Query, searched: Sequence[str], count: int) -> list[tuple[_Found, float]]:
        """The `count` items of each modality that match the words of a query best, and their scores."""
        words = query.words
        if words is None:
            raise UnibindError(
                f"the query {query.name!r} has no words for a hybrid search; add a text to it, or search without"
            )
        where = self._options.where
        return _all({m: self._items.matching(words, count, modality=m, where=where) for m in searched})

    def _taken(self, candidates: _Candidates) -> list[_Taken]:
        """The candidates in their order without copies, as many as are needed; read as far as that takes.

        Scores of copies may differ in their last digit, so the first by id stands for those that are read together.
        """
        options = self._options
        needed, limit = (options.candidates, None) if options.diverse else (options.k, options.per_modality)
        taken: list[_Taken] = []
        seen, counts = dict[tuple[str, str, float | None], int](), Counter[str]()
        for start in range(0, len(candidates.found), needed):
            block = slice(start, start + needed)
            rows, vectors = self._items.rows([one.key for one in candidates.found[block]])
            read = zip(candidates.found[block], candidates.relevance[block], rows, vectors, strict=True)
            for one in (_Taken(*parts) for parts in read):
                same = (one.row.modality, one.row.content or one.row.key, one.row.start_s)
                if same in seen:
                    first = taken[seen[same]]
                    taken[seen[same]] = replace(one, found=first.found) if one.row.id < first.row.id else first
                    continue
                if counts[one.row.modality] == limit:
                    continue
                seen[same] = len(taken)
                counts[one.row.modality] += 1
                taken.append(one)
            if len(taken) >= needed:
                break
        return taken[:needed]

    def _may_have_more(self, taken: Sequence[_Taken], candidates: _Candidates) -> bool:
        """Whether there are fewer hits than were asked for, and a modality that may have more."""
        counts = Counter(one.row.modality for one in taken)
        limit = self._options.per_modality or self._options.k
        return len(taken) < self._options.k and any(counts[m] < limit for m in candidates.cut)

    def _spread(self, taken: Sequence[_Taken]) -> list[_Taken]:
        """The candidates that are relevant and unlike each other."""
        if not taken:
            return []
        relevance = np.array([one.relevance for one in taken], np.float32)
        vectors, groups = np.stack([one.vector for one in taken]), [one.row.modality for one in taken]
        order = spread(relevance, vectors, groups, self._options.k, self._options.per_modality)
        return [taken[place] for place in order]


def _alike(queries: Sequence[Query]) -> Iterator[list[int]]:
    """The places of queries whose parts have the same contracts, which are searched at once."""
    places: dict[tuple[str, ...], list[int]] = {}
    for place, query in enumerate(queries):
        places.setdefault(tuple(part.contract.hash for part in query.every_part), []).append(place)
    return iter(places.values())


def _all(rankings: Mapping[str, Ranking]) -> list[tuple[_Found, float]]:
    """The items of all modalities with their scores, one modality after the other."""
    return [
        (_Found(modality, key), float(score))
        for modality, ranking in rankings.items()
        for key, score in zip(ranking.keys, ranking.scores, strict=True)
    ]


def _hits(query: Query, taken: Sequence[_Taken]) -> Iterator[Hit]:
    vectors = np.array([one.vector for one in taken], np.float32)
    same = near_duplicates(vectors, [one.row.modality for one in taken])
    for rank, (one, first) in enumerate(zip(taken, same, strict=True), start=1):
        cosine, row = one.found.cosine, one.row
        yield Hit(
            rank,
            float(one.vector @ query.vector) if cosine is None else cosine,
            row.id,
            row.modality,
            row.uri,
            row.label,
            row.text,
            row.start_s,
            row.end_s,
            None if first is None else first + 1,
        )


def _is_outside(indexed: Contract, query: Contract) -> bool:
    return not indexed.shares_space(query) and indexed.shares_anchor(query)
