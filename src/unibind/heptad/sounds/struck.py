"""Sounds of struck and rubbed bodies: skins, bells, clockwork, glass, ceramics, wood."""

from __future__ import annotations

import numpy as np

from ..model import Model
from .toolkit import (
    COUNT,
    SECONDS,
    Rng,
    Sound,
    add_at,
    arch,
    bursts,
    drops,
    gate,
    harmonics,
    impulses,
    modes,
    noise,
    repeated,
    resonate,
    rhythm,
    sweep,
)

_SKIN = np.array([1.0, 1.59, 2.14, 2.30, 2.65, 2.92, 3.16, 3.50])  # ideal membrane: zeros of Bessel functions
_BELL = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.51, 2.66, 3.01, 4.17])  # hum, prime, tierce, quint, nominal, ...
_CUP = np.array([1.0, 2.76, 5.40])  # free bar, a good approximation of thick rims
_BOARD = np.array([1.0, 1.8, 2.6, 3.9, 5.2])  # plate clamped at its edges
RING = {"metal": 0.14, "ceramic": 0.07, "plastic": 0.012, "wood": 0.03, "fabric": 0.012}  # decay by material, seconds


def drum(model: Model, rng: Rng) -> Sound:
    """Membrane modes struck in a rhythm or a roll, on some drums with the rattle of snares."""
    tone = model.extra.get("tone_hz", 120.0) * rng.uniform(0.85, 1.15) / model.look.size
    rate, jitter = (rng.uniform(9, 14), 0.1) if rng.random() < 0.2 else (rng.uniform(1.5, 5), 0.04)
    times = rhythm(rate, rng, jitter=jitter)
    strengths = rng.uniform(0.4, 1.0, len(times))
    skin = modes(tone * _SKIN, rng.uniform(0.1, 0.25) / np.sqrt(_SKIN), rng.uniform(0.3, 1, len(_SKIN)) / _SKIN, 1.0)
    stick = noise(rng, 400, 5000) * bursts(times, 0.006, rng.uniform(0.1, 0.4) * strengths)
    snares = noise(rng, 1500, 7000) * bursts(times, 0.07, 0.4 * model.extra.get("rattle", 0.0) * strengths)
    return repeated(skin, times, strengths) + stick + snares


def ringing(tone: float, decay: float, rng: Rng) -> Sound:
    """One stroke on a bell with its prime at `tone` Hz: inharmonic partials, of which the lowest ring longest."""
    partials = tone * _BELL * (1 + rng.normal(0, 0.006, len(_BELL)))
    loudness = rng.uniform(0.3, 1, len(_BELL)) / np.sqrt(_BELL)
    return modes(partials, decay / np.sqrt(_BELL), loudness, min(SECONDS, 5 * decay))


def bell(model: Model, rng: Rng) -> Sound:
    """A bell that keeps ringing between strokes; small bells are struck faster and fade sooner."""
    tone = model.extra.get("tone_hz", 600.0) * rng.uniform(0.8, 1.25) / model.look.size
    decay = rng.uniform(0.7, 1.4) * (600 / tone) ** 0.4
    times = rhythm(rng.uniform(0.6, 1.6) * (tone / 600) ** 0.6, rng, start=rng.uniform(0.0, 0.4))
    strokes = repeated(ringing(tone, decay, rng), times, rng.uniform(0.5, 1, len(times)))
    return strokes + noise(rng, 2000, 7000) * bursts(times, 0.004, 0.5)


def clock(model: Model, rng: Rng) -> Sound:
    """Tick and tock of an escapement, sometimes with the strike, alarm or cuckoo of that kind of clock."""
    high = rng.uniform(1500, 3600) / model.look.size
    times = rhythm(float(np.clip(2 * model.extra.get("tick_hz", 1.0), 2, 5)), rng, jitter=0.004)
    tick, tock = high * np.array([1, 1.7, 2.9]), 0.82 * high * np.array([1, 1.8, 2.7])
    decay = rng.uniform(0.003, 0.012)
    sound = drops(np.repeat(times[::2], 3), np.tile(tick, len(times[::2])), decay)
    sound += drops(np.repeat(times[1::2], 3), np.tile(tock, len(times[1::2])), decay)
    at = rng.uniform(0.0, 0.9)
    if model.extra.get("ringing") and rng.random() < 0.7:
        alarm = repeated(ringing(rng.uniform(1700, 2500), 0.12, rng), rhythm(rng.uniform(10, 18), rng, jitter=0.02))
        sound += 0.6 * alarm * gate(at, SECONDS)
    elif model.extra.get("strike") and rng.random() < 0.6:
        add_at(0.8 * ringing(rng.uniform(350, 650) / model.look.size, 1.1, rng), at, sound)
    elif model.extra.get("cuckoo") and rng.random() < 0.6:
        third = rng.uniform(600, 720)
        for k, tone in enumerate((third, 0.8 * third)):
            call = (sweep(tone, tone, 0.22) + 0.2 * sweep(2 * tone, 2 * tone, 0.22)) * arch(0.22)
            add_at(1.2 * call, at + 0.42 * k, sound)
    return sound


def clinks(tone: float, decay: float, times: Sound, rng: Rng) -> Sound:
    """A hard cup or rim struck at the given times, each time at a slightly different spot."""
    sound = np.zeros(COUNT)
    for at in times:
        partials = tone * _CUP * (1 + rng.normal(0, 0.02, 3))
        add_at(modes(partials, decay / np.sqrt(_CUP), rng.uniform(0.2, 1, 3), 5 * decay), at, sound)
    return sound


