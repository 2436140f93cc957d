"""An event camera simulated from video frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .render import Floats

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_DARK_CURRENT = 0.03  # keeps the logarithm of a black pixel finite


@dataclass(frozen=True)
class EventCamera:
    """Sensor settings.

    `threshold` is the change of log intensity that fires an event, `threshold_spread` its standard deviation over
    pixels. After an event a pixel is silent for `refractory_us`. `noise_hz` is the rate of spurious events, and the
    readout passes on at most `max_events`, chosen at random.
    """

    threshold: float = 0.22
    threshold_spread: float = 0.03
    refractory_us: int = 1000
    noise_hz: float = 0.25  # per pixel
    max_events: int = 30000

    def record(self, frames: Floats, fps: float, rng: np.random.Generator) -> NDArray[np.int64]:
        """Simulate the events of frames [T, H, W, 3] in [0, 1].

        Returns events [N, 4]: time in microseconds (sorted), x, y, polarity (1: brighter). Log intensity is
        interpolated linearly between frames; a pixel fires whenever it has moved by its threshold since its last
        event, unless it is in its refractory period (after ESIM, Rebecq et al., CoRL 2018).
        """
        count, height, width = frames.shape[:3]
        log = np.log(frames @ _LUMA + _DARK_CURRENT).reshape(count, -1)
        pixels = height * width
        step = np.clip(rng.normal(self.threshold, self.threshold_spread, pixels), 0.3 * self.threshold, None)
        signal = self._crossings(log, step.astype(np.float32), 1e6 / fps)
        events = np.concatenate([signal, self._noise(pixels, int(1e6 * (count - 1) / fps), rng)])
        if len(events) > self.max_events:
            events = events[rng.choice(len(events), self.max_events, replace=False)]
        t, pixel, sign = events[np.argsort(events[:, 0], kind="stable")].T
        return np.stack([t, pixel % width, pixel // width, sign], axis=1)

    def _crossings(self, log: Floats, step: Floats, interval_us: float) -> NDArray[np.int64]:
        """Events [N, 3] (time, pixel, polarity) of log intensities [T, pixels] with one threshold per pixel."""
        level = log[0].copy()
        ready_at = np.zeros(len(step))
        events = [np.empty((0, 3), np.int64)]
        for i in range(len(log) - 1):
            away = log[i + 1] - level
            crossed = np.floor(np.abs(away) / step + 1e-5).astype(int)
            pixel = np.flatnonzero(crossed)
            count, rising = crossed[pixel], away[pixel] > 0
            signed = np.where(rising, step[pixel], -step[pixel])
            change = log[i + 1][pixel] - log[i][pixel]
            change = np.where(np.abs(change) < 1e-6, np.float32(1e-6), change)
            first, each = (level[pixel] - log[i][pixel]) / change, signed / change  # as fractions of the interval
            level[pixel] += count * signed
            for k in range(1, count.max(initial=0) + 1):
                t = interval_us * (i + np.clip(first + k * each, 0, 1))
                fires = t >= ready_at[pixel]
                ready_at[pixel[fires]] = t[fires] + self.refractory_us
                events.append(np.stack([t[fires].astype(np.int64), pixel[fires], rising[fires]], axis=1))
                more = count > k
                pixel, count, rising, first, each = (a[more] for a in (pixel, count, rising, first, each))
        return np.concatenate(events)

    def _noise(self, pixels: int, duration_us: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Spurious events [N, 3] (time, pixel, polarity)."""
        count = rng.poisson(self.noise_hz * pixels * duration_us / 1e6)
        limits = (duration_us, pixels, 2)
        return np.stack([rng.integers(0, limit, count) for limit in limits], axis=1)
