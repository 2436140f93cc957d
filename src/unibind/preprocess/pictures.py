"""How modalities that are no pictures are drawn for towers that see pictures only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..modalities.event import EventFrame, Events
from ..modalities.thermal import Thermal


def event_picture(raw: Events | EventFrame) -> NDArray[np.uint8]:
    """An event recording as one picture uint8 [H, W, 3] of the sensor's size; a frame drawn already is itself.

    The colors are those of UniBind's released event frames: black background, yellow where pixels became brighter,
    cyan where darker, the sum where both. Strength is the count of events over that of the 99th percentile of pixels
    that have any, so that a few hot pixels do not darken the rest.
    """
    if isinstance(raw, EventFrame):
        return raw.pixels
    cells = raw.y.astype(np.int64) * raw.width + raw.x
    brighter, darker = (np.bincount(cells[raw.p == sign], minlength=raw.height * raw.width) for sign in (True, False))
    full = np.percentile(np.concatenate([c[c > 0] for c in (brighter, darker)]), 99)
    strength = np.stack([brighter, brighter + darker, darker], axis=-1) / full
    return (255 * strength.clip(max=1)).round().astype(np.uint8).reshape(raw.height, raw.width, 3)


def thermal_picture(raw: Thermal) -> NDArray[np.uint8]:
    """A thermal picture as 8-bit gray [H, W].

    Counts that were 8 bits in their file are those bytes again; everything else (degrees, 16-bit counts) is stretched
    between its 1st and 99th percentile, for it seldom fills its range.
    """
    bytes_ = raw.values * 255
    if not raw.celsius and np.abs(bytes_ - bytes_.round()).max() < 1e-3 and bytes_.min() >= 0 and bytes_.max() <= 255:
        return bytes_.round().astype(np.uint8)
    low, high = np.percentile(raw.values, (1, 99))
    return (255 * ((raw.values - low) / max(float(high - low), 1e-6)).clip(0, 1)).round().astype(np.uint8)
