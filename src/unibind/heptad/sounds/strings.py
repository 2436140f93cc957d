"""Sounds of stretched strings, plucked or hammered."""

from __future__ import annotations

import numpy as np

from ..model import Model, pick
from .toolkit import COUNT, SECONDS, Rng, Sound, add_at, low_pass, modes, noise, pluck

_TUNING = (0, 5, 10, 15, 19, 24)  # semitones of a guitar's strings above the lowest
_CHORD = (0, 7, 12, 16, 19, 24)  # an open major chord
_STEPS = (-12, -8, -5, 0, 3, 4, 7, 9, 12, 16)  # semitones a hand reaches around the middle of the keyboard
_PARTIALS = np.arange(1, 13)


def _semitones(steps: float) -> float:
    """Frequency ratio of an interval."""
    return float(2 ** (steps / 12))


def guitar(model: Model, rng: Rng) -> Sound:
    """Strummed chords or single notes, with a knock on the body."""
    size = model.look.size
    lowest = model.extra.get("tone_hz", 82.0) * _semitones(float(rng.integers(0, 8))) / size
    strings = int(model.extra.get("strings", 6.0))
    bright, damping = rng.uniform(0.5, 0.8), rng.uniform(0.985, 0.998)
    strummed = rng.random() < 0.6
    sound, at = np.zeros(COUNT), rng.uniform(0, 0.3)
    while at < SECONDS - 0.2:
        notes = _CHORD[:strings] if strummed else (pick(rng, _TUNING[:strings]) + int(rng.integers(0, 6)),)
        for k, step in enumerate(notes):
            string = pluck(lowest * _semitones(step), rng, damping=damping, bright=bright, seconds=0.7)
            add_at(rng.uniform(0.5, 1) * string, at + 0.014 * k, sound)
        add_at(1.5 * modes(np.array([105, 210]) / size, 0.04, 1.0, 0.2), at, sound)
        at += rng.uniform(0.25, 0.5) * (1 + strummed)
    return low_pass(sound, rng.uniform(600, 1600) / size)


def piano(model: Model, rng: Rng) -> Sound:
    """Chords and runs of hammered strings, inharmonic from their stiffness; longer strings are less so."""
    stiffness = 0.0005 / model.look.size**4  # of a steel string: as length to the power -4 (Fletcher 1964)
    middle, sustain = model.extra.get("tone_hz", 262.0), 0.6 + 0.5 * model.extra.get("grand", 0.0)
    hammers, sound, at = noise(rng, 100, 1500), np.zeros(COUNT), rng.uniform(0, 0.3)
    for step in rng.choice(_STEPS, size=int(rng.integers(3, 8))):
        tone = middle * _semitones(step)
        partials = tone * _PARTIALS * np.sqrt(1 + stiffness * _PARTIALS**2)
        unison = np.concatenate([partials, partials * 1.0012])  # strings of one key beat slowly
        decays = sustain * np.sqrt(262 / tone / np.tile(_PARTIALS, 2))
        note = modes(unison, decays, np.tile(1 / _PARTIALS**1.2, 2))
        note[:1600] += 0.2 * hammers[:1600] * np.exp(-np.arange(1600) / 160)
        add_at(rng.uniform(0.4, 1) * note, at, sound)
        at += pick(rng, (0.0, 0.15, 0.3, 0.5))
    return sound
