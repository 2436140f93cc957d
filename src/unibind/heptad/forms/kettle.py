"""Kettles: stove kettles with an arched handle, electric jugs on a base, and goosenecks for pouring."""

from __future__ import annotations

import numpy as np

from ..model import COLOURS, Look, Model, Motion
from ..surface import X, Y, Paint, Patch, cylinder, disc, ellipsoid, moved, revolve, torus, tube, turned

GRIP = Paint((0.10, 0.10, 0.11), heat=3.0, gloss=0.3)
STEAM = Paint((0.96, 0.97, 0.98), heat=30.0, gloss=0.0, glow=0.6)


def build(look: Look, rng: np.random.Generator) -> Model:
    """A kettle of one of three kinds: boiling, hot, or merely warm."""
    heat = float(rng.choice([rng.uniform(55, 75), rng.uniform(35, 55), rng.uniform(12, 25)], p=[0.5, 0.3, 0.2]))
    return rng.choice([_stove, _electric, _gooseneck])(look, rng, heat)  # type: ignore[no-any-return]


def _finish(
    look: Look,
    patches: list[Patch],
    traits: tuple[str, ...],
    tip: tuple[float, float, float],
    lid_z: float,
    heat: float,
) -> Model:
    """The model; above 50 degrees its lid rattles and steam rises from the `tip` of the spout."""
    boiling = heat > 50
    motions: tuple[Motion, ...] = ()
    if boiling:
        x, y, z = tip
        puffs = [(0.02, 0.07, 0.06), (0.08, 0.18, 0.085), (0.04, 0.31, 0.10)]
        patches = [*patches, *[ellipsoid((r, r, r), STEAM, "steam").moved(x + dx, y, z + dz) for dx, dz, r in puffs]]
        motions = (
            Motion("lid", "swing", 6.0, axis=Y, pivot=(0.0, 0.0, lid_z), amount=4.0),
            Motion("steam", "flicker", 2.5, pivot=tip, amount=0.25),
        )
        traits = (*traits, "steam at the spout")
    extra = {"boiling": float(boiling), "heat": heat}
    return Model(look, patches, traits, "indoor", motions, extra=extra)


def _lid(radius: float, look: Look, heat: float) -> list[Patch]:
    """Shallow dome with a knob, its rim at the origin."""
    profile = [(radius, 0), (radius * 0.8, 0.06), (radius * 0.4, 0.1), (0, 0.11)]
    knob = ellipsoid((0.07, 0.07, 0.07), GRIP, "lid").moved(z=0.18)
    return [
        *revolve(profile, look.accent_paint(heat, gloss=0.5), "lid"),
        *moved(cylinder(0.03, 0.1, GRIP, "lid"), z=0.13),
        knob,
    ]


def _stove(look: Look, rng: np.random.Generator, heat: float) -> Model:
    radius, height = rng.uniform(0.56, 0.64), rng.uniform(0.55, 0.75)
    floor, metal = -0.62, look.paint(heat)
    top = floor + height
    profile = [(0, 0), (radius * 0.95, 0), (radius, 0.12), (radius * 0.96, 0.5 * height), (radius * 0.75, 0.85 * height),
               (0.3, height)]  # fmt: skip
    tip = (radius + 0.32, 0.0, top - 0.02)
    spout = tube(
        [(radius * 0.8, 0, floor + 0.3 * height), (radius + 0.14, 0, floor + 0.6 * height), tip],
        (0.14, 0.1, 0.06),
        look.paint(heat * 0.9),
    )
    arch = rng.uniform(0.36, 0.46)
    handle = [
        torus(arch, 0.05, GRIP, arc=180).turned(X, 90).moved(z=top + 0.1),
        *[
            p
            for x in (-arch, arch)
            for p in tube([(x, 0, top - 0.14), (x, 0, top + 0.1)], 0.035, look.accent_paint(heat * 0.4))
        ],
    ]
    patches = [*moved(revolve(profile, metal), z=floor), *moved(_lid(0.3, look, heat * 0.85), z=top), *spout, *handle]
    traits = ("a squat round body", "an arched handle over the top", "a short spout", "a lid with a knob")
    return _finish(look, patches, traits, tip, top, heat)


