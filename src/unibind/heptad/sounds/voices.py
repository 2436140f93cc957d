"""Sounds of throats: barks, chirps, speech and the steps that go with it."""

from __future__ import annotations

import numpy as np

from ..model import Model
from .toolkit import RATE, SECONDS, Rng, Sound, decay, every, modes, noise, place, silence, sweep, train_of, voice

_VOWELS = (
    ((730, 90), (1090, 110), (2440, 160)),
    ((270, 60), (2290, 120), (3010, 170)),
    ((300, 60), (870, 100), (2240, 160)),
    ((530, 70), (1840, 110), (2480, 160)),
)


def dog(model: Model, rng: Rng) -> Sound:
    """Barks: a falling pitch through an opening mouth; small dogs bark higher."""
    weight = model.extra.get("weight", 1.0) * model.look.size
    sound, at = silence(), float(rng.uniform(0, 0.3))
    while at < SECONDS - 0.2:
        long = float(rng.uniform(0.1, 0.2))
        n = int(long * RATE)
        pitch = np.linspace(rng.uniform(420, 520), rng.uniform(200, 260), n) / weight
        bark = voice(pitch, [(700 / weight, 180), (1500 / weight, 250), (2600, 350)], rng, breath=0.25)
        place(bark * np.hanning(n) ** 0.5, at, sound)
        at += long + float(rng.choice([0.08, 0.25, 0.5]))
    return sound


def bird(model: Model, rng: Rng) -> Sound:
    """Phrases of chirps: quick sweeps, trills, repeated notes."""
    base = rng.uniform(2200, 4200) / model.look.size / model.extra.get("stout", 1.0) ** 0.5
    sound, at = silence(), float(rng.uniform(0, 0.3))
    while at < SECONDS - 0.1:
        long = float(rng.uniform(0.05, 0.16))
        start, end = base * rng.uniform(0.8, 1.4, 2)
        chirp = sweep(float(start), float(end), long, float(rng.uniform(0.6, 1.8)))
        for k in range(int(rng.integers(1, 5))):
            place(chirp * np.hanning(len(chirp)), at + k * long * 1.15, sound)
        at += long * 4 + float(rng.uniform(0.05, 0.4))
    return sound


def person(model: Model, rng: Rng) -> Sound:
    """Syllables of changing vowels and a melody of pitch, or footsteps, or both."""
    sound = silence()
    walking = bool(model.extra.get("walking", 0.0)) and rng.random() < 0.7
    if walking:

        def step() -> Sound:
            return noise(rng, 100, 1400, 0.15) * decay(0.02, 0.15) + modes([90, 160], 0.03, 1.0, 0.15)

        sound += train_of(step, every(float(rng.uniform(1.5, 2.2)), rng, jitter=0.03))
    if not walking or rng.random() < 0.6:
        base, at = 130 * model.extra.get("voice", 1.0), float(rng.uniform(0, 0.2))
        while at < SECONDS - 0.15:
            long = float(rng.uniform(0.1, 0.26))
            n = int(long * RATE)
            pitch = base * np.linspace(*rng.uniform(0.85, 1.25, 2), n)
            vowel = _VOWELS[int(rng.integers(len(_VOWELS)))]
            place(voice(pitch, vowel, rng) * np.hanning(n) ** 0.5, at, sound)
            if rng.random() < 0.4:
                place(0.15 * noise(rng, 2500, 7000, 0.07) * np.hanning(1120), at, sound)
            at += long + float(rng.choice([0.02, 0.05, 0.2]))
    return sound
