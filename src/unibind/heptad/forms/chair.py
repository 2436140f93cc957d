"""Chairs: kitchen chairs, armchairs, office chairs on casters, rocking chairs, and bar stools with a low back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, Motion, pick
from ..patches import Paint, Patch, X, Y, Z, moved, repeated, rotation, turned
from ..shapes import box, cylinder, ellipsoid, torus, tube

NUMBERS = {2: "two", 3: "three", 4: "four"}
PLASTIC = Paint((0.10, 0.10, 0.11), heat=0.5, gloss=0.4)
CHROME = Paint((0.72, 0.74, 0.77), heat=-0.5, gloss=0.8)


def build(look: Look, rng: np.random.Generator) -> Model:
    """A chair of one of five kinds, turned a little to one side; some seats are still warm."""
    warm = pick(rng, [0.5, rng.uniform(3, 6)])
    model = pick(rng, [_kitchen, _arm, _office, _rocking, _bar])(look, rng, warm)
    side = pick(rng, [-1, 1]) * float(rng.uniform(15, 40))
    return replace(
        model, patches=turned(model.patches, Z, side), motions=tuple(_turned_motion(m, side) for m in model.motions)
    )


def _turned_motion(motion: Motion, degrees: float) -> Motion:
    """The motion of an object that is rotated about z."""
    matrix = rotation(Z, degrees)
    axis, pivot = matrix @ motion.axis, matrix @ motion.pivot
    return replace(motion, axis=tuple(axis.tolist()), pivot=tuple(pivot.tolist()))


def _legs(
    width: float, depth: float, low: float, high: float, splay: float, radius: float, paint: Paint
) -> list[Patch]:
    """Four legs under a seat of the given size; `splay` is the outward offset of each foot."""
    x, y = width / 2 - 0.05, depth / 2 - 0.05
    patches: list[Patch] = []
    for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        path = [(sx * x, sy * y, high), (sx * (x + splay), sy * (y + splay), low)]
        patches += tube(path, (radius, radius * 0.75), paint)
    return patches


def _slatted_back(
    width: float, y: float, seat: float, top: float, slats: int, upright: bool, wood: Paint, infill: Paint
) -> list[Patch]:
    """Two posts, a top rail, and `slats` vertical or horizontal slats, leaning back a little."""
    side, height, lean = width / 2 - 0.05, top - seat, 0.1
    patches = moved(box((width, 0.06, 0.14), wood), y=y + lean, z=top - 0.04)
    for x in (-side, side):
        patches += tube([(x, y, seat), (x, y + lean, top)], 0.045, wood)
    for share in (np.arange(slats) + 1) / (slats + 1):
        if upright:
            slat = turned(box((0.07, 0.03, height), infill), X, -np.degrees(np.arctan2(lean, height)))
            patches += moved(slat, x=(2 * share - 1) * side, y=y + lean / 2, z=seat + height / 2)
        else:
            patches += moved(box((2 * side, 0.03, 0.1), infill), y=y + lean * share, z=seat + share * height)
    return patches


def _kitchen(look: Look, rng: np.random.Generator, warm: float) -> Model:
    look = replace(look, material="wood")
    width, depth = rng.uniform(0.7, 0.82), rng.uniform(0.66, 0.78)
    seat, floor, top = -0.1, -0.8, rng.uniform(0.7, 0.85)
    slats, upright = int(rng.integers(2, 5)), bool(rng.random() < 0.5)
    cushion = rng.random() < 0.4
    seat_paint = replace(look.accent_paint(warm + 0.5) if cushion else look.paint(warm), gloss=0.1)
    wood = look.paint(0.3)
    patches = [
        *moved(box((width, depth, 0.09), seat_paint), z=seat),
        *_legs(width, depth, floor, seat, rng.uniform(0.0, 0.1), 0.05, wood),
        *_slatted_back(width, depth / 2 - 0.05, seat, top, slats, upright, wood, look.paint(0.3 + 0.3 * warm)),
    ]
    back = f"a back of {NUMBERS[slats]} {'upright' if upright else 'level'} slats"
    traits = ("four straight legs", back, "a padded seat" if cushion else "a flat square seat")
    return Model(look, patches, traits, "indoor", extra={"creak": 0.5})


def _arm(look: Look, rng: np.random.Generator, warm: float) -> Model:
    look = replace(look, material="fabric")
    width, depth = rng.uniform(1.15, 1.3), 0.85
    floor, seat, top = -0.7, -0.15, rng.uniform(0.45, 0.65)
    cloth, creased, inner = look.paint(0.5), look.paint(0.5 + warm * 0.6).shaded(0.92), width - 0.44
    cushion = box((inner - 0.04, 0.1, 0.5), creased)
    patches = [
        *moved(box((inner + 0.02, depth - 0.05, 0.3), cloth), z=floor + 0.28),
        *moved(box((inner, depth - 0.15, 0.16), look.accent_paint(warm + 0.5)), y=-0.1, z=seat),
        *moved(turned(box((width - 0.06, 0.24, top - floor - 0.1), cloth), X, -8), y=0.36, z=(top + floor) / 2 + 0.05),
        *moved(turned(cylinder(0.13, width - 0.06, cloth), Y, 90), y=0.43, z=top),
        *moved(turned(cushion, X, -8), y=0.22, z=seat + 0.32),
        *_legs(width - 0.1, depth - 0.1, floor - 0.06, floor + 0.14, 0.0, 0.05, Paint((0.3, 0.18, 0.1))),
    ]
    for x in (-width / 2 + 0.11, width / 2 - 0.11):
        patches += moved(box((0.22, depth, 0.56), cloth), x=x, z=floor + 0.38)
        patches += moved(turned(cylinder(0.13, depth, creased), X, 90), x=x, z=floor + 0.68)
    traits = ("two rolled arms", "a thick padded back", "a soft cushion", "short stubby legs")
    return Model(look, patches, traits, "indoor", extra={"creak": 0.2})


def _office(look: Look, rng: np.random.Generator, warm: float) -> Model:
    look = replace(look, material="fabric")
    floor, seat, top = -0.82, -0.14, rng.uniform(0.6, 0.8)
    width = rng.uniform(0.74, 0.86)
    foot = [
        *tube([(0, 0, floor + 0.18), (0.5, 0, floor + 0.1)], (0.06, 0.035), PLASTIC),
        ellipsoid((0.065, 0.065, 0.07), PLASTIC).moved(0.5, 0, floor + 0.06),
    ]
    cushion = box((0.85 * width, 0.12, top - seat - 0.22), look.paint(0.5 + 0.6 * warm), "seat")
    patches = [
        *repeated(foot, 5, start=20),
        *tube([(0, 0, floor + 0.15), (0, 0, seat)], 0.05, CHROME),
        *moved(box((width, 0.72, 0.13), look.paint(warm + 0.5), "seat"), z=seat + 0.05),
        *moved(turned(cushion, X, -10), y=0.42, z=(top + seat) / 2 + 0.16),
        *tube([(0, 0.2, seat), (0, 0.44, seat + 0.02), (0, 0.44, seat + 0.4)], 0.05, PLASTIC, "seat"),
    ]
    for side in (-1, 1):
        x = side * (width / 2 + 0.08)
        patches += tube(
            [(side * width * 0.3, 0, seat - 0.02), (x, 0, seat), (x, 0, seat + 0.26)], 0.035, PLASTIC, "seat"
        )
        patches += moved(box((0.1, 0.42, 0.06), PLASTIC, "seat"), x=x, z=seat + 0.29)
    swivel = Motion("seat", "swing", float(rng.uniform(0.25, 0.5)), axis=Z, amount=30.0)
    traits = ("five feet on castors", "a single gas lift column", "two arm rests", "a padded back")
    return Model(look, patches, traits, "indoor", (swivel,), extra={"creak": 0.3})


def _rocking(look: Look, rng: np.random.Generator, warm: float) -> Model:
    look = replace(look, material="wood")
    wood = look.paint(0.3)
    width, depth, seat, top = rng.uniform(0.72, 0.82), 0.7, -0.2, rng.uniform(0.75, 0.88)
    radius = 1.5
    arc = np.radians(np.linspace(-27, 27, 6))
    patches = [
        *moved(box((width, depth, 0.08), look.paint(warm)), z=seat),
        *_legs(width, depth - 0.1, -0.77, seat, 0.02, 0.045, wood),
        *_slatted_back(width, depth / 2 - 0.05, seat, top, 4, True, wood, wood),
    ]
    for side in (-1, 1):
        runner = [(side * (width / 2 - 0.03), radius * np.sin(a), -0.8 + radius * (1 - np.cos(a))) for a in arc]
        rest = side * (width / 2 + 0.02)
        patches += tube(runner, 0.045, look.accent_paint(0.3))
        patches += moved(box((0.09, depth, 0.05), wood), x=rest, z=seat + 0.32)
        patches += tube([(rest, -0.28, seat), (rest, -0.28, seat + 0.3)], 0.035, wood)
    rock = Motion("body", "swing", float(rng.uniform(0.4, 0.8)), axis=X, pivot=(0.0, 0.0, radius - 0.8), amount=9.0)
    traits = ("two curved runners", "a high slatted back", "two wooden arms")
    return Model(look, patches, traits, "indoor", (rock,), extra={"creak": 1.0})


def _bar(look: Look, rng: np.random.Generator, warm: float) -> Model:
    look = replace(look, material="plastic")
    radius = rng.uniform(0.34, 0.4)
    floor, seat = -0.9, 0.28
    back = torus(radius - 0.02, 0.05, look.accent_paint(0.5), arc=180)
    stay = tube([(radius - 0.04, 0, seat), (radius - 0.02, 0, seat + 0.4)], 0.025, CHROME)
    patches = [
        *moved(cylinder(radius, 0.14, look.paint(warm + 0.5)), z=seat),
        back.moved(z=seat + 0.42),
        back.moved(z=seat + 0.32),
        *[p for angle in (20, 90, 160) for p in turned(stay, Z, angle)],
        *repeated(tube([(radius * 0.7, 0, seat), (radius * 1.25, 0, floor)], 0.035, CHROME), 4, start=45),
        torus(radius * 1.05, 0.025, CHROME).moved(z=-0.5),
    ]
    traits = ("a high round seat", "a low curved back rest", "four long splayed legs", "a ring for the feet")
    return Model(look, patches, traits, "indoor", extra={"creak": 0.4})
