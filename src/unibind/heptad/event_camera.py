"""An event camera, simulated from frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .render import Floats

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_DARK = 0.03  # current of a pixel without light, so that the logarithm stays finite


@dataclass(frozen=True)
class EventCamera:
    """Settings of the sensor: log-intensity thresholds and their spread from pixel to pixel, the time a pixel sleeps
    after an event, the rate of events out of nothing, and how many events its readout passes on."""

    threshold: float = 0.22
    threshold_spread: float = 0.03
    refractory_us: int = 1000
    noise_hz: float = 0.25  # events a second and pixel
    most_events: int = 30000

    def watch(self, frames: Floats, fps: float, rng: np.random.Generator) -> NDArray[np.int64]:
        """Events [N, 4] of frames [T, H, W, 3] in [0, 1]: time in microseconds (sorted), x, y, polarity (1: brighter).

        Log intensity runs straight between frames. A pixel fires whenever it has moved by its threshold from the
        level of its last event, unless it sleeps (after ESIM, Rebecq et al., CoRL 2018).
        """
        count, height, width = frames.shape[:3]
        log = np.log(frames @ _LUMA + _DARK).reshape(count, -1)
        pixels = height * width
        step = np.clip(rng.normal(self.threshold, self.threshold_spread, pixels), 0.3 * self.threshold, None)
        signal = self._crossings(log, step.astype(np.float32), 1e6 / fps)
        events = np.concatenate([signal, self._background(pixels, int(1e6 * (count - 1) / fps), rng)])
        if len(events) > self.most_events:
            events = events[rng.choice(len(events), self.most_events, replace=False)]
        t, pixel, sign = events[np.argsort(events[:, 0], kind="stable")].T
        return np.stack([t, pixel % width, pixel // width, sign], axis=1)

    def _crossings(self, log: Floats, step: Floats, interval_us: float) -> NDArray[np.int64]:
        """Events [N, 3] (time, pixel, polarity) of log intensities [T, pixels] with a threshold for each pixel."""
        level = log[0].copy()
        awake_at = np.zeros(len(step))
        events = [np.empty((0, 3), np.int64)]
        for i in range(len(log) - 1):
            away = log[i + 1] - level
            crossed = np.floor(np.abs(away) / step + 1e-5).astype(int)
            pixel = np.flatnonzero(crossed)
            count, rising = crossed[pixel], away[pixel] > 0
            signed = np.where(rising, step[pixel], -step[pixel])
            change = log[i + 1][pixel] - log[i][pixel]
            change = np.where(np.abs(change) < 1e-6, np.float32(1e-6), change)
            first, each = (level[pixel] - log[i][pixel]) / change, signed / change  # as parts of the interval
            level[pixel] += count * signed
            for k in range(1, count.max(initial=0) + 1):
                t = interval_us * (i + np.clip(first + k * each, 0, 1))
                fires = t >= awake_at[pixel]
                awake_at[pixel[fires]] = t[fires] + self.refractory_us
                events.append(np.stack([t[fires].astype(np.int64), pixel[fires], rising[fires]], axis=1))
                more = count > k
                pixel, count, rising, first, each = (a[more] for a in (pixel, count, rising, first, each))
        return np.concatenate(events)

    def _background(self, pixels: int, duration_us: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Events [N, 3] (time, pixel, polarity) out of nothing."""
        count = rng.poisson(self.noise_hz * pixels * duration_us / 1e6)
        limits = (duration_us, pixels, 2)
        return np.stack([rng.integers(0, limit, count) for limit in limits], axis=1)
