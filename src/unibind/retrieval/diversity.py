"""Hits that differ: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998), and what is nearly the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from ..data.embeddings import Vectors

RELEVANCE = 0.7  # how much relevance counts beside novelty: as the paper has it for who knows what to look for
NEARLY_SAME = 0.98  # cosine from which items are near-duplicates
COMPARED = 1000  # items among which near-duplicates are looked for: their number of pairs grows with its square
_LAST = 2.0  # what puts near-duplicates after everything else


def spread(
    relevance: Float32[np.ndarray, " n"], vectors: Vectors, groups: Sequence[str], k: int, per_group: int | None
) -> list[int]:
    """Positions of `k` items, each the one that is most relevant and least like those before it.

    That is the largest RELEVANCE * relevance - (1 - RELEVANCE) * (its largest cosine to an item before it), the first
    of equal ones. Relevance is scaled to 0 to 1 among the items, because cosines of a text to pictures are much lower
    than those of pictures to each other. Near-duplicates of an item before come last: for a query that is an item
    itself, they are as relevant as they are alike. `vectors` [N, D] have unit length; at most `per_group` items of a
    group are taken.
    """
    scaled = (relevance - relevance.min()) / max(float(relevance.max() - relevance.min()), 1e-6)
    chosen: list[int] = []
    taken = Counter[str]()
    likeness = np.zeros(len(relevance), np.float32)
    left = np.ones(len(relevance), bool)
    while len(chosen) < k and left.any():
        gain = RELEVANCE * scaled - (1 - RELEVANCE) * likeness - _LAST * (likeness >= NEARLY_SAME)
        best = int(np.argmax(np.where(left, gain, -np.inf)))
        cosines = vectors @ vectors[best]
        likeness = np.maximum(likeness, cosines) if chosen else cosines
        chosen.append(best)
        left[best] = False
        taken[groups[best]] += 1
        if taken[groups[best]] == per_group:
            left &= np.array([group != groups[best] for group in groups])
    return chosen


def near_duplicates(vectors: Vectors, groups: Sequence[str]) -> list[int | None]:
    """For each item, the position of the first one before it of the same group that it is nearly the same as.

    None for an item that starts a set of near-duplicates of its own. Only such items are compared with, so a chain of
    small changes is not one set; of very many items, only the first `COMPARED`. `vectors` [N, D] have unit length.
    """
    firsts: dict[str, list[int]] = {}
    found: list[int | None] = []
    for position, (group, vector) in enumerate(zip(groups, vectors, strict=True)):
        before = firsts.setdefault(group, [])
        near = np.flatnonzero(vectors[before] @ vector >= NEARLY_SAME)[:1].tolist() if position < COMPARED else []
        found.extend(before[place] for place in near)
        if not near:
            found.append(None)
            before.append(position)
    return found
