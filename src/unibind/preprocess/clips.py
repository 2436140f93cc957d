"""Recordings of any length to windows of a fixed one, and moments at which to look at a video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UnibindError


def resampled(samples: NDArray[np.float32], rate: int, to: int) -> NDArray[np.float32]:
    """A mono recording at another rate in Hz (soxr, high quality)."""
    if rate == to:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, rate, to), np.float32)


def centre_window(samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The middle `count` samples; a shorter recording is repeated until it fills the window."""
    if len(samples) < count:
        return np.resize(samples, count)
    start = (len(samples) - count) // 2
    return samples[start : start + count]


def even_moments(duration_s: float, count: int) -> NDArray[np.float64]:
    """The middles of `count` equal parts of a clip, in seconds."""
    return (np.arange(count) + 0.5) * duration_s / count


@dataclass(frozen=True)
class ClipPolicy:
    """Which clips of a recording are looked at.

    Without a stride, `clips` of them, evenly spread from the start to the end, also where they overlap or the recording
    is shorter than one. With a stride, one every `stride` seconds as long as they fit, at least one and at most
    `clips`: where there would be more, that many are evenly spread.
    """

    clips: int
    seconds: float
    stride: float | None = None

    def __post_init__(self) -> None:
        """Refuse what gives no clip."""
        if self.clips < 1 or not self.seconds > 0 or (self.stride is not None and not self.stride > 0):
            raise UnibindError(
                f"clips, clip_seconds and stride must be positive, not {self.clips}, {self.seconds} and {self.stride}"
            )

    def starts(self, duration_s: float) -> NDArray[np.float64]:
        """Where the clips of a recording begin, in seconds, ascending."""
        last = max(duration_s - self.seconds, 0.0)
        if self.stride is not None:
            fitting = int(last / self.stride + 1e-9) + 1
            if fitting <= self.clips:
                return np.arange(fitting, dtype=np.float64) * self.stride
        return np.linspace(0, last, self.clips)