def bottle(model: Model, rng: Rng) -> Sound:
    """A bottle blown across its mouth; otherwise glass clinks, and plastic is emptied in gulps."""
    if rng.random() < 0.4:
        return _blown(model, rng)
    return _gulps(model, rng) if model.look.material == "plastic" else _glass(model, rng)


def _blown(model: Model, rng: Rng) -> Sound:
    """A Helmholtz resonance driven by breath."""
    tone, start = rng.uniform(150, 330) / model.look.size, rng.uniform(0, 0.5)
    breath = gate(start, start + rng.uniform(0.7, 1.5), fade=0.2)
    return breath * (harmonics(tone, [1, 0.05, 0.1], rng) + 0.3 * noise(rng, 0.7 * tone, 6 * tone))


def _gulps(model: Model, rng: Rng) -> Sound:
    """Air that bubbles in as liquid runs out; the pitch rises with the air inside."""
    times = rhythm(rng.uniform(3.5, 7), rng, jitter=0.1)
    rise = np.linspace(1, rng.uniform(1.3, 2), len(times)) * rng.uniform(220, 320) / model.look.size
    splash = noise(rng, 300, 3000) * bursts(times, 0.06)
    return drops(times, rise, 0.035) + 0.5 * drops(times, 1.9 * rise, 0.025) + rng.uniform(0.05, 0.25) * splash


def _glass(model: Model, rng: Rng) -> Sound:
    times = rhythm(rng.uniform(1, 3.5), rng, jitter=0.25)
    return clinks(rng.uniform(1500, 3000) / model.look.size, 2 * RING[model.look.material], times, rng)


def mug(model: Model, rng: Rng) -> Sound:
    """A cup that is set down, stirred with a spoon, or filled: bubbles whose pitch rises with the level."""
    tone, decay = rng.uniform(1000, 2300) / model.look.size, RING[model.look.material]
    if rng.random() < 0.4:
        return clinks(tone, decay, rhythm(rng.uniform(3, 6), rng, jitter=0.12), rng)  # stirring with a spoon
    sound = clinks(0.8 * tone, decay, rhythm(rng.uniform(0.7, 2), rng, jitter=0.2), rng)
    if rng.random() < 0.7:
        times = rhythm(rng.uniform(40, 70), rng, jitter=0.6)
        level = np.linspace(400, 1100, len(times)) * rng.uniform(0.8, 1.25, len(times)) / model.look.size
        pour = drops(times, level, 0.008, 0.4) + 0.1 * noise(rng, 800, 4000)
        sound += pour * gate(0, rng.uniform(1.0, 2.2), fade=0.15)
    return sound


def _knocks(tone: float, decay: float, times: Sound, rng: Rng) -> Sound:
    board = modes(tone * _BOARD, decay / np.sqrt(_BOARD), rng.uniform(0.3, 1, len(_BOARD)) / np.sqrt(_BOARD), 6 * decay)
    strengths = rng.uniform(0.5, 1.0, len(times))
    return repeated(board, times, strengths) + noise(rng, 300, 3000) * bursts(times, 0.005, 0.3 * strengths)


def _scrape(start: float, seconds: float, rng: Rng) -> Sound:
    """Furniture dragged over a floor: rough noise filtered by two resonances of the boards."""
    rough = noise(rng, 200, 3000) * (0.3 + bursts(rhythm(rng.uniform(25, 70), rng, jitter=0.3), 0.008))
    boards = resonate(rough, [(rng.uniform(250, 500), 120), (rng.uniform(700, 1600), 250)])
    return gate(start, start + seconds, fade=0.1) * (0.3 * rough + boards / boards.std())


def table(model: Model, rng: Rng) -> Sound:
    """Knocks on the top, sometimes with a scrape over the floor."""
    tone = rng.uniform(110, 260) / model.look.size
    times = rng.uniform(0, 0.5) + np.cumsum(rng.choice([0.16, 0.2, 0.45], size=int(rng.integers(2, 6))))
    sound = _knocks(tone, 0.03 + RING[model.look.material], times, rng)
    if rng.random() < 0.25:
        sound += 0.3 * _scrape(rng.uniform(0, 1.2), rng.uniform(0.3, 0.8), rng)
    return sound


def chair(model: Model, rng: Rng) -> Sound:
    """Creaking joints (stick and slip) or legs scraped over the floor, often with a final thud."""
    sound, size = np.zeros(COUNT), model.look.size
    creaks = rng.random() < 0.35 + 0.6 * model.extra.get("creak", 0.5)
    for _ in range(int(rng.integers(1, 4)) * creaks):
        seconds = rng.uniform(0.2, 0.6)
        start, end = rng.uniform(45, 200, 2)
        tone = rng.uniform(350, 900) / size
        joint = resonate(impulses(start, end, seconds), [(tone, 80), (2.3 * tone, 120), (3.8 * tone, 180)])
        add_at(arch(seconds) * joint / max(joint.std(), 1e-9) / 4, rng.uniform(0, 1.4), sound)
    if not creaks or rng.random() < 0.4:
        sound += 0.3 * _scrape(rng.uniform(0, 1.0), rng.uniform(0.3, 1.0), rng)
    if rng.random() < 0.7:
        sound += 0.6 * _knocks(rng.uniform(90, 180) / size, 0.04, rng.uniform(1.0, 1.8, 1), rng)
    return sound
