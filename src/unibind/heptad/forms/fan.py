"""Fans: on a pedestal, on a desk, in a box frame, or under the ceiling."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..model import COLORS, Look, Model, Motion, pick
from ..patches import Paint, Patch, X, Y, Z, moved, repeated, turned
from ..shapes import box, cylinder, ellipsoid, quad, rectangle, torus, tube

NUMBERS = {3: "three", 4: "four", 5: "five", 6: "six"}
WIRE = Paint(COLORS["silver"], heat=1.0, gloss=0.6)
MOTOR_HEAT = 15.0


def build(look: Look, rng: np.random.Generator) -> Model:
    """A fan of one of four kinds, running."""
    look = replace(look, material=pick(rng, ["metal", "plastic"]))
    return pick(rng, [_pedestal, _desk, _boxed, _ceiling])(look, rng)


def _blades(count: int, radius: float, width: float, twist: float, paint: Paint) -> list[Patch]:
    """Rotor in the x-y plane around the origin: twisted blades, narrow at the hub."""
    lift = np.sin(np.radians(twist))
    rows = []
    for part, spread in ((0.16, 0.3), (0.6, 0.9), (1.0, 0.75)):
        half = width * spread / 2
        rows.append([(part * radius, -half, -half * lift), (part * radius, half, half * lift)])
    blade = [quad([*low, *high[::-1]], paint, "blades") for low, high in pairwise(rows)]
    return repeated(blade, count)


def _cage(radius: float, depth: float, wires: int, paint: Paint) -> list[Patch]:
    """Wire guard around a rotor facing +z."""
    rim, front, w = 0.97 * radius, depth / 2, 0.002
    rings = [torus(radius, 0.03, paint), *[torus(rim, 0.016, paint).moved(z=z) for z in (-front, front)]]
    spoke = quad(
        [(0.1 * radius, -w, 1.2 * front), (0.1 * radius, w, 1.2 * front), (rim, w, front), (rim, -w, front)], WIRE
    )
    return [*rings, *repeated([spoke], wires)]


def _head(look: Look, rng: np.random.Generator, radius: float) -> tuple[list[Patch], int]:
    """Caged rotor with motor at the origin, facing the camera, and its number of blades."""
    count = int(rng.integers(3, 6))
    blades = look.accent_paint(-3.0, gloss=0.4)  # cooled by the airflow
    upward = [
        *_blades(count, 0.9 * radius, 3.0 * radius / count, 35, blades),
        *moved(cylinder(0.17 * radius, 0.16, blades, "blades"), z=0.03),
        *_cage(radius, 0.26, 12, look.paint(2.5)),
        ellipsoid((0.16 * radius, 0.16 * radius, 0.03), look.paint(2.0)).moved(z=0.17),
        *moved(cylinder(0.16, 0.26, look.paint(MOTOR_HEAT), top=0.2), z=-0.28),
    ]
    return turned(upward, X, 90), count


def _spin(rng: np.random.Generator, z: float = 0.0) -> Motion:
    return Motion("blades", "spin", float(rng.uniform(0.8, 3.0)), axis=Y, pivot=(0.0, 0.0, z))


def _model(look: Look, patches: list[Patch], count: int, motion: Motion, *traits: str) -> Model:
    extra = {"blades": float(count), "rate_hz": motion.rate_hz}
    return Model(look, patches, (f"{NUMBERS[count]} spinning blades", *traits), "indoor", (motion,), extra=extra)


def _pedestal(look: Look, rng: np.random.Generator) -> Model:
    radius = rng.uniform(0.44, 0.52)
    head, count = _head(look, rng, radius)
    axle, foot = 0.4, -0.88
    pole = tube([(0, 0.25, foot), (0, 0.25, axle - 0.12)], (0.045, 0.035), look.paint(1.0))
    grip = moved(box((0.14, 0.14, 0.22), look.paint(5.0)), y=0.25, z=axle - 0.24)
    if rng.random() < 0.5:
        base, word = moved(cylinder(0.4, 0.07, look.paint(0.5), top=0.34), y=0.25, z=foot), "a heavy round base"
    else:
        cross = repeated(moved(box((0.45, 0.1, 0.06), look.paint(0.5)), x=0.22), 4, start=45)
        base, word = moved(cross, y=0.25, z=foot), "a cross-shaped foot"
    patches = [*moved(head, z=axle), *pole, *grip, *base]
    return _model(look, patches, count, _spin(rng, axle), "a round wire cage", "a tall pole", word)


def _desk(look: Look, rng: np.random.Generator) -> Model:
    radius = rng.uniform(0.58, 0.66)
    head, count = _head(look, rng, radius)
    axle = 0.14
    patches = [
        *moved(head, z=axle),
        *tube([(0, 0.25, axle), (0, 0.25, -0.66)], 0.08, look.paint(6.0)),
        *moved(cylinder(0.4, 0.12, look.paint(1.0), top=0.3), y=0.15, z=-0.68),
        *[ellipsoid((0.045, 0.03, 0.03), look.accent_paint(1.0)).moved(x, -0.2, -0.64) for x in (-0.12, 0, 0.12)],
    ]
    return _model(look, patches, count, _spin(rng, axle), "a round wire cage", "a short stand", "three push buttons")


def _boxed(look: Look, rng: np.random.Generator) -> Model:
    half = rng.uniform(0.66, 0.72)
    count = int(rng.integers(3, 7))
    depth = 0.26
    frame = look.paint(2.5)
    radius, front, toe = 0.86 * half, depth / 2, look.paint(0.5).shaded(0.7)
    corner = [
        (half, half, front),
        (half, 0.45 * half, front),
        (0.72 * half, 0.72 * half, front),
        (0.45 * half, half, front),
    ]
    lying = [
        *repeated(moved(box((2 * half, 0.08, depth), frame), y=half), 4),
        *repeated([quad(corner, frame)], 4),
        *_blades(count, radius, 3.0 * radius / count, 35, look.accent_paint(-3.0, gloss=0.4)),
        *cylinder(0.18, 0.14, look.accent_paint(MOTOR_HEAT), "blades"),
        *moved(cylinder(0.2, 0.1, frame), z=-0.12),
        *[torus(r * half, 0.008, WIRE).moved(z=front) for r in (0.55, 0.9)],
        *repeated([rectangle(1.15 * half, 0.008, WIRE).moved(x=0.575 * half, z=front)], 4, start=45),
        torus(0.16, 0.03, frame, arc=180).moved(y=half),
    ]
    feet = [p for x in (-0.4, 0.4) for p in moved(box((0.12, 0.5, 0.06), toe), x=x, z=-half - 0.06)]
    patches = [*turned(lying, X, 90), *feet]
    return _model(look, patches, count, _spin(rng), "a square box frame", "a grill in front", "a carrying handle")


def _ceiling(look: Look, rng: np.random.Generator) -> Model:
    count = int(rng.integers(3, 6))
    radius, hub = rng.uniform(0.88, 0.98), 0.05
    light = bool(rng.random() < 0.5)
    arms = repeated([rectangle(0.2, 0.06, WIRE, "blades").moved(x=0.25)], count)
    patches = [
        *moved([*_blades(count, radius, 0.3, 14, look.accent_paint(-3.0, gloss=0.2)), *arms], z=hub),
        *moved(cylinder(0.22, 0.18, look.paint(MOTOR_HEAT), top=0.16), z=hub + 0.06),
        *tube([(0, 0, hub + 0.1), (0, 0, 0.66)], 0.04, look.paint(3.0)),
        *moved(cylinder(0.1, 0.12, look.paint(1.0), top=0.2), z=0.68),
        *tube([(0.12, -0.12, hub - 0.05), (0.12, -0.12, -0.5)], 0.012, WIRE),
    ]
    tail = "a pull chain"
    if light:
        patches.append(ellipsoid((0.17, 0.17, 0.13), Paint((1.0, 0.96, 0.80), heat=18.0, glow=0.9)).moved(z=hub - 0.1))
        tail = "a glowing glass globe"
    spin = Motion("blades", "spin", float(rng.uniform(0.5, 1.5)), axis=Z)
    return _model(look, patches, count, spin, "a rod from the ceiling", "long flat paddles", tail)
