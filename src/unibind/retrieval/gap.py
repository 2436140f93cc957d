"""The modality gap: how far apart the means of the modalities are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..data.embeddings import Vectors


def gap_sizes(vectors: Mapping[str, Vectors]) -> dict[str, float]:
    """Distance of each modality's mean from the mean of the others' means; empty for fewer than two modalities."""
    means = {m: v.mean(axis=0) for m, v in vectors.items()}
    if len(means) < 2:
        return {}
    return {
        m: float(np.linalg.norm(mean - np.mean([v for n, v in means.items() if n != m], axis=0)))
        for m, mean in means.items()
    }
