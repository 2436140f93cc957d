"""Several rankings of the same items as one: reciprocal-rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

SMOOTHING = 60  # of the paper: how little the first ranks differ from the next


def fused(rankings: Sequence[Mapping[Key, float]]) -> dict[Key, float]:
    """The sum of 1 / (SMOOTHING + rank) over the rankings that have an item, the items with the largest sum first.

    Each ranking maps its items to their scores. The best has rank 1, and equal scores share a rank. Items with equal
    sums stay in the order in which the rankings name them first.
    """
    sums: dict[Key, float] = {}
    for ranking in rankings:
        rank, before = 0, None
        for place, (key, score) in enumerate(sorted(ranking.items(), key=lambda pair: -pair[1]), start=1):
            if score != before:
                rank, before = place, score
            sums[key] = sums.get(key, 0.0) + 1 / (SMOOTHING + rank)
    return dict(sorted(sums.items(), key=lambda pair: -pair[1]))
