"""Tables: square, oblong or round, on three or four legs, a central column, or trestles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, pick
from ..patches import Paint, Patch, Y, Z, moved, repeated, turned
from ..shapes import box, cylinder, disc, ellipsoid, torus, tube

Built = tuple[list[Patch], tuple[str, ...], tuple[float, float]]  # patches, traits, clear half extent (x, y) of the top

METAL = Paint((0.30, 0.31, 0.33), heat=-0.5, gloss=0.6)


def build(look: Look, rng: np.random.Generator) -> Model:
    """A table of one of four kinds, sometimes with a warm spot where something hot stood."""
    look = replace(look, material=pick(rng, ["wood", "plastic", "metal"], [2, 1, 1]))
    height = float(rng.uniform(0.6, 1.0))
    floor = -0.35 - height / 3
    patches, traits, reach = pick(rng, [_oblong, _round, _column, _trestle])(look, rng, floor, floor + height)
    top = floor + height + 0.062
    if rng.random() < 0.6:
        x, y = rng.uniform(-0.5, 0.5, 2) * np.array(reach)
        wood = look.paint(float(rng.uniform(4, 8)))
        patches = [
            *patches,
            disc(0.11, wood.shaded(0.94)).moved(x, y, top),
            disc(0.19, replace(wood, heat=wood.heat / 2.5), hole=0.11).moved(x, y, top),
        ]
    patches = turned(patches, Z, float(rng.uniform(-35, 35)))
    low = "a low top" if height < 0.7 else "a waist-high top"
    return Model(look, patches, (*traits, low), "indoor", extra={"height": height})


def _oblong(look: Look, rng: np.random.Generator, floor: float, top: float) -> Built:
    length, width = rng.uniform(1.2, 1.55), rng.uniform(0.85, 1.1)
    x, y = length / 2 - 0.09, width / 2 - 0.09
    wood, legs = look.paint(1.5), look.accent_paint(0.5) if rng.random() < 0.5 else look.paint(0.5).shaded(0.85)
    tapered = bool(rng.random() < 0.5)
    patches = [
        *moved(box((length, width, 0.1), wood), z=top),
        *moved(box((length - 0.16, width - 0.16, 0.12), legs), z=top - 0.1),
    ]
    for sx in (-1, 1):
        for sy in (-1, 1):
            leg = box((0.11, 0.11, top - floor), legs, taper=0.55 if tapered else 1.0)
            patches += moved(turned(leg, Y, 180), x=sx * x, y=sy * y, z=(floor + top) / 2)
    traits: tuple[str, ...] = ("an oblong top", "four tapered legs" if tapered else "four square legs")
    if rng.random() < 0.4:
        patches += moved(box((0.4, 0.02, 0.11), wood), y=-width / 2 + 0.07, z=top - 0.1)
        patches.append(ellipsoid((0.035, 0.035, 0.035), METAL).moved(0, -width / 2 + 0.04, top - 0.1))
        traits = (*traits, "a small drawer")
    return patches, traits, (x, y)


def _round(look: Look, rng: np.random.Generator, floor: float, top: float) -> Built:
    radius, count = rng.uniform(0.62, 0.8), int(rng.integers(3, 5))
    legs = look.accent_paint(0.5)
    patches = [
        *moved(cylinder(radius, 0.1, look.paint(1.5)), z=top),
        torus(radius, 0.05, look.paint(1.5).shaded(0.9)).moved(z=top),
    ]
    for k in range(count):
        patches += turned(
            tube([(radius * 0.55, 0, top - 0.07), (radius * 0.9, 0, floor)], (0.06, 0.04), legs),
            Z,
            360 * k / count + 20,
        )
    return (
        patches,
        ("a round top", f"{'three' if count == 3 else 'four'} slanted legs"),
        (0.7 * radius, 0.7 * radius),
    )


def _column(look: Look, rng: np.random.Generator, floor: float, top: float) -> Built:
    radius = rng.uniform(0.62, 0.82)
    square = bool(rng.random() < 0.35)
    column = look.accent_paint(0.5)
    slab = box((1.6 * radius, 1.6 * radius, 0.1), look.paint(1.5)) if square else cylinder(radius, 0.1, look.paint(1.5))
    patches = [*moved(slab, z=top), *tube([(0, 0, top - 0.1), (0, 0, floor)], (0.08, 0.1), column)]
    if rng.random() < 0.5:
        patches += moved(cylinder(0.42, 0.08, column, top=0.3), z=floor)
        foot = "a flat round foot"
    else:
        claw = tube([(0, 0, floor + 0.25), (0.28, 0, floor + 0.12), (0.48, 0, floor)], 0.05, column)
        patches += repeated(claw, 3, start=-30)
        foot = "three curved feet"
    return (
        patches,
        ("a square top" if square else "a round top", "a single central leg", foot),
        (0.6 * radius, 0.6 * radius),
    )


def _trestle(look: Look, rng: np.random.Generator, floor: float, top: float) -> Built:
    length, width = rng.uniform(1.35, 1.6), rng.uniform(0.85, 1.0)
    legs = look.accent_paint(0.5)
    patches: list[Patch] = []
    planks = 4
    for k in range(planks):
        plank = look.paint(1.5).shaded(1.0 if k % 2 else 0.85)
        patches += moved(
            box((length, width / planks - 0.015, 0.1), plank), y=(k + 0.5) * width / planks - width / 2, z=top
        )
    for x in (-1, 1):
        at = x * (length / 2 - 0.25)
        for y in (-1, 1):
            patches += tube([(at, y * 0.06, top - 0.06), (at, y * (width / 2 - 0.02), floor)], 0.05, legs)
        patches += tube([(at, -width / 3, (2 * floor + top) / 3), (at, width / 3, (2 * floor + top) / 3)], 0.035, legs)
    patches += tube(
        [(-length / 2 + 0.25, 0, (floor + top) / 2), (length / 2 - 0.25, 0, (floor + top) / 2)], 0.035, legs
    )
    return patches, ("a long top of planks", "two trestles", "a cross bar below"), (0.4 * length, 0.4 * width)
