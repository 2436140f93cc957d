"""Pianos: uprights, and grands with the lid raised toward the camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ..model import COLORS, Look, Model, pick
from ..patches import Paint, Patch, X, Y, Z, moved, turned
from ..shapes import box, cylinder, ellipsoid, plate, rectangle, tube

IVORY = Paint((0.95, 0.94, 0.90), heat=3.0, gloss=0.5)  # keys are warmed by fingers
EBONY = Paint((0.05, 0.05, 0.06), heat=3.0, gloss=0.5)
BRASS = Paint((0.80, 0.62, 0.25), heat=0.0, gloss=0.8)
PLATE = Paint((0.76, 0.58, 0.26), heat=0.5, gloss=0.4)  # the gold-colored iron frame of a grand
FINISHES = {"black": 5, "brown": 4, "white": 2, "cream": 1, "red": 1}
BLACK_KEYS = (0, 1, 3, 4, 5)  # white keys of an octave that have a black key to their right


def build(look: Look, rng: np.random.Generator) -> Model:
    """An upright or a grand piano, often with a bench."""
    finish = pick(rng, list(FINISHES), list(FINISHES.values()))
    look = replace(look, color=finish, material="wood")
    return pick(rng, [_upright, _grand])(look, rng)


def _keyboard(width: float, depth: float, octaves: int) -> list[Patch]:
    """Keys in the x-y plane with their front edge toward -y; black keys are a little higher."""
    count = 7 * octaves
    step = width / count
    keys = box((width, depth, 0.04), IVORY)
    for k in range(count - 1):
        x = (k + 1) * step - width / 2
        if k % 7 in BLACK_KEYS:
            keys.append(rectangle(0.55 * step, 0.62 * depth, EBONY).moved(x, 0.16 * depth, 0.035))
        else:
            keys.append(rectangle(0.008, depth, EBONY).moved(x, 0.0, 0.022))
    return keys


def _lacquer(look: Look) -> Paint:
    return look.paint(1.0, gloss=0.55)


def _pedals(y: float, z: float) -> list[Patch]:
    return [ellipsoid((0.035, 0.08, 0.02), BRASS).moved(x, y, z) for x in (-0.1, 0.0, 0.1)]


def _seat(look: Look, y: float, floor: float) -> list[Patch]:
    """A bench with a cushion in the accent color."""
    wood = _lacquer(look)
    legs = [p for x in (-0.22, 0.22) for p in moved(box((0.06, 0.2, 0.36), wood)[2:], x=x, y=y, z=floor + 0.18)]
    return [*moved(box((0.55, 0.28, 0.08), look.accent_paint(5.0, gloss=0.05)), y=y, z=floor + 0.4), *legs]


def _upright(look: Look, rng: np.random.Generator) -> Model:
    width, height = rng.uniform(1.2, 1.4), rng.uniform(1.05, 1.3)
    floor, wood = -0.7, _lacquer(look)
    panel = wood.shaded(1.4 if look.color in ("black", "brown") else 0.85)
    top, shelf = floor + height, floor + 0.55
    side = width / 2 - 0.04
    patches = [
        *moved(box((width, 0.4, height), wood), y=0.3, z=floor + height / 2),
        *moved(box((width + 0.08, 0.48, 0.05), wood), y=0.28, z=top),
        *moved(box((width, 0.38, 0.1), wood), y=-0.07, z=shelf - 0.06),
        *moved(_keyboard(width - 0.14, 0.3, int(rng.integers(3, 5))), y=-0.1, z=shelf + 0.01),
        *_pedals(0.03, floor + 0.05),
    ]
    for x in (-side, side):
        patches += moved(box((0.07, 0.38, 0.2), wood), x=x, y=-0.07, z=shelf)
        patches += moved(box((0.08, 0.08, 0.5), wood), x=x, y=-0.2, z=floor + 0.25)
    for low, high in ((shelf + 0.2, top - 0.08), (floor + 0.12, shelf - 0.16)):
        inset = rectangle(0.84 * width, high - low, panel).turned(X, 90)
        patches.append(inset.moved(y=0.09, z=(low + high) / 2))

    traits = ["a tall upright case", "a row of black and white keys", "three brass pedals"]
    if rng.random() < 0.7:
        music = turned(box((0.5, 0.02, 0.26), Paint(COLORS["white"], heat=0.5, gloss=0.0)), X, -15)
        patches += moved(music, y=0.02, z=shelf + 0.3)
        traits.append("an open book of music")
    if rng.random() < 0.5:
        patches += _seat(look, -0.58, floor)
        traits.append("a cushioned bench")
    return Model(look, patches, tuple(traits), "indoor", extra={"tone_hz": 262.0, "grand": 0.0})


def _lying(outline: ArrayLike, thickness: float, paint: Paint) -> list[Patch]:
    """Plate with an outline [n, 2] in the x-y plane."""
    return turned(plate(outline, thickness, paint), X, -90)


def _grand(look: Look, rng: np.random.Generator) -> Model:
    width, length = rng.uniform(0.95, 1.1), rng.uniform(1.2, 1.45)
    opening = float(rng.uniform(35, 50))
    floor, wood, half = -0.62, _lacquer(look), width / 2
    # seen from above: keyboard at y = 0, straight bass side on the left, curved treble side on the right
    harp = np.array([(-1, 0.16), (1, 0.16), (1, 0.5), (0.3, 0.72), (0, 0.92), (-0.35, 1), (-0.85, 0.98), (-1, 0.85)])
    harp = harp * [half, length]
    strings = moved(_lying(0.9 * harp + [0, 0.07], 0.0, PLATE), z=0.13)
    hinge = (-half, 0.0, 0.14)
    lid = turned(moved(_lying(harp, 0.03, wood), z=0.14), Y, -opening, pivot=hinge)
    reach, rise = np.cos(np.radians(opening)), np.sin(np.radians(opening))
    touch = (-half + 1.8 * half * reach, 0.45 * length, 0.13 + 1.8 * half * rise)  # where the prop touches the lid
    patches = [
        *_lying(harp, 0.24, wood),
        *strings[::3],
        *lid,
        *tube([(0.9 * half, 0.45 * length, 0.12), touch], 0.02, BRASS),
        *moved(box((width, 0.26, 0.1), wood), y=0.1, z=-0.07),
        *moved(_keyboard(width - 0.12, 0.22, 3), y=0.1, z=0.0),
        *tube([(0, 0.25, -0.1), (0, 0.25, floor + 0.06)], 0.05, wood),
        *_pedals(0.18, floor + 0.05),
    ]
    for x in (-half + 0.03, half - 0.03):
        patches += moved(box((0.06, 0.26, 0.2), wood), x=x, y=0.1, z=-0.02)
    for x, y in ((-0.85 * half, 0.15), (0.85 * half, 0.15), (-0.4 * half, 0.85 * length)):
        patches += moved(cylinder(0.035, -0.1 - floor, wood, top=0.06), x=x, y=y, z=(floor - 0.1) / 2)

    traits = ["a curved wing-shaped case", "a raised lid on a prop", "three sturdy legs", "black and white keys"]
    if rng.random() < 0.5:
        patches += _seat(look, -0.2, floor)
        traits.append("a cushioned bench")
    shown = turned(moved(patches, y=-0.45 * length), Z, float(rng.uniform(-60, -35)))  # turned as seen by an audience
    return Model(look, shown, tuple(traits), "indoor", extra={"tone_hz": 262.0, "grand": 1.0})
