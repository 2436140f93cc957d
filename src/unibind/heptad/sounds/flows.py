"""Sounds of gas, water, cloth and fire: turbulence, bubbles, drops, flutter, crackle."""

from __future__ import annotations

import numpy as np

from ..model import Model
from .toolkit import COUNT, SECONDS, TIME, Rng, Sound, bursts, drops, gate, noise, pulses, rhythm, sweep, wobble


def _crackle(rng: Rng, rate_hz: float, decay: float, low: float, high: float) -> Sound:
    """Bursts of noise at random times; most are faint, a few are strong (Pareto distribution)."""
    count = int(rng.poisson(rate_hz * SECONDS))
    strengths = np.minimum(rng.pareto(2.0, count) + 0.15, 4.0)
    return noise(rng, low, high) * bursts(rng.uniform(0, SECONDS, count), decay, strengths)


def rocket(model: Model, rng: Rng) -> Sound:
    """A deep roar that swells as the engines start and crackles with shocks."""
    swell = np.clip((TIME - rng.uniform(-0.5, 0.5)) / rng.uniform(0.3, 1.2), 0.05, 1)
    deep = noise(rng, 25, rng.uniform(250, 600) / model.look.size)
    harsh = noise(rng, 300, rng.uniform(2500, 5500) / model.look.size)
    return swell * (1.3 * deep + rng.uniform(0.2, 0.6) * harsh + 0.5 * _crackle(rng, 60, 0.003, 200, 4000))


def kettle(model: Model, rng: Rng) -> Sound:
    """Water that hisses and bubbles as it heats; most boiling kettles whistle at a rising pitch."""
    boiling = bool(model.extra.get("boiling", 1.0))
    sound = noise(rng, rng.uniform(500, 1200), rng.uniform(3500, 6500)) * np.linspace(rng.uniform(0.2, 0.9), 1, COUNT)
    times = rhythm(rng.uniform(35, 70) if boiling else rng.uniform(8, 25), rng, jitter=0.5)
    bubbles = drops(times, rng.uniform(200, 800, len(times)) / model.look.size, 0.012, rng.uniform(0.3, 1, len(times)))
    sound = rng.uniform(0.2, 0.6) * sound + rng.uniform(0.5, 1.2) * bubbles
    if boiling and rng.random() < 0.65:
        top, start = rng.uniform(1700, 3200) / model.look.size, rng.uniform(-1.0, 0.8)
        whistle = sweep(0.65 * top, top, SECONDS, 0.4) + 0.3 * sweep(1.3 * top, 2 * top, SECONDS, 0.4)
        sound += 0.9 * whistle * np.clip((TIME - start) / 0.8, 0, 1) * wobble(rng.uniform(4, 9), 0.15, rng)
    return sound


def sailboat(model: Model, rng: Rng) -> Sound:
    """Water that laps at the hull, sails that flutter in the wind, ropes that tap the masts."""
    waves = np.clip(wobble(rng.uniform(0.5, 1.4), 1.0, rng) - 0.9, 0, 1) ** 2
    sound = waves * noise(rng, 250, rng.uniform(1500, 3000)) + 0.3 * noise(rng, 100, 900)
    gurgles = rhythm(rng.uniform(6, 20), rng, jitter=0.6)
    sound += 0.5 * drops(gurgles, rng.uniform(250, 700, len(gurgles)), 0.02)
    flutter = np.clip(wobble(rng.uniform(6, 11), 1.0, rng) - 1, 0, 1) * wobble(rng.uniform(0.4, 1), 0.9, rng)
    sound += rng.uniform(0.0, 0.8) * flutter * noise(rng, 150, 1500)
    if rng.random() < 0.3 * (1 + model.extra.get("masts", 1.0)):
        taps, tone = rhythm(rng.uniform(0.8, 2.5), rng, jitter=0.25), rng.uniform(600, 1100) / model.look.size
        for ratio, strength in ((1, 0.6), (2.1, 0.35), (3.7, 0.25)):
            sound += drops(taps, ratio * tone, 0.06, strength)
    return sound


def umbrella(model: Model, rng: Rng) -> Sound:
    """Rain on stretched cloth or gusts of wind, sometimes with the flap and click of opening."""
    raining = rng.random() < 0.75
    if raining:
        times = rng.uniform(0, SECONDS, int(rng.uniform(60, 240)))
        taut = rng.uniform(300, 600) / model.look.size
        strengths = rng.uniform(0.2, 1, len(times))
        sound = 0.6 * drops(times, taut * rng.uniform(1, 2.2, len(times)), 0.01, strengths)
        sound += rng.uniform(0.1, 0.4) * noise(rng, rng.uniform(900, 1600), 7000)
    else:
        sound = (
            0.4 * noise(rng, 100, 1200) * wobble(rng.uniform(0.5, 1.5), 0.7, rng) * pulses(rng.uniform(5, 9), 3, rng)
        )
    if not raining or rng.random() < 0.5:
        at = rng.uniform(0.05, 1.4)
        flap = noise(rng, 80, 1800) * gate(at - 0.03, SECONDS, fade=0.03) * np.exp(-np.maximum(TIME - at, 0) / 0.07)
        sound += 1.4 * flap + drops([at + 0.05, at + 0.05], [1400, 2700], 0.008)
    return sound


def campfire(model: Model, rng: Rng) -> Sound:
    """Snaps and crackles of all strengths over the soft roar of the flames."""
    roar = noise(rng, 40, rng.uniform(300, 700) / model.look.size) * wobble(rng.uniform(0.5, 2.5), 0.4, rng)
    fine = _crackle(rng, rng.uniform(10, 40), 0.002, 1500, 7500)
    coarse = _crackle(rng, rng.uniform(2, 10), 0.008, 500, 5000)
    hiss = rng.uniform(0.0, 0.06) * noise(rng, 2000, 7000)
    return rng.uniform(0.1, 0.35) * roar + fine + coarse + hiss
