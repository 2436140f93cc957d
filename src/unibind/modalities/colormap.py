"""False colors for fields of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Anchors of matplotlib's inferno (CC0), 0 to 1 in equal steps: dark is low, light is high, also in gray.
_INFERNO = np.array(
    [
        [0, 0, 4],
        [31, 12, 72],
        [85, 15, 109],
        [136, 34, 106],
        [186, 54, 85],
        [227, 89, 51],
        [249, 140, 10],
        [249, 201, 50],
        [252, 255, 164],
    ],
    np.float64,
)


def inferno(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Values in [0, 1], clipped, to colors uint8 [..., 3]."""
    place = np.clip(values, 0, 1) * (len(_INFERNO) - 1)
    channels = [np.interp(place, np.arange(len(_INFERNO)), _INFERNO[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)
