"""Bicycles: road, city and children's bicycles with two spoked wheels and a diamond or step-through frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..model import Look, Model, Motion, pick
from ..patches import Paint, Patch, X, Y, moved, turned
from ..shapes import cylinder, ellipsoid, torus, tube

TIRE = Paint((0.10, 0.10, 0.11), heat=3.0, gloss=0.05)
RIM = Paint((0.75, 0.76, 0.78), heat=1.0, gloss=0.7)
GRIP = Paint((0.15, 0.13, 0.12), heat=6.0, gloss=0.1)  # saddle and handlebar, warm from the rider
FLOOR = -0.75

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Kind:
    """Features of one kind of bicycle."""

    radius: float  # of the wheels
    drop: float  # of the top tube below the saddle
    bar: tuple[tuple[float, float], ...]  # one half of the handlebar, from the stem: (forward, up)
    traits: tuple[str, ...]


KINDS = (
    Kind(0.40, 0.1, ((0.0, 0.0), (0.16, 0.0), (0.18, -0.12), (0.04, -0.16)), ("a diamond frame", "dropped handlebars")),
    Kind(0.38, 0.3, ((0.0, 0.0), (-0.04, 0.06), (-0.2, 0.06)), ("a low step-through frame", "swept-back handlebars")),
    Kind(0.30, 0.25, ((0.0, 0.0), (0.02, 0.16), (-0.06, 0.18)), ("a short sloping frame", "high handlebars")),
)
ROAD, CITY, CHILD = KINDS


def build(look: Look, rng: np.random.Generator) -> Model:
    """A bicycle rolling to the right."""
    look = replace(look, material="metal")
    kind = pick(rng, KINDS, [3, 3, 2])
    axle, reach = FLOOR + kind.radius, float(rng.uniform(0.52, 0.6))
    rear, front, crank = (-reach, 0.0, axle), (reach, 0.0, axle), (-0.08, 0.0, axle - 0.02)
    saddle, head = (-0.26, 0.0, axle + 0.58), (reach - 0.2, 0.0, axle + 0.6)
    patches = _frame(kind, look, rear, front, crank, saddle, head)
    patches += _handlebar(kind, head, look)
    for name, hub in (("rear wheel", rear), ("front wheel", front)):
        patches += moved(_wheel(kind.radius, int(rng.integers(5, 8)), name), *hub)
    patches += moved(_pedals(), *crank)
    fitted, added = _fittings(kind, rear, head, look, rng)
    speed = float(rng.uniform(0.25, 0.55))
    turns = speed / (2 * np.pi * kind.radius)
    motions = tuple(
        Motion(part, "spin", turns * share, axis=Y, pivot=hub)
        for part, hub, share in (("rear wheel", rear, 1.0), ("front wheel", front, 1.0), ("crank", crank, 0.5))
    )
    traits = ("two thin spoked wheels", *kind.traits, *added)
    extra = {"bell": float(rng.random() < 0.5)}
    return Model(look, [*patches, *fitted], traits, "ground", motions, travel=(speed, 0.0, 0.0), extra=extra)


def _frame(kind: Kind, look: Look, rear: Point, front: Point, crank: Point, saddle: Point, head: Point) -> list[Patch]:
    """Tubes between the hubs, the crank, the saddle and the steering head."""
    top = (saddle[0] + 0.03, 0.0, saddle[2] - kind.drop)
    patches = [ellipsoid((0.17, 0.08, 0.045), GRIP).moved(saddle[0], 0, saddle[2] + 0.03)]
    for path in ([crank, saddle], [crank, head], [top, head], [crank, rear], [top, rear], [head, front]):
        patches += tube(path, 0.032, look.paint(1.0))
    return patches


def _handlebar(kind: Kind, head: Point, look: Look) -> list[Patch]:
    """Stem and a bar that bends the same way on both sides."""
    stem = (head[0] - 0.03, 0.0, head[2] + 0.12)
    patches = tube([head, stem], 0.025, look.accent_paint(1.0))
    widths = np.linspace(0, 0.26, len(kind.bar)) ** 0.5 * 0.51
    for side in (-1, 1):
        path = [
            (stem[0] + forward, side * wide, stem[2] + up) for (forward, up), wide in zip(kind.bar, widths, strict=True)
        ]
        patches += tube(path, 0.026, GRIP)
    return patches


def _wheel(radius: float, spokes: int, part: str) -> list[Patch]:
    """Upright wheel around the origin; each spoke crosses the whole wheel."""
    patches = [
        torus(radius - 0.035, 0.035, TIRE, part).turned(X, 90),
        torus(radius - 0.08, 0.014, RIM, part).turned(X, 90),
        ellipsoid((0.05, 0.06, 0.05), RIM, part),
    ]
    rod = tube([(0, 0, 0.07 - radius), (0, 0, radius - 0.07)], 0.01, RIM, part)[2:]  # without the balls at the ends
    return [*patches, *(p.turned(Y, 180 * k / spokes) for k in range(spokes) for p in rod)]


def _pedals() -> list[Patch]:
    """Chain wheel, crank arms and pedals around the origin."""
    arms = tube([(-0.1, -0.1, -0.12), (0.1, 0.1, 0.12)], 0.022, RIM, "crank")
    feet = [ellipsoid((0.06, 0.05, 0.015), GRIP, "crank").moved(s * 0.1, s * 0.13, s * 0.12) for s in (-1, 1)]
    return [*turned(cylinder(0.09, 0.03, RIM), X, 90), *arms, *feet]


def _fittings(
    kind: Kind, rear: Point, head: Point, look: Look, rng: np.random.Generator
) -> tuple[list[Patch], tuple[str, ...]]:
    """Optional parts: a basket, a luggage rack, or training wheels on a child's bicycle."""
    if kind is CHILD:
        side_wheels = [torus(0.11, 0.035, TIRE).turned(X, 90).moved(rear[0], y, FLOOR + 0.145) for y in (-0.2, 0.2)]
        return side_wheels, ("two small training wheels",)
    if kind is CITY and rng.random() < 0.6:
        basket = cylinder(0.15, 0.2, look.accent_paint(), top=0.2)
        return moved(basket, head[0] + 0.22, 0, head[2] + 0.02), ("a basket in front",)
    if rng.random() < 0.3:
        z = rear[2] + kind.radius + 0.06
        bars = [tube([(rear[0] - 0.2, y, z), (rear[0] + 0.22, y, z)], 0.016, RIM) for y in (-0.06, 0.06)]
        stays = [tube([(rear[0], y, rear[2]), (rear[0] - 0.1, y, z)], 0.014, RIM) for y in (-0.06, 0.06)]
        return [p for rod in (*bars, *stays) for p in rod], ("a luggage rack",)
    return [], ()
