"""Sounds of air, engines, friction and fire: rotors, jets, rails, fans, water, cloth, flames."""

from __future__ import annotations

import numpy as np

from ..model import Model
from .struck import _clink
from .toolkit import (
    COUNT,
    SECONDS,
    TIME,
    Rng,
    Sound,
    decay,
    every,
    harmonics,
    modes,
    noise,
    place,
    silence,
    sweep,
    train_of,
    wobble,
)


def airplane(model: Model, rng: Rng) -> Sound:
    """The roar of jets with a whine, or a propeller's drone, passing by."""
    passing = np.exp(-((TIME - rng.uniform(0.5, 1.5)) ** 2) / rng.uniform(0.5, 2.0))
    if model.extra.get("jet", float(rng.random() < 0.5)):
        whine = harmonics(rng.uniform(1100, 2300) * (1 - 0.08 * TIME), [1, 0.3], rng)
        return (0.3 + passing) * (noise(rng, 80, 1800) + 0.25 * whine)
    tone = rng.uniform(70, 120) / model.look.size
    drone = harmonics(tone * (1 - 0.04 * TIME), 1 / np.arange(1, 14) ** 0.8, rng)
    return (0.3 + passing) * (drone + 0.4 * noise(rng, 100, 1500))


def helicopter(model: Model, rng: Rng) -> Sound:
    """Blades that slap the air twelve to twenty times a second over a turbine."""
    rate = 2.2 * model.extra.get("blades", 4.0) * rng.uniform(1.3, 2.0) / model.look.size
    beat = (rate * TIME) % 1
    slap = np.exp(-beat * 9) * noise(rng, 50, 700)
    return slap + 0.25 * noise(rng, 200, 3000) * wobble(rate, 0.5) + 0.08 * harmonics(rng.uniform(1800, 2600), [1], rng)


def rocket(model: Model, rng: Rng) -> Sound:
    """A broad roar that swells and crackles."""
    swell = np.clip(TIME / rng.uniform(0.2, 1.2), 0.1, 1)
    crackle = (rng.random(COUNT) < 0.004) * rng.standard_normal(COUNT) * 6
    return swell * (
        noise(rng, 25, 500) * 1.3 + 0.5 * noise(rng, 300, 5000) + 0.6 * np.convolve(crackle, decay(0.002, 0.02), "same")
    )


def car(model: Model, rng: Rng) -> Sound:
    """Engine orders at a changing speed, tyre noise, for some a horn."""
    idle = rng.uniform(25, 55) / model.look.size
    speed = idle * (1 + rng.uniform(-0.2, 0.9) * np.sin(np.pi * TIME / rng.uniform(1.2, 4)) ** 2)
    engine = harmonics(speed, [0.5, 1, 0.3, 0.9, 0.2, 0.5, 0.2, 0.3, 0.1, 0.15], rng)
    sound = engine + 0.35 * noise(rng, 150, 1800)
    if rng.random() < max(0.35, model.extra.get("horn", 0.0)):
        start, long = rng.uniform(0, 1.2), rng.uniform(0.2, 0.6)
        gate = ((start < TIME) & (start + long > TIME)).astype(float)
        sound += 2 * gate * (harmonics(415.0, [1, 0.7, 0.6, 0.4, 0.3], rng) + harmonics(505.0, [1, 0.7, 0.5], rng)) / 2
    return sound


def train(model: Model, rng: Rng) -> Sound:
    """Wheels over rail joints in pairs, a rumble, steam puffs or a motor's whine, often a chord of horns."""
    rate = rng.uniform(1.2, 2.6)

    def clack() -> Sound:
        return modes([210, 480, 930], [0.05, 0.03, 0.02], [1, 0.8, 0.5], 0.25) + 0.4 * noise(
            rng, 300, 3000, 0.25
        ) * decay(0.02, 0.25)

    first = every(rate, rng, jitter=0.02)
    sound = train_of(clack, np.sort(np.concatenate([first, np.clip(first + 0.13, 0, SECONDS)]))) + 0.3 * noise(
        rng, 40, 400
    )
    if model.extra.get("steam", float(rng.random() < 0.4)):
        sound += 0.8 * noise(rng, 300, 4000) * np.exp(-((2 * rate * TIME) % 1) * 5)
    else:
        sound += 0.15 * harmonics(rng.uniform(300, 700) * (1 + 0.1 * TIME), [1, 0.5], rng)
    if rng.random() < max(0.4, model.extra.get("horn", 0.0)):
        gate = np.clip(np.minimum(TIME - rng.uniform(0, 0.6), rng.uniform(1.1, 1.9) - TIME) * 20, 0, 1)
        sound += 0.8 * gate * sum(harmonics(f, [1, 0.6, 0.4, 0.2], rng) for f in (277.0, 330.0, 415.0)) / 2
    return sound


