"""Sounds of animals and people: barks, chirps, speech and footsteps."""

from __future__ import annotations

import numpy as np

from ..model import Model, pick
from .toolkit import (
    COUNT,
    SECONDS,
    Rng,
    Sound,
    add_at,
    arch,
    bursts,
    impulses,
    modes,
    noise,
    pulses,
    repeated,
    rhythm,
    samples,
    sweep,
    voice,
)

_VOWELS = (  # formants and their bandwidths in Hz (Peterson and Barney 1952, men)
    ((730, 90), (1090, 110), (2440, 160)),  # ah
    ((270, 60), (2290, 120), (3010, 170)),  # ee
    ((300, 60), (870, 100), (2240, 160)),  # oo
    ((530, 70), (1840, 110), (2480, 160)),  # eh
    ((570, 80), (840, 100), (2410, 160)),  # aw
)


def dog(model: Model, rng: Rng) -> Sound:
    """Barks: a hoarse falling pitch through formants, sometimes with panting. Small dogs bark higher."""
    weight = model.extra.get("weight", 1.0) * model.look.size
    sound, at = np.zeros(COUNT), rng.uniform(0, 0.6)
    hoarse = rng.uniform(0.1, 0.4)
    while at < SECONDS - 0.15:
        seconds = rng.uniform(0.09, 0.22)
        glottis = impulses(rng.uniform(380, 560) / weight, rng.uniform(180, 280) / weight, seconds)
        formants = [(rng.uniform(600, 850) / weight, 180), (rng.uniform(1300, 1700) / weight, 250), (2600, 350)]
        add_at(rng.uniform(0.5, 1) * voice(glottis, formants, rng, hoarse) * arch(seconds), at, sound)
        at += seconds + pick(rng, (0.08, 0.25, 0.5, 0.9))
    if rng.random() < 0.3:
        sound += 0.06 * noise(rng, 600, 4000) * pulses(rng.uniform(3, 5), 3, rng)
    return sound


def bird(model: Model, rng: Rng) -> Sound:
    """Phrases of sweeps, trills and repeated notes; heavier birds sing lower."""
    base = rng.uniform(2000, 4200) / model.look.size / np.sqrt(model.extra.get("stout", 1.0))
    sound, at = np.zeros(COUNT), rng.uniform(0, 0.6)
    while at < SECONDS - 0.1:
        seconds, repeats = rng.uniform(0.03, 0.16), int(rng.integers(1, 7))
        start, end = base * rng.uniform(0.75, 1.4, 2)
        note = sweep(start, end, seconds, rng.uniform(0.6, 1.8)) * arch(seconds) * rng.uniform(0.4, 1)
        for k in range(repeats):
            add_at(note, at + 1.2 * k * seconds, sound)
        at += 1.2 * repeats * seconds + rng.uniform(0.05, 0.6)
    return sound


def person(model: Model, rng: Rng) -> Sound:
    """Footsteps, or syllables of speech with changing vowels and pitch, or both."""
    walks = rng.random() < (0.8 if model.extra.get("walking", 0.0) else 0.2)
    talks = not walks or rng.random() < 0.5
    sound = np.zeros(COUNT)
    if walks:
        steps = rhythm(rng.uniform(1.5, 2.3), rng, jitter=0.03)
        heel = modes(rng.uniform(80, 130) * np.array([1, 1.8]) / model.look.size, 0.03, 1.0, 0.15)
        sound += repeated(heel, steps) + noise(rng, 100, rng.uniform(1000, 3000)) * bursts(steps, 0.02, 0.6)
    if talks:
        sound += _speech(125 * model.extra.get("voice", 1.0) / model.look.size, model.look.size, rng)
    return sound


def _speech(base: float, tract: float, rng: Rng) -> Sound:
    """Babble at about `base` Hz: vowels, some after a fricative; `tract` is the length of the vocal tract (usual: 1)."""
    sound, at, hiss = np.zeros(COUNT), rng.uniform(0, 0.4), noise(rng, 2500, 7000)
    while at < SECONDS - 0.15:
        seconds = rng.uniform(0.1, 0.28)
        start, end = base * rng.uniform(0.85, 1.25, 2)
        if rng.random() < 0.4:
            add_at(0.15 * hiss[: samples(0.07)] * arch(0.07), at, sound)
            at += 0.06
        formants = [(center / tract, width) for center, width in pick(rng, _VOWELS)]
        vowel = voice(impulses(start, end, seconds), formants, rng) * arch(seconds)
        add_at(rng.uniform(0.5, 1) * vowel, at, sound)
        at += seconds + pick(rng, (0.02, 0.05, 0.3))
    return sound
