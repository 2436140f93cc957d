"""Event recordings as stacks of two-channel frames, the input of event towers.

A frame counts the brighter and the darker events per pixel in one slice of time: a spatio-temporal histogram as in
Maqueda et al., "Event-based vision meets deep learning on steering prediction" (CVPR 2018), with compressed counts.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

BRIGHTER, DARKER = 0, 1  # channels


class EventArrays(Protocol):
    """An event recording as arrays."""

    @property
    def t(self) -> NDArray[np.int64]:
        """Times [N] in microseconds, sorted."""

    @property
    def x(self) -> NDArray[np.int32]:
        """Pixel columns [N]."""

    @property
    def y(self) -> NDArray[np.int32]:
        """Pixel rows [N]."""

    @property
    def p(self) -> NDArray[np.bool_]:
        """Polarities [N], True: brighter."""

    @property
    def width(self) -> int:
        """Width of the sensor in pixels."""

    @property
    def height(self) -> int:
        """Height of the sensor in pixels."""


def event_frames(events: EventArrays, frames: int, height: int, width: int) -> Tensor:
    """Histograms of a recording, float32 [frames, 2, height, width] in [0, 1]; channel 0 brighter, 1 darker.

    The recording is cut into `frames` slices of equal duration. The sensor is scaled to fit the frame with its aspect
    kept, and centered; the pixels of a sensor smaller than the frame are repeated. Values are log(1 + count) over that
    of the 99th percentile of all non-zero counts of the recording, at most 1, so that a few hot pixels do not darken
    the rest.
    """
    inner_height, inner_width = _fitted(events.height, events.width, height, width)
    rows, columns = min(inner_height, events.height), min(inner_width, events.width)
    row = events.y.astype(np.int64) * rows // events.height
    column = events.x.astype(np.int64) * columns // events.width
    channel = np.where(events.p, BRIGHTER, DARKER)
    cell = ((_slices(events.t, frames) * 2 + channel) * rows + row) * columns + column
    counts = np.bincount(cell, minlength=frames * 2 * rows * columns).reshape(frames, 2, rows, columns)
    values = _saturated(torch.from_numpy(np.log1p(counts).astype(np.float32)))
    return _centered(_repeated(values, inner_height, inner_width), height, width)


def rendered_event_frames(pixels: NDArray[np.uint8], frames: int, height: int, width: int) -> Tensor:
    """A rendered event picture uint8 [H, W, 3] as `event_frames`: `frames` copies, float32 [frames, 2, height, width].

    The most frequent color is the background. The strength of a mark is the largest difference of a channel from it,
    split by red against blue: red and yellow are brighter events, blue and cyan darker ones, magenta and green both. A
    gray picture is split by lightness instead. The 99th percentile of the marks is 1.
    """
    picture_height, picture_width, _ = pixels.shape
    inner = _fitted(picture_height, picture_width, height, width)
    resized = F.interpolate(torch.from_numpy(_marks(pixels))[None], size=inner, mode="area")
    return _centered(_saturated(resized), height, width).repeat(frames, 1, 1, 1)


def _fitted(height: int, width: int, outer_height: int, outer_width: int) -> tuple[int, int]:
    """The largest size inside the outer one with the aspect of height x width."""
    scale = min(outer_height / height, outer_width / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _slices(t: NDArray[Any], frames: int) -> NDArray[Any]:
    """The slice, of `frames` slices of equal duration, of every (sorted) time; exact, in integers."""
    span = int(t[-1] - t[0]) + 1
    starts = [-(-index * span // frames) for index in range(1, frames)]
    return np.searchsorted(np.array(starts, np.int64), t - t[0], side="right")


def _saturated(values: Tensor) -> Tensor:
    """Values over the 99th percentile of those above zero, at most 1; all zeros stay zeros."""
    positive = values[values > 0]
    if not len(positive):
        return values
    return (values / float(np.percentile(positive.numpy(), 99))).clamp(max=1)


def _repeated(values: Tensor, height: int, width: int) -> Tensor:
    """Enlarge [..., rows, columns] by repeating cells."""
    rows = torch.arange(height) * values.shape[-2] // height
    columns = torch.arange(width) * values.shape[-1] // width
    return values[..., rows, :][..., columns]


def _centered(values: Tensor, height: int, width: int) -> Tensor:
    """Pad [..., h, w] with zeros on all sides to [..., height, width]."""
    top, left = (height - values.shape[-2]) // 2, (width - values.shape[-1]) // 2
    return F.pad(values, (left, width - values.shape[-1] - left, top, height - values.shape[-2] - top))


def _marks(pixels: NDArray[Any]) -> NDArray[Any]:
    """Strength of the brighter and the darker marks of a picture uint8 [H, W, 3], float32 [2, H, W]."""
    packed = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    values, counts = np.unique(packed, return_counts=True)
    background = int(values[counts.argmax()])
    difference = pixels - np.array([background >> 16, background >> 8 & 255, background & 255], np.float32)
    signed = difference[..., 0] - difference[..., 2]
    if not np.ptp(pixels, axis=-1).any():  # all gray
        signed = difference.mean(axis=-1)
    undecided = (np.abs(difference).max(axis=-1) - np.abs(signed)).clip(min=0) / 2
    return np.stack([signed.clip(min=0), (-signed).clip(min=0)]) + undecided
