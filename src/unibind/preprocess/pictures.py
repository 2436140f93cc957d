"""Event recordings, thermal and depth pictures rendered for towers that see pictures only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .events import EventArrays

_LARGEST_SIDE = 1280  # pixels; as many as the largest real sensors have
_BAND = 256  # rows


def event_picture(events: EventArrays) -> NDArray[np.uint8]:
    """An event recording as one picture uint8 [H, W, 3] of the sensor's size, at most 1,280 pixels on a side.

    The colors are those of UniBind's released event frames: black background, yellow where pixels became brighter,
    cyan where darker, the sum where both. Strength is the count of events over the 99th percentile of all non-zero
    counts, so that a few hot pixels do not darken the rest.
    """
    width, height = _fitted(events.width, events.height)
    x, y = events.x.astype(np.int64), events.y.astype(np.int64)
    if (width, height) != (events.width, events.height):
        x, y = x * width // events.width, y * height // events.height
    cells = y * width + x
    brighter, darker = (np.bincount(cells[events.p == sign], minlength=height * width) for sign in (True, False))
    full = np.percentile(np.concatenate([c[c > 0] for c in (brighter, darker)]), 99)
    strength = np.stack([brighter, brighter + darker, darker], axis=-1) / full
    return (255 * strength.clip(max=1)).round().astype(np.uint8).reshape(height, width, 3)


def _fitted(width: int, height: int) -> tuple[int, int]:
    """The size of a sensor, or if that is larger than any camera's, one of the same shape."""
    share = min(1.0, _LARGEST_SIDE / max(width, height))
    return max(1, int(width * share)), max(1, int(height * share))


def thermal_picture(values: NDArray[np.float32], *, celsius: bool) -> NDArray[np.uint8]:
    """A thermal picture [H, W], in degrees `celsius` or as counts in [0, 1], as 8-bit gray [H, W].

    Counts that were 8 bits in their file become those bytes again; everything else (degrees, 16-bit counts) is
    stretched between its 1st and 99th percentile, since it seldom fills its range.
    """
    out = np.empty(values.shape, np.uint8)
    bands = [slice(row, row + _BAND) for row in range(0, len(values), _BAND)]
    if not celsius and all(_were_bytes(values[band]) for band in bands):
        for band in bands:
            out[band] = (values[band] * 255).round()
        return out
    low, high = np.percentile(values, (1, 99))
    for band in bands:
        out[band] = (255 * ((values[band] - low) / max(float(high - low), 1e-6)).clip(0, 1)).round()
    return out


def depth_picture(meters: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A depth picture [H, W] in meters, 0 where unknown, as 8-bit gray [H, W]: near light, far dark, unknown black.

    Known depths are stretched between their 1st and 99th percentile.
    """
    known = meters > 0
    if not known.any():
        return np.zeros(meters.shape, np.uint8)
    low, high = np.percentile(meters[known], (1, 99))
    nearness = ((high - meters) / max(float(high - low), 1e-6)).clip(0, 1)
    return np.where(known, (255 * nearness).round(), 0).astype(np.uint8)


def _were_bytes(values: NDArray[np.float32]) -> bool:
    counts = values * 255
    return bool(np.abs(counts - counts.round()).max() < 1e-3 and counts.min() >= 0 and counts.max() <= 255)
