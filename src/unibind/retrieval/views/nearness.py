"""How near the items of a view are to each other, which tells whether a query is like them.

An index learns from the items, so the neighbors of a vector like them are in a few of its partitions, and a few steps
away in its graph. Those of another query, such as a text among pictures, are spread over many: it is recognized by
having no neighbor as near as the items usually have, and more is read for it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...data.embeddings import Vectors
from ...data.rows import matrix
from .table import ViewTable, of_modality
from .vector_index import VectorIndex

_SAMPLED = 100  # items of a modality
_FEW = 0.05  # of the items, have no neighbor that is as near
_ROUNDING = 1e-4  # of the cosine of a vector to itself


class Sample:
    """Some of the vectors that it takes, each as likely as any other."""

    def __init__(self, width: int) -> None:
        self._chance = np.random.default_rng(0)
        self._drawn = np.empty(0)
        self.vectors: Vectors = np.empty((0, width), np.float32)  # at most `_SAMPLED`

    def take(self, vectors: Vectors) -> None:
        """Draw from these vectors [N, D], too."""
        before = len(self._drawn)
        drawn = np.concatenate([self._drawn, self._chance.random(len(vectors))])
        kept = np.sort(np.argsort(drawn)[:_SAMPLED])
        old, new = kept[kept < before], kept[kept >= before] - before
        self._drawn, self.vectors = drawn[kept], np.concatenate([self.vectors[old], vectors[new]])


def usual_cosines(
    table: ViewTable, index: VectorIndex, samples: Mapping[str, Sample], counts: Mapping[str, int]
) -> dict[str, float]:
    """For each modality, the cosine to their nearest neighbor that most of its items reach; `counts` are its items."""
    usual = {}
    for modality, sample in samples.items():
        where = of_modality(modality, counts)
        share = counts[modality] / sum(counts.values())
        cosines = []
        for vector in sample.vectors:
            found = table.nearest(vector, 2, ["vector"], index, where, share)  # itself and its neighbor
            if len(found) == 2:
                cosines.append(float(np.min(matrix(found["vector"]) @ vector)))
        if cosines:
            usual[modality] = float(np.quantile(cosines, _FEW)) - _ROUNDING
    return usual
