"""Sounds of machines: engines, rotors, wheels, motors, and the air they move."""

from __future__ import annotations

import numpy as np

from ..model import Model
from .struck import ringing
from .toolkit import (
    SECONDS,
    TIME,
    Rng,
    Sound,
    bursts,
    drops,
    gate,
    gliding_harmonics,
    harmonics,
    modes,
    noise,
    pulses,
    repeated,
    rhythm,
    wobble,
)


def airplane(model: Model, rng: Rng) -> Sound:
    """Roar and whine of jets or the drone of a propeller; it swells and falls in pitch as it passes."""
    middle, width = rng.uniform(0.3, 1.7), rng.uniform(0.3, 1.2)
    near = 0.25 + np.exp(-(((TIME - middle) / width) ** 2))
    doppler = 1 - rng.uniform(0.0, 0.08) * np.tanh((TIME - middle) / width)
    air = noise(rng, 80, rng.uniform(1000, 2500))
    if model.extra.get("jet", 0.0):
        whine = gliding_harmonics(rng.uniform(1100, 2300) / model.look.size * doppler, [1, 0.3], rng)
        return near * (air + rng.uniform(0.05, 0.35) * whine)
    drone = gliding_harmonics(rng.uniform(70, 120) / model.look.size * doppler, np.arange(1, 15) ** -0.8, rng)
    return near * (drone + rng.uniform(0.3, 0.8) * air)


def helicopter(model: Model, rng: Rng) -> Sound:
    """Rotor blades that slap the air, over the noise of a turbine."""
    rate = rng.uniform(4, 7) * model.extra.get("blades", 4.0) / model.look.size
    slap = pulses(rate, rng.uniform(4, 12), rng) * noise(rng, 50, rng.uniform(400, 1200) / model.look.size)
    turbine = 0.25 * noise(rng, 200, 3000 / model.look.size) + rng.uniform(0.0, 0.2) * harmonics(
        rng.uniform(1500, 2800), [1, 0.2], rng
    )
    return (slap + turbine) * wobble(rng.uniform(0.2, 0.8), 0.3, rng)


def car(model: Model, rng: Rng) -> Sound:
    """Harmonics of an engine that idles or accelerates, tires on the road, sometimes the horn."""
    idle, sway = rng.uniform(25, 55) / model.look.size, np.sin(np.pi * TIME / rng.uniform(1.2, 4)) ** 2
    orders = np.array([0.5, 1, 0.3, 0.9, 0.2, 0.5, 0.2, 0.3, 0.1, 0.15]) * rng.uniform(0.5, 1.5, 10)
    sound = gliding_harmonics(idle * (1 + rng.uniform(-0.2, 1.2) * sway), orders, rng)
    sound += rng.uniform(0.15, 0.7) * noise(rng, 150, rng.uniform(1200, 2600))
    if rng.random() < (0.9 if model.extra.get("horn") else 0.15):
        start, tone = rng.uniform(0, 1.4), rng.uniform(350, 460) / model.look.size**0.5
        horns = harmonics(tone, [1, 0.7, 0.6, 0.4, 0.3], rng) + harmonics(1.21 * tone, [1, 0.7, 0.5], rng)
        sound += gate(start, start + rng.uniform(0.2, 0.6)) * horns
    return sound


def train(model: Model, rng: Rng) -> Sound:
    """Pairs of axles over rail joints, puffs of steam or the whine of a motor, often a chord of horns."""
    rate, size = rng.uniform(1.0, 2.6), model.look.size
    first = rhythm(rate, rng, jitter=0.02)
    joints = np.concatenate([first, first + rng.uniform(0.09, 0.18)])
    wheel = modes(np.array([210, 480, 930]) * rng.uniform(0.8, 1.3) / size, [0.05, 0.03, 0.02], [1, 0.8, 0.5], 0.25)
    sound = repeated(wheel, joints, rng.uniform(0.3, 1.0)) + noise(rng, 300, 3000) * bursts(joints, 0.015, 0.5)
    sound += 0.3 * noise(rng, 40, 500)
    if model.extra.get("steam"):
        sound += 0.5 * noise(rng, 300, 4000) * pulses(2 * rate, 5, rng)
    else:
        sound += 0.15 * gliding_harmonics(
            rng.uniform(250, 800) * (1 + rng.uniform(-0.1, 0.1) * TIME), [1, 0.5, 0.2], rng
        )
    if rng.random() < (0.9 if model.extra.get("horn") else 0.3):
        tone = rng.uniform(220, 330)
        chord = sum(harmonics(tone * ratio, [1, 0.6, 0.4, 0.2], rng) for ratio in (1, 1.19, 1.5))
        sound += 0.4 * gate(rng.uniform(0, 0.8), rng.uniform(1.1, SECONDS), fade=0.06) * chord
    return sound


def bicycle(model: Model, rng: Rng) -> Sound:
    """Tires with the ticking of the freewheel or the noise of the chain; with a bell, often a few rings."""
    sound = rng.uniform(0.03, 0.15) * noise(rng, 200, rng.uniform(1200, 2500))
    tone = rng.uniform(1900, 3300) / model.look.size
    if rng.random() < 0.7:
        ticks = rhythm(rng.uniform(8, 24), rng, jitter=0.06)
        sound += rng.uniform(0.3, 0.8) * (drops(ticks, tone, 0.004) + drops(ticks, rng.uniform(1.3, 1.8) * tone, 0.003))
    else:
        sound += 0.15 * noise(rng, 1500, 5000) * pulses(rng.uniform(12, 25), 2.5, rng)
    if model.extra.get("bell", 0.0) and rng.random() < 0.7:
        strokes = rng.uniform(0.1, 1.2) + 0.09 * np.arange(int(rng.integers(2, 6)))
        sound += 0.6 * repeated(ringing(rng.uniform(1300, 2400), 0.3, rng), strokes)
    return sound


def fan(model: Model, rng: Rng) -> Sound:
    """Steady airflow with the beat of the blades and the hum of a motor."""
    beat = rng.uniform(4, 9) * model.extra.get("blades", 4.0) / model.look.size
    air = noise(rng, 120, rng.uniform(1500, 3500) / model.look.size) * wobble(beat, rng.uniform(0.1, 0.4), rng)
    hum = harmonics(100.0, [1, 0.5, 0.25, 0.2], rng)
    blades = harmonics(2 * beat, [1, 0.6, 0.3], rng)
    return air + rng.uniform(0.1, 0.5) * hum + rng.uniform(0.1, 0.4) * blades


def lamp(model: Model, rng: Rng) -> Sound:
    """The click of a switch and, when lit, the hum of the power line."""
    on, hum = rng.uniform(0.1, 1.2), model.extra.get("hum_hz", 100.0)
    lit = gate(on if rng.random() < 0.5 else -1.0, SECONDS + 1, fade=0.05) * model.extra.get("lit", 1.0)
    buzz = harmonics(hum, rng.uniform(0.2, 1, 8) / np.arange(1, 9) ** rng.uniform(0.5, 1.2), rng)
    clicks = np.array([on, on + rng.uniform(0.04, 0.6)])[: int(rng.integers(1, 3))]
    tone, sharp = rng.uniform(1200, 3000) / model.look.size, rng.uniform(0.3, 1.0)
    switch = (
        drops(clicks, tone, 0.004) + drops(clicks, 1.8 * tone, 0.003) + noise(rng, 2000, 7000) * bursts(clicks, 0.002)
    )
    return rng.uniform(0.08, 0.4) * lit * buzz + sharp * switch + 0.01 * noise(rng, 1000, 6000)
