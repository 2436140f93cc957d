"""The modality gap: the mean of each modality, as it is removed by the correction, and how far apart the means are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32

from ..data.embeddings import Vectors

Mean = Float32[np.ndarray, " d"]

PRIOR_ITEMS = 1.0  # how many items the pooled mean counts for, beside those of the modality itself


def shrunk_means(vectors: Mapping[str, Vectors], prior_items: float = PRIOR_ITEMS) -> dict[str, Mean]:
    """The mean of each modality's vectors [N, D], drawn towards the mean of all others where N is small.

    The mean of one item is the item itself, and removing it would leave nothing. So the mean of a modality with n
    items, whose sum is s, is (s + k p) / (n + k): as if k = `prior_items` more of them were at p. There p is the mean
    of the items of all other modalities, with k zeros among them. For large n it is the plain mean. This is the
    shrinkage of James and Stein (1961) with a fixed weight.
    """
    sums = {m: v.sum(axis=0, dtype=np.float64) for m, v in vectors.items()}
    total, count = sum(sums.values()), sum(len(v) for v in vectors.values())
    means = {}
    for modality, own in sums.items():
        n = len(vectors[modality])
        pooled = (total - own) / (count - n + prior_items)
        means[modality] = ((own + prior_items * pooled) / (n + prior_items)).astype(np.float32)
    return means


def gap_sizes(vectors: Mapping[str, Vectors]) -> dict[str, float]:
    """Distance of each modality's mean from the mean of the others' means; empty for fewer than two modalities."""
    means = {m: v.mean(axis=0) for m, v in vectors.items()}
    if len(means) < 2:
        return {}
    return {
        m: float(np.linalg.norm(mean - np.mean([v for n, v in means.items() if n != m], axis=0)))
        for m, mean in means.items()
    }
