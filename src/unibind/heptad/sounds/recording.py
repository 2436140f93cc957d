"""Recording of a sound: room echo, background noise and level."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from ..model import pick
from .toolkit import COUNT, RATE, Rng, Sound, harmonics, noise, samples, wobble

_TAIL = samples(0.25)


def _room_tone(rng: Rng) -> Sound:
    return lfilter([1.0], [1.0, -rng.uniform(0.2, 0.97)], rng.standard_normal(COUNT))


def _wind(rng: Rng) -> Sound:
    return noise(rng, 30, rng.uniform(200, 700)) * wobble(rng.uniform(0.3, 1.2), 0.6, rng)


def _power_line_hum(rng: Rng) -> Sound:
    return _room_tone(rng) + 3 * harmonics(pick(rng, (50.0, 60.0)), [1, 0.3, 0.5, 0.1, 0.2], rng)


_BACKGROUNDS: tuple[Callable[[Rng], Sound], ...] = (_room_tone, _wind, _power_line_hum)


def record(sound: Sound, rng: Rng) -> NDArray[np.float32]:
    """Record a sound with random echo, background noise and level: float32 [samples] with a peak of 0.2 to 0.95."""
    echoed = _normalize_peak(add_echo(sound, rng.uniform(0.0, 0.5), rng))
    background = _normalize_peak(pick(rng, _BACKGROUNDS, (0.5, 0.3, 0.2))(rng))
    mixed = echoed + np.exp(rng.uniform(np.log(0.02), np.log(0.35))) * background
    return (rng.uniform(0.2, 0.95) * _normalize_peak(mixed)).astype(np.float32)


def _normalize_peak(sound: Sound) -> Sound:
    return sound / max(float(np.abs(sound).max()), 1e-9)


def add_echo(sound: Sound, wet: float, rng: Rng) -> Sound:
    """Convolve with decaying noise, as rooms do; the echo is `wet` times as strong as the direct sound."""
    response = rng.standard_normal(_TAIL) * np.exp(-np.arange(_TAIL) / (rng.uniform(0.02, 0.07) * RATE))
    response *= wet / np.linalg.norm(response)
    response[0] += 1
    count = COUNT + _TAIL
    return np.fft.irfft(np.fft.rfft(sound, count) * np.fft.rfft(response, count), count)[:COUNT]