def sailboat(model: Model, rng: Rng) -> Sound:
    """Water that laps, wind, cloth that flutters, a rope that taps the mast."""
    lap = (
        noise(rng, 250, 2200) * np.clip(np.sin(2 * np.pi * rng.uniform(0.6, 1.3) * TIME + rng.uniform(0, 6)), 0, 1) ** 2
    )
    sound = lap + 0.3 * noise(rng, 100, 900) * wobble(rng.uniform(0.3, 0.8), 0.5)
    sound += (
        0.5 * noise(rng, 150, 1500) * np.clip(np.sin(2 * np.pi * rng.uniform(6, 11) * TIME), 0, 1) * wobble(0.7, 0.9)
    )
    if rng.random() < 0.6:
        taps = every(float(rng.uniform(0.8, 2.5)), rng, jitter=0.25)
        sound += 0.6 * train_of(lambda: modes([780, 1630, 2900], 0.09, [1, 0.6, 0.4], 0.4), taps)
    return sound


def fan(model: Model, rng: Rng) -> Sound:
    """Steady air with the beat of blades and a motor's hum."""
    rate = model.extra.get("blades", 4.0) * rng.uniform(4, 9) / model.look.size
    air = noise(rng, 120, 2600) * wobble(rate, rng.uniform(0.1, 0.35))
    hum = harmonics(100.0, [1, 0.5, 0.25, 0.2], rng)
    return air + rng.uniform(0.1, 0.4) * hum + 0.2 * harmonics(rate * 2, [1, 0.5], rng)


def kettle(model: Model, rng: Rng) -> Sound:
    """Hiss and bubbling that for a boiling one rises into a whistle."""
    boiling = model.extra.get("boiling", 1.0)
    sound = noise(rng, 900, 6000) * np.linspace(0.5, 1, COUNT) * 0.6
    bubbles = every(30.0, rng, jitter=0.5)
    sound += 0.8 * train_of(lambda: modes([rng.uniform(250, 700)], 0.012, 1.0, 0.06), bubbles)
    if boiling and rng.random() < 0.7:
        top = rng.uniform(1700, 3000) / model.look.size**0.5
        whistle = sweep(0.6 * top, top, SECONDS, 0.4) + 0.3 * sweep(1.2 * top, 2 * top, SECONDS, 0.4)
        sound += 0.9 * whistle * np.clip(np.linspace(-0.3, 1.2, COUNT), 0, 1) * wobble(rng.uniform(4, 9), 0.1)
    elif rng.random() < 0.4:
        place(0.8 * _clink(rng.uniform(900, 1600), 0.08, rng), float(rng.uniform(0.1, 1.5)), sound)
    return sound


def umbrella(model: Model, rng: Rng) -> Sound:
    """Cloth that flaps open, then rain drumming on it."""
    rain = silence()
    drops = rng.uniform(0, SECONDS, int(rng.uniform(60, 220)))
    strength = rng.uniform(0.2, 1, len(drops))
    for at, s in zip(drops, strength, strict=True):
        place(s * modes([rng.uniform(350, 900)], 0.012, 1.0, 0.05), float(at), rain)
    sound = 0.6 * rain + 0.3 * noise(rng, 1200, 7000)
    if rng.random() < 0.6:
        at = float(rng.uniform(0.05, 0.8))
        place(1.6 * noise(rng, 80, 1800, 0.4) * decay(0.07, 0.4, attack=0.02), at, sound)
        place(modes([1400, 2700], 0.01, 1.0, 0.1), at + 0.05, sound)
    return sound


def chair(model: Model, rng: Rng) -> Sound:
    """Wood that creaks in stick and slip, or legs scraped over a floor, ended by a knock."""
    sound = silence()
    for _ in range(int(rng.integers(1, 4))):
        long = float(rng.uniform(0.2, 0.6))
        n = int(long * 16_000)
        pitch = np.linspace(rng.uniform(60, 160), rng.uniform(60, 200), n) * (1 + 0.1 * rng.standard_normal())
        slips = np.diff(np.floor(np.cumsum(pitch) / 16_000), prepend=0.0)
        tone = rng.uniform(350, 900) / model.look.size
        creak = np.convolve(slips, modes([tone, 2.3 * tone, 3.8 * tone], 0.004, [1, 0.8, 0.5], 0.03))[:n]
        scrape = 0.25 * noise(rng, 300, 2500, long) * slips.clip(0.15, 1)
        place((creak + scrape) * np.hanning(n), float(rng.uniform(0, 1.4)), sound)
    knock = modes(np.array([130, 250, 410]) / model.look.size, 0.05, [1, 0.8, 0.5], 0.3)
    place(rng.uniform(0.3, 1.0) * knock, float(rng.uniform(0.8, 1.7)), sound)
    return sound


def campfire(model: Model, rng: Rng) -> Sound:
    """Crackles of all sizes over a soft roar."""
    sound = 0.12 * noise(rng, 40, 600) * wobble(rng.uniform(0.5, 2), 0.4)
    times = rng.uniform(0, SECONDS, int(rng.uniform(25, 90)))
    for at in times:
        size = rng.pareto(2.0) + 0.15
        snap = noise(rng, 800, 7500, 0.05) * decay(rng.uniform(0.002, 0.009), 0.05, attack=0.0005)
        place(min(size, 3.0) * snap, float(at), sound)
    return sound
