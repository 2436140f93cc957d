"""Recordings of any length to windows of a fixed one, and moments at which to look at a video."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
