"""The modality gap: how far apart the means of the modalities are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32

Mean = Float32[np.ndarray, " d"]


def gap_sizes(means: Mapping[str, Mean]) -> dict[str, float]:
    """Distance of each modality's mean [D] from the mean of the others' means; empty for fewer than two modalities."""
    if len(means) < 2:
        return {}
    return {
        m: float(np.linalg.norm(mean - np.mean([v for n, v in means.items() if n != m], axis=0)))
        for m, mean in means.items()
    }
