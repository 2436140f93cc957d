"""Sounds of struck and knocked bodies: skins, bells, strings under hammers, wood, glass, ceramics, clockwork."""

from __future__ import annotations

import numpy as np

from ..model import Model
from .toolkit import SECONDS, Rng, Sound, decay, every, modes, noise, place, pluck, silence, train_of

_MEMBRANE = np.array([1.0, 1.59, 2.14, 2.30, 2.65, 2.92, 3.16, 3.5])  # zeros of Bessel functions, ratio to the first
_BELL = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.51, 2.66, 3.01, 4.17])  # hum, prime, tierce, quint, nominal, ...
_BAR = np.array([1.0, 2.76, 5.40, 8.93])  # free bar


def drum(model: Model, rng: Rng) -> Sound:
    """Membrane modes with a stick's click, sometimes the rattle of snares, in a rhythm."""
    tone = model.extra.get("tone_hz", rng.uniform(70, 220)) / model.look.size
    rattle = model.extra.get("rattle", float(rng.random() < 0.4))

    def hit() -> Sound:
        strength = rng.uniform(0.5, 1)
        skin = modes(tone * _MEMBRANE, 0.22 / np.sqrt(_MEMBRANE), rng.uniform(0.3, 1, 8) / _MEMBRANE, 0.8)
        snares = 0.5 * rattle * noise(rng, 1500, 7000, 0.8) * decay(0.07, 0.8)
        return strength * (skin + snares + 0.3 * noise(rng, 400, 5000, 0.8) * decay(0.008, 0.8))

    return train_of(hit, every(float(rng.uniform(1.5, 5)), rng, jitter=0.04))


def _ring(tone: float, long: float, rng: Rng) -> Sound:
    partials = tone * _BELL * (1 + rng.normal(0, 0.004, len(_BELL)))
    return modes(
        partials, long / np.sqrt(_BELL), rng.uniform(0.3, 1, len(_BELL)) / np.sqrt(_BELL), min(SECONDS, 5 * long)
    )


def bell(model: Model, rng: Rng) -> Sound:
    """Inharmonic partials that ring on, struck once to four times."""
    tone = model.extra.get("tone_hz", rng.uniform(300, 1200)) / model.look.size
    times = every(float(rng.uniform(0.6, 2.0)), rng, start=float(rng.uniform(0.02, 0.3)))
    return train_of(lambda: _ring(tone, 0.9, rng), times)


def bicycle(model: Model, rng: Rng) -> Sound:
    """The ticking of a freewheel, tyres on the road, and for some the double ring of a handlebar bell."""
    rate = float(rng.uniform(9, 22))
    ticks = train_of(lambda: modes([2600, 4100], 0.004, 1.0, 0.03), every(rate, rng, jitter=0.06))
    sound = 0.7 * ticks + 0.08 * noise(rng, 200, 1500)
    if model.extra.get("bell", 0.5) > rng.random() * 0.9:
        tone, at = float(rng.uniform(1500, 2400)), float(rng.uniform(0.1, 1.0))
        for k in range(int(rng.integers(2, 6))):
            place(0.7 * _ring(tone, 0.35, rng), at + 0.09 * k, sound)
    return sound


def clock(model: Model, rng: Rng) -> Sound:
    """Tick and tock, for some with a chime, an alarm bell or a cuckoo's call."""
    rate = model.extra.get("tick_hz", float(rng.choice([1.0, 2.0, 4.0]))) / 1.0
    high = rng.uniform(1500, 3200) / model.look.size
    ticks = every(float(np.clip(rate, 1, 5)), rng, jitter=0.004)
    sound = train_of(lambda: modes([high, 1.7 * high, 2.9 * high], 0.006, [1, 0.6, 0.3], 0.06), ticks[::2])
    sound += train_of(lambda: modes([0.82 * high, 1.5 * high], 0.007, [1, 0.5], 0.06), ticks[1::2])
    if model.extra.get("ringing"):
        sound += 0.6 * train_of(lambda: _ring(2100, 0.12, rng), every(14.0, rng))
    elif model.extra.get("strike"):
        place(0.8 * _ring(float(rng.uniform(350, 600)), 1.1, rng), float(rng.uniform(0, 0.8)), sound)
    elif model.extra.get("cuckoo"):
        at = float(rng.uniform(0.1, 0.8))
        for k, tone in enumerate((690.0, 550.0)):
            place(0.7 * modes([tone, 2 * tone], 0.12, [1, 0.2], 0.4), at + 0.4 * k, sound)
    return sound


