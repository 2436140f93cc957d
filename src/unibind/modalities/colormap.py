"""False colors for arrays of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Nine colors of matplotlib's inferno (CC0) in equal steps: low values are dark and high values light, in gray as well.
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


def thinned(values: NDArray[np.floating], side: int) -> NDArray[np.floating]:
    """A field [H, W] that is much larger than a picture of `side` pixels, with every nth row and column only."""
    step = max(1, max(values.shape) // (4 * side))
    return values[::step, ::step]


def inferno(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Colors uint8 [..., 3] of values [...], which are clipped to [0, 1]."""
    position = np.clip(values, 0, 1) * (len(_INFERNO) - 1)
    channels = [np.interp(position, np.arange(len(_INFERNO)), _INFERNO[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)
