"""Building blocks of sounds: struck modes, plucked strings, noise bands, pulses, voices, rooms.

Every block returns float64 samples at 16 kHz; `at` is a time in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import butter, lfilter, sosfilt

Sound = NDArray[np.float64]
Rng = np.random.Generator

RATE = 16_000
SECONDS = 2.0
COUNT = int(RATE * SECONDS)
TIME: Sound = np.arange(COUNT) / RATE


def silence() -> Sound:
    """Two seconds of nothing."""
    return np.zeros(COUNT)


def place(sound: Sound, at: float, into: Sound) -> None:
    """Add a sound to another from time `at` on; what reaches past the end is lost."""
    start = int(at * RATE)
    if 0 <= start < len(into):
        piece = sound[: len(into) - start]
        into[start : start + len(piece)] += piece


def modes(frequencies: ArrayLike, decays: ArrayLike, amplitudes: ArrayLike, seconds: float = SECONDS) -> Sound:
    """A struck body: damped sines. `decays` are the seconds in which each falls to 1/e."""
    f, tau, a = (np.atleast_1d(np.asarray(v, float)) for v in (frequencies, decays, amplitudes))
    heard = f < RATE / 2
    t = np.arange(int(seconds * RATE)) / RATE
    f, tau, a = f[heard, None], np.broadcast_to(tau, f.shape)[heard, None], np.broadcast_to(a, f.shape)[heard, None]
    return (a * np.exp(-t / tau) * np.sin(2 * np.pi * f * t)).sum(axis=0)


def pluck(
    frequency: float, rng: Rng, *, damping: float = 0.996, bright: float = 0.5, seconds: float = SECONDS
) -> Sound:
    """A plucked string (Karplus and Strong 1983): a burst of noise in a filtered loop one period long."""
    count, period = int(seconds * RATE), max(2, round(RATE / frequency - 0.5))
    burst = np.zeros(count)
    burst[:period] = rng.uniform(-1, 1, min(period, count))
    loop = np.zeros(period + 2)
    loop[0], loop[period], loop[period + 1] = 1.0, -damping * bright, -damping * (1 - bright)
    return lfilter([1.0], loop, burst)


@lru_cache(maxsize=256)
def _band(low: float, high: float) -> Sound:
    edges = [max(low, 10) / (RATE / 2), min(high, RATE / 2 * 0.99) / (RATE / 2)]
    return butter(2, edges, "bandpass", output="sos")


def noise(rng: Rng, low: float, high: float, seconds: float = SECONDS) -> Sound:
    """Noise between two frequencies in Hz, of unit variance."""
    sound = sosfilt(_band(low, high), rng.standard_normal(int(seconds * RATE)))
    return sound / max(float(sound.std()), 1e-9)


def decay(seconds: float, length: float = SECONDS, attack: float = 0.002) -> Sound:
    """An envelope that rises in `attack` seconds and falls to 1/e in `seconds`."""
    t = np.arange(int(length * RATE)) / RATE
    return np.minimum(t / attack, 1) * np.exp(-t / seconds)


def wobble(rate_hz: float, depth: float, phase: float = 0.0) -> Sound:
    """A slow rise and fall around 1."""
    return 1 + depth * np.sin(2 * np.pi * (rate_hz * TIME + phase))


def sweep(start: float, end: float, seconds: float, curve: float = 1.0) -> Sound:
    """A sine whose frequency runs from `start` to `end` Hz; a curve above 1 runs late."""
    t = np.arange(int(seconds * RATE)) / RATE
    frequency = start + (end - start) * (t / seconds) ** curve
    return np.sin(2 * np.pi * np.cumsum(frequency) / RATE)


def harmonics(frequency: Sound | float, strengths: Sequence[float] | Sound, rng: Rng) -> Sound:
    """A tone with overtones at whole multiples; `frequency` in Hz may vary with time."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(frequency, COUNT)) / RATE
    sound = silence()
    for k, strength in enumerate(strengths, start=1):
        sound += strength * np.sin(k * phase + rng.uniform(0, 2 * np.pi))
    return sound


def train_of(make: Callable[[], Sound], times: ArrayLike) -> Sound:
    """Fresh copies of a short sound at the given times."""
    out = silence()
    for at in np.atleast_1d(np.asarray(times, float)):
        place(make(), float(at), out)
    return out


def every(rate_hz: float, rng: Rng, *, jitter: float = 0.05, start: float | None = None) -> Sound:
    """Times at a steady rate, each off by a share of the period."""
    first = rng.uniform(0, 1 / rate_hz) if start is None else start
    times = np.arange(first, SECONDS, 1 / rate_hz)
    return np.clip(times + rng.normal(0, jitter / rate_hz, len(times)), 0, SECONDS)


def voice(pitch: Sound, formants: Sequence[tuple[float, float]], rng: Rng, breath: float = 0.05) -> Sound:
    """Glottal pulses at `pitch` Hz [N] through resonances (frequency, bandwidth) in Hz."""
    phase = np.cumsum(pitch) / RATE
    pulses = np.diff(np.floor(phase), prepend=0.0) + breath * rng.standard_normal(len(pitch))
    sound = np.zeros(len(pitch))
    for centre, width in formants:
        radius = np.exp(-np.pi * width / RATE)
        pole = [1.0, -2 * radius * np.cos(2 * np.pi * centre / RATE), radius**2]
        sound += lfilter([1 - radius], pole, pulses)
    return sound / max(float(np.abs(sound).max()), 1e-9)


def in_a_room(sound: Sound, rng: Rng, *, level: float, wet: float) -> NDArray[np.float32]:
    """The sound as recorded: a short reverberation, room tone or wind, a random level; float32, |x| <= 0.95."""
    tail = int(0.25 * RATE)
    response = rng.standard_normal(tail) * np.exp(-np.arange(tail) / (0.06 * RATE))
    response *= wet / max(float(np.sqrt((response**2).sum())), 1e-9)
    spectrum = np.fft.rfft(sound, COUNT + tail) * (1 + np.fft.rfft(response, COUNT + tail))
    heard = np.fft.irfft(spectrum, COUNT + tail)[:COUNT]
    heard /= max(float(np.abs(heard).max()), 1e-9)
    hiss = lfilter([1.0], [1.0, -rng.uniform(0.2, 0.97)], rng.standard_normal(COUNT))
    heard += level * hiss / max(float(np.abs(hiss).max()), 1e-9)
    if rng.random() < 0.3:
        heard += 0.3 * level * np.sin(2 * np.pi * 50 * TIME)
    peak = rng.uniform(0.2, 0.95)
    return (peak * heard / max(float(np.abs(heard).max()), 1e-9)).astype(np.float32)