def piano(model: Model, rng: Rng) -> Sound:
    """Hammered strings, slightly inharmonic, a few notes of a chord or run."""
    root = float(rng.choice([130.8, 164.8, 196.0, 261.6, 329.6, 392.0]))
    steps = rng.choice([0, 3, 4, 5, 7, 9, 12, 16], size=int(rng.integers(3, 7)))
    k = np.arange(1, 11)
    sound = silence()
    at = float(rng.uniform(0, 0.15))
    for step in steps:
        tone = root * 2 ** (step / 12)
        partials = tone * k * np.sqrt(1 + 0.0004 * k**2)
        note = modes(partials, 0.9 / np.sqrt(k), 1 / k**1.3, 1.6)
        note += 0.15 * np.pad(noise(rng, 100, 1200, 0.05) * decay(0.012, 0.05), (0, len(note) - 800))
        place(rng.uniform(0.5, 1) * note, at, sound)
        at += float(rng.choice([0.0, 0.18, 0.3]))
    return sound


def guitar(model: Model, rng: Rng) -> Sound:
    """Plucked strings: a strummed chord or single notes."""
    root = float(rng.choice([82.4, 98.0, 110.0, 146.8, 196.0])) / model.look.size**0.3
    chord = [0, 7, 12, 16, 19, 24][: int(model.extra.get("strings", 6.0))]
    strum = bool(rng.random() < 0.6)
    sound, at = silence(), float(rng.uniform(0, 0.2))
    while at < SECONDS - 0.3:
        for step in chord if strum else [float(rng.choice([0, 3, 5, 7, 10, 12]))]:
            place(rng.uniform(0.5, 1) * pluck(root * 2 ** (step / 12), rng, seconds=1.2), at, sound)
            at += 0.015 if strum else 0.0
        at += float(rng.uniform(0.25, 0.8))
    return sound


def _clink(tone: float, ring: float, rng: Rng) -> Sound:
    return modes(tone * _BAR[:3] * (1 + rng.normal(0, 0.03, 3)), ring / np.array([1, 1.6, 2.4]), [1, 0.7, 0.5], 0.5)


def bottle(model: Model, rng: Rng) -> Sound:
    """Glass clinking, or breath across the mouth: a Helmholtz tone in hiss."""
    if rng.random() < 0.5:
        tone = rng.uniform(1700, 3200) / model.look.size
        return train_of(lambda: _clink(tone, 0.12, rng), every(float(rng.uniform(1, 3)), rng, jitter=0.2))
    tone = rng.uniform(150, 330) / model.look.size
    breath = np.clip(np.sin(np.pi * np.linspace(0, rng.uniform(1, 3), len(silence()))), 0, 1)
    blown = modes([tone, 2.9 * tone], 50.0, [1, 0.1]) + 0.25 * noise(rng, 0.7 * tone, 4 * tone)
    return breath * blown


def mug(model: Model, rng: Rng) -> Sound:
    """Ceramic clinks, a spoon that stirs, or something poured with a rising pitch."""
    tone = rng.uniform(1100, 2400) / model.look.size
    sound = train_of(lambda: _clink(tone, 0.05, rng), every(float(rng.uniform(1.5, 6)), rng, jitter=0.15))
    if rng.random() < 0.5:
        bubbles = every(55.0, rng, jitter=0.6)
        rise = np.linspace(400, 1100, len(bubbles))
        for at, pitch in zip(bubbles, rise, strict=True):
            place(0.35 * modes([pitch * rng.uniform(0.8, 1.25)], 0.008, 1.0, 0.05), float(at), sound)
        sound += 0.1 * noise(rng, 800, 4000)
    return sound


def table(model: Model, rng: Rng) -> Sound:
    """Knuckles on wood, now and then a scrape."""
    tone = rng.uniform(110, 260) / model.look.size

    def knock() -> Sound:
        body = modes(
            tone * np.array([1, 1.8, 2.6, 3.9, 5.2]), [0.06, 0.04, 0.03, 0.02, 0.015], [1, 0.8, 0.6, 0.4, 0.3], 0.3
        )
        return body + 0.2 * noise(rng, 300, 3000, 0.3) * decay(0.006, 0.3)

    times = rng.uniform(0, 0.5) + np.cumsum(rng.choice([0.16, 0.2, 0.45], size=int(rng.integers(2, 6))))
    return train_of(knock, times)


def lamp(model: Model, rng: Rng) -> Sound:
    """The click of a switch and the hum of the mains."""
    hum = model.extra.get("hum_hz", 100.0)
    strength = rng.uniform(0.1, 0.35)
    sound = strength * modes(hum * np.arange(1, 7), 90.0, 1 / np.arange(1, 7) ** 0.8) + 0.02 * noise(rng, 1000, 6000)
    clicks = rng.uniform(0.1, 1.8, int(rng.integers(1, 3)))
    return sound + train_of(lambda: modes([1900, 3400, 5200], 0.003, [1, 1, 0.8], 0.04), clicks)
