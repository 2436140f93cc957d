"""Event recordings and thermal pictures rendered for towers that see pictures only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .events import EventArrays


def event_picture(events: EventArrays) -> NDArray[np.uint8]:
    """An event recording as one picture uint8 [H, W, 3] of the sensor's size.

    The colors are those of UniBind's released event frames: black background, yellow where pixels became brighter,
    cyan where darker, the sum where both. Strength is the count of events over the 99th percentile of all non-zero
    counts, so that a few hot pixels do not darken the rest.
    """
    cells = events.y.astype(np.int64) * events.width + events.x
    size = events.height * events.width
    brighter, darker = (np.bincount(cells[events.p == sign], minlength=size) for sign in (True, False))
    full = np.percentile(np.concatenate([c[c > 0] for c in (brighter, darker)]), 99)
    strength = np.stack([brighter, brighter + darker, darker], axis=-1) / full
    return (255 * strength.clip(max=1)).round().astype(np.uint8).reshape(events.height, events.width, 3)


def thermal_picture(values: NDArray[np.float32], *, celsius: bool) -> NDArray[np.uint8]:
    """A thermal picture [H, W], in degrees `celsius` or as counts in [0, 1], as 8-bit gray [H, W].

    Counts that were 8 bits in their file become those bytes again; everything else (degrees, 16-bit counts) is
    stretched between its 1st and 99th percentile, since it seldom fills its range.
    """
    counts = values * 255
    if not celsius and np.abs(counts - counts.round()).max() < 1e-3 and counts.min() >= 0 and counts.max() <= 255:
        return counts.round().astype(np.uint8)
    low, high = np.percentile(values, (1, 99))
    return (255 * ((values - low) / max(float(high - low), 1e-6)).clip(0, 1)).round().astype(np.uint8)
