"""An event recording as one frame, red for brighter and blue for darker, above a strip of its rate over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageOps

from ..preprocess.events import BRIGHTER, DARKER, event_frames
from .event import EventFrame, Events

_STRIP = 0.12  # of the picture's height
_FAINTEST = 0.25  # strength of the faintest mark, so that a single event is still seen


def draw(raw: Events | EventFrame, size: tuple[int, int]) -> Picture.Image:
    """RGB picture of `size` (width, height); an EventFrame is shown as it is."""
    if isinstance(raw, EventFrame):
        return ImageOps.pad(Picture.fromarray(raw.pixels), size, color="white")
    width, height = size
    strip = max(8, round(height * _STRIP))
    counts = event_frames(raw, 1, height - strip, width)[0].numpy()
    marks = np.where(counts > 0, _FAINTEST + (1 - _FAINTEST) * counts, 0)
    return Picture.fromarray(np.concatenate([_inked(marks[BRIGHTER], marks[DARKER]), _rate_strip(raw, width, strip)]))


def _rate_strip(events: Events, width: int, height: int) -> NDArray[np.uint8]:
    """Events over time, left to right: brighter ones upwards and darker ones downwards from the middle."""
    middle = height // 2
    span = int(events.t[-1] - events.t[0]) + 1
    moment = ((events.t - events.t[0]) / span * width).astype(int).clip(max=width - 1)
    rates = np.stack([np.bincount(moment[events.p == sign], minlength=width) for sign in (True, False)])
    bars = np.ceil(rates / rates.max() * (middle - 1))
    rows = np.arange(height)[:, None]
    up, down = (rows < middle) & (middle - rows <= bars[0]), (rows > middle) & (rows - middle <= bars[1])
    strip = _inked(up.astype(float), down.astype(float))
    strip[middle] = 200
    return strip


def _inked(brighter: NDArray[np.floating], darker: NDArray[np.floating]) -> NDArray[np.uint8]:
    """White paper [H, W, 3] with red ink for `brighter` and blue ink for `darker`, both in 0..1."""
    absorbed = brighter[..., None] * [0, 1, 1] + darker[..., None] * [1, 1, 0]
    return (255 * (1 - absorbed.clip(max=1))).astype(np.uint8)
