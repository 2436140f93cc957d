"""Recordings of any length to windows of a fixed length, and the moments at which a video is sampled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, gcd

import numpy as np
from numpy.typing import NDArray

from ..errors import UnibindError

_FASTEST_HZ = 1_000_000  # bounds the table of weights


def resampled(samples: NDArray[np.float32], rate: int, to: int) -> NDArray[np.float32]:
    """A mono recording at another rate in Hz (soxr, high quality)."""
    if rate == to:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, rate, to), np.float32)


def sinc_resampled(samples: NDArray[np.float32], rate: int, to: int, first: int, count: int) -> NDArray[np.float32]:
    """Samples `first` to `first + count` of a mono recording at another rate in Hz; no others are computed.

    A Hann-windowed sinc with six zero crossings on each side, cut off at 0.99 of half the lower rate: torchaudio's
    default, with which ImageBind and AST were trained. A recording is silent beyond its ends. Raises UnibindError for a
    rate above 1 MHz.
    """
    if rate > _FASTEST_HZ:
        raise UnibindError(f"a recording of {rate:,} samples per second is not a sound; resample it to {to:,} first")
    if rate == to:
        return samples[first : first + count]
    kernels = _sinc_kernels(rate, to)  # [phases, taps]
    reach = kernels.shape[1] // 2 - 1
    place = np.arange(first, first + count)
    before = place * rate // to  # the last recorded sample at or before each new one
    left, right = int(before[0]) - reach, int(before[-1]) + reach + 2
    near = samples[max(left, 0) : right]
    padded = np.pad(near, (max(-left, 0), right - max(left, 0) - len(near)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernels.shape[1])[before - before[0]]  # [count, taps]
    return np.einsum("nt,nt->n", windows, kernels[place % len(kernels)])


@lru_cache(maxsize=4)
def _sinc_kernels(rate: int, to: int, zeros: int = 6, rolloff: float = 0.99) -> NDArray[np.float32]:
    """Weights of the samples around a new one [phases, taps]; the phase is its position between two of them."""
    cut = min(rate, to) * rolloff
    reach = ceil(zeros * rate / cut)
    after = np.arange(to // gcd(rate, to)) * rate % to / to  # [phases], in samples
    t = (after[:, None] - np.arange(-reach, reach + 2)) * cut / rate
    t = t.clip(-zeros, zeros)  # where the window is 0
    return (np.sinc(t) * np.cos(t * np.pi / zeros / 2) ** 2 * cut / rate).astype(np.float32)


def center_window(samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
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
    """Which clips of a recording are used.

    Without a stride, `clips` clips are evenly spread from the start to the end, even where they overlap or the
    recording is shorter than one. With a stride, one clip starts every `stride` seconds as long as it fits, at least
    one and at most `clips`; where more would fit, `clips` are evenly spread.
    """

    clips: int
    seconds: float
    stride: float | None = None

    def __post_init__(self) -> None:
        """Refuse settings that give no clip."""
        if self.clips < 1 or not self.seconds > 0 or (self.stride is not None and not self.stride > 0):
            raise UnibindError(
                f"clips, clip_seconds and stride must be positive, not {self.clips}, {self.seconds} and {self.stride}"
            )

    def starts(self, duration_s: float) -> NDArray[np.float64]:
        """Start times of the clips of a recording in seconds, ascending."""
        last = max(duration_s - self.seconds, 0.0)
        if self.stride is not None:
            fitting = int(last / self.stride + 1e-9) + 1
            if fitting <= self.clips:
                return np.arange(fitting, dtype=np.float64) * self.stride
        return np.linspace(0, last, self.clips)
