"""Kettles: stovetop kettles with an arched handle, electric kettles on a base, and gooseneck kettles."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..model import Look, Model, Motion, pick
from ..patches import Paint, Patch, X, Y, moved
from ..shapes import cylinder, disc, ellipsoid, revolve, torus, tube

GRIP = Paint((0.10, 0.10, 0.11), heat=3.0, gloss=0.3)
STEAM = Paint((0.96, 0.97, 0.98), heat=30.0, gloss=0.0, glow=0.6)
PUFFS = [(0.02, 0.07, 0.06), (0.08, 0.18, 0.085), (0.04, 0.31, 0.10)]  # (x, z, radius) over the spout
LEFT = 0.62  # approximate extent of every kind to the left of its center


class Vessel(NamedTuple):
    """A kettle built around x = 0."""

    patches: list[Patch]
    traits: tuple[str, ...]
    tip: tuple[float, float]  # (x, z) of the end of the spout
    lid: float  # z of the lid


def build(look: Look, rng: np.random.Generator) -> Model:
    """A kettle of one of three kinds: boiling, hot or warm."""
    look = replace(look, material=pick(rng, ["metal", "ceramic"], [2, 1]))
    heat = pick(rng, [rng.uniform(55, 75), rng.uniform(30, 50), rng.uniform(12, 25)], [5, 3, 2])
    patches, traits, (x, z), lid = pick(rng, [_stove, _electric, _gooseneck])(look, rng, heat)
    boiling, shift = heat > 50, (LEFT - x) / 2  # centers body and spout together
    motions: tuple[Motion, ...] = ()
    if boiling:
        patches += [ellipsoid((r, r, r), STEAM, "steam").moved(x + dx, 0, z + dz) for dx, dz, r in PUFFS]
        motions = (
            Motion("lid", "swing", 6.0, axis=Y, pivot=(shift, 0.0, lid), amount=4.0),
            Motion("steam", "flicker", 2.5, pivot=(x + shift, 0.0, z), amount=0.25),
        )
        traits = (*traits, "steam at the spout")
    extra = {"boiling": float(boiling), "heat": heat}
    return Model(look, moved(patches, x=shift), traits, "indoor", motions, extra=extra)


def _lid(radius: float, look: Look, heat: float) -> list[Patch]:
    """Shallow dome with a knob; its rim is at the origin."""
    dome = [(radius, 0), (radius * 0.8, 0.06), (radius * 0.4, 0.1), (0, 0.11)]
    return [
        *revolve(dome, look.accent_paint(heat, gloss=0.5), "lid"),
        *moved(cylinder(0.03, 0.1, GRIP, "lid"), z=0.13),
        ellipsoid((0.07, 0.07, 0.07), GRIP, "lid").moved(z=0.18),
    ]


def _side_handle(x: float, top: float, low: float, reach: float) -> list[Patch]:
    """Angular handle on the left side, from height `low` to `top`."""
    out = -x - reach
    return tube([(-x, 0, top), (out, 0, top - 0.04), (out + 0.1 * reach, 0, low + 0.1), (-x, 0, low)], 0.055, GRIP)


def _stove(look: Look, rng: np.random.Generator, heat: float) -> Vessel:
    radius, height = float(rng.uniform(0.54, 0.62)), float(rng.uniform(0.55, 0.75))
    arch = float(rng.uniform(0.36, 0.46))
    floor, mouth = -0.62, 0.3
    top = floor + height
    belly = np.array([(0, 0), (0.95, 0), (1, 0.16), (0.96, 0.5), (0.75, 0.85), (mouth / radius, 1)])
    tip = (radius + 0.3, top - 0.02)
    foot, bend = (0.8 * radius, 0, floor + 0.3 * height), (radius + 0.14, 0, floor + 0.6 * height)
    patches = [
        *moved(revolve(belly * [radius, height], look.paint(heat)), z=floor),
        *moved(_lid(mouth, look, heat * 0.85), z=top),
        *tube([foot, bend, (tip[0], 0, tip[1])], (0.14, 0.1, 0.06), look.paint(heat * 0.9)),
        torus(arch, 0.05, GRIP, arc=180).turned(X, 90).moved(z=top + 0.1),
    ]
    for x in (-arch, arch):
        patches += tube([(x, 0, top - 0.14), (x, 0, top + 0.1)], 0.035, look.accent_paint(heat * 0.4))
    traits = ("a squat round body", "an arched handle over the top", "a short spout", "a lid with a knob")
    return Vessel(patches, traits, tip, top)


def _electric(look: Look, rng: np.random.Generator, heat: float) -> Vessel:
    foot, neck, height = rng.uniform(0.46, 0.54), rng.uniform(0.34, 0.4), rng.uniform(1.0, 1.2)
    floor = -0.7
    top = floor + height
    body, base = look.paint(heat), Paint(GRIP.rgb, heat=4.0, gloss=0.3)
    jug = [(foot, 0.06), (foot, 0.16), ((foot + neck) / 2 + 0.03, height * 0.6), (neck, height)]
    water = Paint((0.45, 0.75, 0.92), heat=heat, gloss=0.5)
    patches = [
        *moved(cylinder(foot + 0.06, 0.1, base), z=floor),
        *tube([(-foot, 0.1, floor), (-foot - 0.15, 0.2, floor), (-foot - 0.2, 0.45, floor)], 0.025, GRIP),
        *moved(revolve(jug, body), z=floor),
        disc(neck, body).moved(z=top),
        *moved(_lid(neck * 0.9, look, heat * 0.7), z=top),
        *tube([(neck * 0.8, 0, top - 0.26), (neck + 0.17, 0, top - 0.02)], (0.17, 0.07), body),
        ellipsoid((0.045, 0.02, 0.26), water).moved(0, -(foot + neck) / 2 - 0.02, floor + 0.5 * height),
        *_side_handle(neck, top - 0.08, floor + 0.3, 0.3),
    ]
    traits = ("a tall tapered jug", "a side handle", "a pouring lip", "a power base with a cord", "a water gauge")
    return Vessel(patches, traits, (neck + 0.2, top), top)


def _gooseneck(look: Look, rng: np.random.Generator, heat: float) -> Vessel:
    foot, neck, height = rng.uniform(0.46, 0.52), rng.uniform(0.28, 0.36), rng.uniform(0.6, 0.75)
    floor = -0.6
    top = floor + height
    tip = (foot + 0.44, top + 0.06)
    curve = [(foot * 0.9, floor + 0.14), (foot + 0.2, floor + 0.2), (foot + 0.26, top - 0.2), (foot + 0.32, top), tip]
    radii = (0.08, 0.065, 0.05, 0.045, 0.04)
    patches = [
        *moved(revolve([(0, 0), (foot, 0), (foot * 1.02, 0.1), (neck, height)], look.paint(heat)), z=floor),
        *moved(_lid(neck, look, heat * 0.8), z=top),
        *tube([(x, 0, z) for x, z in curve], radii, look.paint(heat * 0.85)),
        torus(foot * 1.02, 0.025, look.accent_paint(heat)).moved(z=floor + 0.06),
        *_side_handle(neck * 0.95, top - 0.04, floor + 0.14, 0.36),
    ]
    traits = ("a low cone-shaped body", "a long curved spout", "a side handle", "a knobbed lid")
    return Vessel(patches, traits, tip, top)
