"""Building blocks of sounds: struck modes, plucked strings, noise bands, tones, voices, and their timing.

Every block returns float64 samples at 16 kHz: a whole clip of two seconds unless it takes `seconds`. Times, decays and
lengths are in seconds; a decay is the time to fall to 1/e.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import butter, lfilter, sosfilt

Sound = NDArray[np.float64]
Complex = NDArray[np.complex128]
Rng = np.random.Generator

RATE = 16_000
SECONDS = 2.0  # of a clip
COUNT = int(RATE * SECONDS)
TIME: Sound = np.arange(COUNT) / RATE
TAU = 2 * np.pi


def samples(seconds: float) -> int:
    """Number of samples in a duration."""
    return round(seconds * RATE)


# --- timing --------------------------------------------------------------------------------------------------------


def rhythm(rate_hz: float, rng: Rng, *, jitter: float = 0.05, start: float | None = None) -> Sound:
    """Sorted times of events at a steady rate, with Gaussian jitter as a share of the period."""
    first = rng.uniform(0, 1 / rate_hz) if start is None else start
    times = np.arange(first, SECONDS, 1 / rate_hz)
    return np.sort(np.clip(times + rng.normal(0, jitter / rate_hz, len(times)), 0, SECONDS))


def add_at(sound: Sound, at: float, into: Sound) -> None:
    """Add a sound to `into` from time `at` on, in place; cut it off at the end of `into`."""
    start = samples(at)
    piece = sound[: max(len(into) - start, 0)]
    into[start : start + len(piece)] += piece


def repeated(sound: Sound, times: ArrayLike, strengths: ArrayLike = 1.0) -> Sound:
    """A clip with copies of a sound at the given times."""
    clip = np.zeros(COUNT)
    for at, strength in np.broadcast(times, strengths):
        add_at(strength * sound, at, clip)
    return clip


def bursts(times: ArrayLike, decay: float, strengths: ArrayLike = 1.0) -> Sound:
    """An envelope that jumps by `strengths` at the given times and decays; turns noise into clicks and crackles."""
    jumps = np.zeros(COUNT + 1)  # the last one collects times past the end
    np.add.at(jumps, np.minimum(np.rint(np.asarray(times) * RATE).astype(int), COUNT), strengths)
    return lfilter([1.0], [1.0, -np.exp(-1 / (decay * RATE))], jumps[:COUNT])


def arch(seconds: float) -> Sound:
    """An envelope that rises and falls once, steep at both ends."""
    return np.sqrt(np.hanning(samples(seconds)))


def gate(start: float, stop: float, fade: float = 0.03) -> Sound:
    """An envelope that is 1 between two times, with inner ramps of `fade` seconds."""
    return np.clip(np.minimum(TIME - start, stop - TIME) / fade, 0, 1)


def wobble(rate_hz: float, depth: float, rng: Rng) -> Sound:
    """A sinusoidal envelope around 1."""
    return 1 + depth * np.sin(TAU * (rate_hz * TIME + rng.random()))


def pulses(rate_hz: float, sharpness: float, rng: Rng) -> Sound:
    """An envelope that jumps to 1 at a steady rate and falls by e^-sharpness within each period."""
    return np.exp(-sharpness * ((rate_hz * TIME + rng.random()) % 1))


# --- bodies, strings, tones, noise, voices ---------------------------------------------------------------------------


def modes(frequencies: ArrayLike, decays: ArrayLike, amplitudes: ArrayLike, seconds: float = SECONDS) -> Sound:
    """A struck body: a sum of damped sines. A complex amplitude sets the phase; modes above 8 kHz are dropped.

    A damped sine is the imaginary part of z^n. With n = 256 i + j, Im(z^(256 i) z^j) = Im Re + Re Im, so the sum over
    all modes is one product of real matrices; `einsum` computes it without starting BLAS threads.
    """
    f, tau, a = np.broadcast_arrays(*(np.atleast_1d(v) for v in (frequencies, decays, amplitudes)))
    audible = f < RATE / 2
    coarse, fine = _powers(f[audible], tau[audible], samples(seconds), 256)
    coarse = a[audible, None] * coarse
    left, right = np.concatenate([coarse.imag, coarse.real]), np.concatenate([fine.real, fine.imag])
    return np.einsum("ki,kj->ij", left, right).ravel()[: samples(seconds)]


def drops(times: ArrayLike, frequencies: ArrayLike, decay: float, amplitudes: ArrayLike = 1.0) -> Sound:
    """Many short damped sines at given times and frequencies: bubbles, raindrops, ticks."""
    t, f, a = np.broadcast_arrays(*(np.atleast_1d(v) for v in (times, frequencies, amplitudes)))
    coarse, fine = _powers(f, np.full(len(f), decay), samples(6 * decay), 32)
    grains = ((a[:, None] * coarse)[:, :, None] * fine[:, None, :]).imag.reshape(len(t), -1)
    at = np.rint(t * RATE).astype(int)[:, None] + np.arange(grains.shape[1])
    sound: Sound = np.bincount(at.ravel(), grains.ravel(), COUNT)[:COUNT].astype(float)
    return sound


def _powers(frequencies: Sound, decays: Sound, count: int, block: int) -> tuple[Complex, Complex]:
    """Powers of z for damped sines [K], as products: z^(block i) [K, ceil(count / block)] and z^j [K, block]."""
    log_z = (TAU * 1j * frequencies - 1 / decays) / RATE
    return np.exp(np.outer(log_z, np.arange(0, count, block))), np.exp(np.outer(log_z, np.arange(block)))


def pluck(frequency: float, rng: Rng, *, damping: float = 0.996, bright: float = 0.5, seconds: float = 1.0) -> Sound:
    """A plucked string: a burst of noise in a feedback loop of one period (Karplus and Strong 1983).

    The loop filter averages two neighboring samples with weights `bright` and 1 - `bright`, which adds a delay of
    1 - `bright` samples.
    """
    count, period = samples(seconds), max(2, round(RATE / frequency - (1 - bright)))
    string = np.zeros(count + period + 1)  # the first sample is the one before the burst
    burst = rng.uniform(-1, 1, period)
    string[1 : period + 1] = burst - burst.mean()
    for start in range(period + 1, len(string), period):
        stop = min(start + period, len(string))
        before, earlier = string[start - period : stop - period], string[start - period - 1 : stop - period - 1]
        string[start:stop] = damping * (bright * before + (1 - bright) * earlier)
    return string[1 : count + 1]


@lru_cache(maxsize=512)
def _band(low: float, high: float) -> Sound:
    edges = (max(low, 10), min(high, 0.49 * RATE))
    sections: Sound = butter(2, edges, "bandpass", fs=RATE, output="sos")
    return sections


def noise(rng: Rng, low: float, high: float) -> Sound:
    """Band-pass noise between two frequencies in Hz, with unit variance."""
    band = _band(float(f"{low:.2g}"), float(f"{high:.2g}"))  # rounded, so that the filter cache is hit
    sound = sosfilt(band, rng.standard_normal(COUNT))
    return sound / sound.std()


def harmonics(frequency: float, strengths: ArrayLike, rng: Rng) -> Sound:
    """A steady tone with overtones at integer multiples, in random phase."""
    weights = _random_phases(strengths, rng)
    return modes(frequency * np.arange(1, len(weights) + 1), np.inf, weights)


def gliding_harmonics(line: Sound, strengths: ArrayLike, rng: Rng) -> Sound:
    """Like `harmonics`, for a frequency [COUNT] in Hz that changes over time; overtones must stay below 8 kHz."""
    turn = np.exp(1j * TAU / RATE * np.cumsum(line))
    sound = np.zeros(COUNT, complex)
    for weight in _random_phases(strengths, rng)[::-1]:  # Horner's rule in e^(i phase)
        sound = (sound + weight) * turn
    return sound.imag


def _random_phases(strengths: ArrayLike, rng: Rng) -> Complex:
    weights: Complex = np.asarray(strengths) * np.exp(1j * TAU * rng.random(np.size(strengths)))
    return weights


def sweep(start: float, end: float, seconds: float, curve: float = 1.0) -> Sound:
    """A sine that sweeps from `start` to `end` Hz; a `curve` above 1 delays the sweep."""
    share = np.linspace(0, 1, samples(seconds)) ** curve
    return np.sin(TAU / RATE * np.cumsum(start + (end - start) * share))


def low_pass(sound: Sound, corner: float) -> Sound:
    """First-order low-pass filter: 6 dB per octave above the corner frequency in Hz."""
    kept = np.exp(-TAU * corner / RATE)
    return lfilter([1 - kept], [1.0, -kept], sound)


def resonate(sound: Sound, resonances: Sequence[tuple[float, float]]) -> Sound:
    """Filter a sound through parallel resonances (frequency and bandwidth in Hz)."""
    out = np.zeros(len(sound))
    for center, width in resonances:
        radius = np.exp(-np.pi * width / RATE)
        out += lfilter([1 - radius], [1.0, -2 * radius * np.cos(TAU * center / RATE), radius**2], sound)
    return out


def impulses(start: float, end: float, seconds: float) -> Sound:
    """Unit impulses whose rate glides from `start` to `end` Hz: a glottis, or creaking wood (stick and slip)."""
    return np.diff(np.floor(np.cumsum(np.linspace(start, end, samples(seconds))) / RATE), prepend=0.0)


def voice(glottis: Sound, formants: Sequence[tuple[float, float]], rng: Rng, breath: float = 0.05) -> Sound:
    """Filter glottis impulses [N] with some breath noise through formants (frequency and bandwidth in Hz); peak 1."""
    sound = resonate(glottis + breath * rng.standard_normal(len(glottis)), formants)
    return sound / max(float(np.abs(sound).max()), 1e-9)
