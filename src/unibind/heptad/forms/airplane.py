"""Airplanes: jetliners, propeller planes and biplanes, flying to the right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, Motion
from ..patches import Paint, Patch, X, Y, moved, turned
from ..shapes import cylinder, ellipsoid, plate, quad, revolve, tube

GLASS = Paint((0.20, 0.28, 0.36), heat=1.0, gloss=0.9)
STEEL = Paint((0.62, 0.63, 0.65), heat=4.0, gloss=0.7)
HOT = Paint((0.25, 0.24, 0.24), heat=70.0, gloss=0.3)


def build(look: Look, rng: np.random.Generator) -> Model:
    """An airplane in level flight."""
    look = replace(look, material="metal")
    jet = bool(rng.random() < 0.55)
    girth = float(rng.uniform(0.11, 0.15))
    skin, accent = look.paint(5.0), look.accent_paint(1.0)
    hull = [(0, -0.92), (0.4 * girth, -0.85), (girth, -0.4), (girth, 0.55), (0.75 * girth, 0.78), (0, 0.95)]
    patches: list[Patch] = turned(revolve(hull, skin), Y, 90)
    patches.append(ellipsoid((0.16, 0.7 * girth, 0.07), GLASS).moved(0.68, 0, 0.6 * girth))
    span, wing = float(rng.uniform(0.8, 0.95)), replace(skin, heat=-2.0)  # wings are colder than the heated cabin
    patches += _tail(accent, rng)
    motions: tuple[Motion, ...] = ()
    if jet:
        engines = int(rng.choice([2, 4]))
        sweep, nacelle = float(rng.uniform(0.25, 0.45)), replace(accent, heat=22.0)
        patches += _wings(span, 0.34, sweep, -0.04, wing)
        for side in (-1, 1):
            for share in (0.35, 0.62)[: engines // 2]:
                x, y = 0.16 - sweep * share * 0.7, side * span * share
                pod = turned(
                    revolve([(0, -0.16), (0.055, -0.16), (0.085, 0.0), (0.075, 0.14), (0.02, 0.12)], nacelle), Y, 90
                )
                patches += moved([*pod, *turned(cylinder(0.045, 0.04, HOT), Y, 90)], x, y, -0.14)
                patches.append(ellipsoid((0.03, 0.05, 0.05), HOT).moved(x - 0.17, y, -0.14))
        for x in np.linspace(-0.35, 0.5, 9):
            patches += [ellipsoid((0.025, 0.01, 0.03), GLASS).moved(x, s * girth * 0.98, 0.03) for s in (-1, 1)]
        traits = [
            "two swept wings",
            f"{'two' if engines == 2 else 'four'} engines under the wings",
            "a row of small windows",
        ]
    else:
        decks = 2 if rng.random() < 0.3 else 1
        for z in (0.0, 0.34) if decks == 2 else (float(rng.choice([-0.05, 0.15])),):
            patches += _wings(span, 0.32, 0.05, z, wing)
        if decks == 2:
            for side in (-1, 1):
                patches += tube([(0.1, side * 0.55, 0.0), (0.05, side * 0.55, 0.34)], 0.018, STEEL)
        blades = int(rng.choice([2, 3]))
        for k in range(blades):
            blade = plate([(-0.035, 0.0), (0.035, 0.0), (0.045, 0.34), (-0.02, 0.36)], 0.012, STEEL, "propeller")
            patches += moved(turned(turned(blade, (0, 0, 1), 90), X, 360 * k / blades), 0.97)
        patches.append(ellipsoid((0.08, 0.05, 0.05), Paint(accent.rgb, heat=20.0), "propeller").moved(0.95))
        patches.append(ellipsoid((0.2, girth * 1.02, girth * 1.02), replace(accent, heat=28.0)).moved(0.72))
        for side in (-1, 1):
            patches += tube([(0.35, side * 0.08, -0.1), (0.35, side * 0.2, -0.3)], 0.018, STEEL)
            patches.append(ellipsoid((0.07, 0.03, 0.07), Paint((0.1, 0.1, 0.1))).moved(0.35, side * 0.2, -0.32))
        motions = (Motion("propeller", "spin", float(rng.uniform(3, 4.5)), axis=X),)
        traits = [
            "two pairs of wings" if decks == 2 else "two straight wings",
            "a propeller on its nose",
            "two small landing wheels",
        ]
    traits.append("an upright tail fin")
    speed = float(rng.uniform(0.3, 0.6))
    extra = {"jet": float(jet)}
    return Model(look, patches, tuple(traits), "air", motions, (speed, 0, 0), 0.02, 0.5, pitch=15, extra=extra)


def _wings(span: float, chord: float, sweep: float, z: float, paint: Paint) -> list[Patch]:
    patches = []
    for side in (-1, 1):
        root = [(0.22, 0.0, z), (0.22 - chord, 0.0, z)]
        tip = [(0.2 - sweep - 0.45 * chord, side * span, z + 0.06), (0.2 - sweep, side * span, z + 0.06)]
        for lift in (0.0, 0.03):
            patches.append(quad([(x, y, h + lift) for x, y, h in (*root, *tip)], paint))
    return patches


def _tail(paint: Paint, rng: np.random.Generator) -> list[Patch]:
    high = float(rng.uniform(0.32, 0.42))
    fin = moved(plate([(-0.92, 0.05), (-0.6, 0.05), (-0.82, high), (-0.96, high)], 0.03, paint))
    z = high - 0.02 if rng.random() < 0.25 else 0.06
    flat = [quad([(-0.7, 0, z), (-0.92, 0, z), (-0.98, s * 0.36, z), (-0.85, s * 0.36, z)], paint) for s in (-1, 1)]
    return [*fin, *flat]