def _side_handle(x: float, top: float, low: float, reach: float) -> list[Patch]:
    """Angular handle on the left side, from height `low` to `top`."""
    return tube(
        [(-x, 0, top), (-x - reach, 0, top - 0.04), (-x - reach * 0.9, 0, low + 0.1), (-x, 0, low)], 0.055, GRIP
    )


def _electric(look: Look, rng: np.random.Generator, heat: float) -> Model:
    foot, neck, height = rng.uniform(0.46, 0.54), rng.uniform(0.34, 0.4), rng.uniform(1.0, 1.2)
    floor = -0.7
    top = floor + height
    body = look.paint(heat)
    profile = [(foot, 0.06), (foot, 0.16), ((foot + neck) / 2 + 0.03, height * 0.6), (neck, height)]
    base = cylinder(foot + 0.06, 0.1, Paint(GRIP.rgb, heat=4.0, gloss=0.3))
    lip = [(neck * 0.75, -0.16, top), (neck * 0.75, 0.16, top), (neck + 0.2, 0, top + 0.03)]
    spout = tube([(neck * 0.8, 0, top - 0.26), (neck + 0.17, 0, top - 0.02)], (0.17, 0.07), body)
    level = Paint((0.45, 0.75, 0.92), heat=heat, gloss=0.5)
    gauge = [ellipsoid((0.045, 0.02, 0.26), level).moved(0, -(foot + neck) / 2 - 0.02, floor + 0.5 * height)]
    cord = tube([(-foot, 0.1, floor), (-foot - 0.2, 0.2, floor), (-foot - 0.3, 0.45, floor)], 0.025, GRIP)
    patches = [
        *moved(base, z=floor), *moved(revolve(profile, body), z=floor), disc(neck, body).moved(z=top),
        *moved(_lid(neck * 0.9, look, heat * 0.7), z=top), *spout, *gauge, *cord,
        *_side_handle(neck, top - 0.08, floor + 0.3, 0.3),
    ]  # fmt: skip
    traits = ("a tall tapered jug", "a side handle", "a pouring lip", "a power base with a cord", "a water gauge")
    return _finish(look, patches, traits, (float(lip[2][0]), 0.0, top), top, heat)


def _gooseneck(look: Look, rng: np.random.Generator, heat: float) -> Model:
    foot, neck, height = rng.uniform(0.46, 0.52), rng.uniform(0.28, 0.36), rng.uniform(0.6, 0.75)
    floor = -0.6
    top = floor + height
    metal = look.paint(heat)
    profile = [(0, 0), (foot, 0), (foot * 1.02, 0.1), (neck, height)]
    tip = (foot + 0.46, 0.0, top + 0.06)
    spout = tube(
        [(foot * 0.9, 0, floor + 0.14), (foot + 0.2, 0, floor + 0.2), (foot + 0.26, 0, top - 0.2), (foot + 0.32, 0, top), tip],
        (0.08, 0.065, 0.05, 0.045, 0.04), look.paint(heat * 0.85),
    )  # fmt: skip
    patches = [
        *moved(revolve(profile, metal), z=floor), *moved(_lid(neck, look, heat * 0.8), z=top), *spout,
        torus(foot * 1.02, 0.025, look.accent_paint(heat)).moved(z=floor + 0.06),
        *_side_handle(neck * 0.95, top - 0.04, floor + 0.14, 0.36),
    ]  # fmt: skip
    traits = ("a low cone-shaped body", "a long curved spout", "a side handle", "a knobbed lid")
    return _finish(look, patches, traits, tip, top, heat)
