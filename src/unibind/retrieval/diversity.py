"""Hits that differ: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998), and what is nearly the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from ..data.embeddings import Vectors

RELEVANCE = 0.5  # how much relevance counts beside novelty: as much, so of two nearly equal items one is taken
NEARLY_SAME = 0.98  # cosine from which items of one modality are near-duplicates


def spread(
    relevance: Float32[np.ndarray, " n"], vectors: Vectors, groups: Sequence[str], k: int, per_group: int | None
) -> list[int]:
    """Positions of `k` items, each the one that is most relevant and least like those before it.

    That is the largest RELEVANCE * relevance - (1 - RELEVANCE) * (its largest cosine to an item before it), the first
    of equal ones. `vectors` [N, D] have unit length; at most `per_group` items of a group are taken.
    """
    chosen: list[int] = []
    taken = Counter[str]()
    likeness = np.zeros(len(relevance), np.float32)
    open_ = np.ones(len(relevance), bool)
    while len(chosen) < k and open_.any():
        gain = np.where(open_, RELEVANCE * relevance - (1 - RELEVANCE) * likeness, -np.inf)
        best = int(np.argmax(gain))
        cosines = vectors @ vectors[best]
        likeness = cosines if not chosen else np.maximum(likeness, cosines)
        chosen.append(best)
        open_[best] = False
        taken[groups[best]] += 1
        if taken[groups[best]] == per_group:
            open_ &= np.array([group != groups[best] for group in groups])
    return chosen


def near_duplicates(vectors: Vectors, groups: Sequence[str]) -> list[int | None]:
    """For each item, the position of the first one before it of the same group that it is nearly the same as.

    None for an item that starts a set of near-duplicates of its own. Only such items are compared with, so a chain of
    small changes is not one set. `vectors` [N, D] have unit length.
    """
    firsts: list[int] = []
    found: list[int | None] = []
    for position, vector in enumerate(vectors):
        near = [i for i in firsts if groups[i] == groups[position] and float(vectors[i] @ vector) >= NEARLY_SAME]
        found.append(near[0] if near else None)
        if not near:
            firsts.append(position)
    return found
