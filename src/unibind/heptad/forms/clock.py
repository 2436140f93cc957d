"""Clocks: round wall clocks, alarm clocks with two bells, grandfather clocks, and cuckoo clocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import COLORS, Look, Model, Motion, pick
from ..patches import Paint, Patch, X, Y, Z, moved, turned
from ..shapes import box, cylinder, disc, ellipsoid, quad, rectangle, revolve, torus, triangle, tube

BRASS = Paint((0.82, 0.64, 0.26), heat=1.0, gloss=0.8)
CASES = ("wood", "metal", "plastic")
WOODS = ("brown", "black", "cream", "orange")
CONE = Paint((0.35, 0.20, 0.10), heat=0.0, gloss=0.1)
PALE = ("white", "cream", "silver", "yellow", "pink")


def build(look: Look, rng: np.random.Generator) -> Model:
    """A clock of one of four kinds, showing a random time."""
    return pick(rng, [_wall, _alarm, _grandfather, _cuckoo])(look, rng)


def _mark(width: float, inner: float, outer: float, z: float, paint: Paint, part: str = "body") -> Patch:
    """Bar in the x-y plane at height z, from `inner` to `outer` along +y."""
    return rectangle(width, outer - inner, paint, part).moved(y=(inner + outer) / 2, z=z)


def _dial(
    radius: float, look: Look, rng: np.random.Generator
) -> tuple[list[Patch], tuple[Motion, ...], tuple[str, str]]:
    """Dial at the origin, facing the camera, with hour marks and two turning hands; its motions and traits."""
    dark = rng.random() < 0.25
    ground = Paint(COLORS["black" if dark else "white"], heat=2.0, gloss=0.1)
    ink = Paint(COLORS["white" if dark else "black"], heat=2.5, gloss=0.1)
    accent = look.accent if (look.accent in PALE) == dark else ("yellow" if dark else "red")
    second = replace(look, accent=accent).accent_paint(2.5)
    minute, hour = float(rng.uniform(0, 360)), float(rng.uniform(0, 360))
    patches = [disc(radius, ground)]
    for k in range(12):
        width, inner = (0.09, 0.72) if k % 3 == 0 else (0.05, 0.80)
        patches.append(_mark(width * radius, inner * radius, 0.93 * radius, 0.008, ink).turned(Z, -30 * k))
    patches += [
        _mark(0.13 * radius, -0.12 * radius, 0.52 * radius, 0.02, ink, "hour hand").turned(Z, -hour),
        _mark(0.08 * radius, -0.15 * radius, 0.78 * radius, 0.03, ink, "minute hand").turned(Z, -minute),
        *moved(cylinder(0.08 * radius, 0.04, second), z=0.03),
    ]
    rate = float(rng.uniform(0.15, 0.4))  # fast: real hands would not visibly move
    motions = (Motion("minute hand", "spin", rate, axis=Y), Motion("hour hand", "spin", rate / 12, axis=Y))
    return turned(patches, X, 90), motions, (f"a round {'black' if dark else 'white'} face", "two hands")


def _at(motions: tuple[Motion, ...], y: float, z: float) -> tuple[Motion, ...]:
    """Motions of a dial that is moved to (0, y, z)."""
    return tuple(replace(m, pivot=(0.0, y, z)) for m in motions)


def _wall(look: Look, rng: np.random.Generator) -> Model:
    look = replace(look, material=pick(rng, CASES))
    radius = rng.uniform(0.72, 0.85)
    depth = rng.uniform(0.08, 0.16)
    dial, motions, dial_traits = _dial(0.9 * radius, look, rng)
    case = [
        torus(radius, rng.uniform(0.06, 0.1), look.paint(1.0)),
        *revolve([(0, -depth), (radius, -depth), (radius, 0)], look.paint(1.0)),
    ]
    patches = [*turned(case, X, 90), *dial]
    return Model(
        look, patches, (*dial_traits, "a round rim", "twelve hour marks"), "indoor", motions, extra={"tick_hz": 1.0}
    )


def _alarm(look: Look, rng: np.random.Generator) -> Model:
    look = replace(look, material="metal")
    radius, depth = rng.uniform(0.52, 0.6), rng.uniform(0.3, 0.4)
    face = -depth / 2 - 0.04
    dial, motions, dial_traits = _dial(0.88 * radius, look, rng)
    case = [*cylinder(radius, depth, look.paint(1.5)), torus(radius * 0.96, 0.05, look.paint(1.5)).moved(z=depth / 2)]
    ringers: list[Patch] = []
    for side in (-1, 1):
        dome = [(0.24, 0), (0.22, 0.12), (0.13, 0.2), (0, 0.22)]
        gong = [*revolve(dome, look.accent_paint(1.0, gloss=0.8)), *cylinder(0.03, 0.2, BRASS)]
        ringers += turned(moved(gong, z=radius + 0.08), Y, side * 36)
        ringers += turned(tube([(0, 0, -radius), (0, 0, -radius - 0.2)], (0.05, 0.03), look.paint(1.0)), Y, side * -30)
    handle = moved(turned([torus(0.2, 0.03, BRASS, arc=180)], X, 90), z=radius + 0.2)
    pivot = (0.0, 0.0, radius)
    striker = ellipsoid((0.06, 0.05, 0.05), BRASS, "hammer").moved(z=radius + 0.22)
    hammer = [*tube([pivot, (0, 0, radius + 0.2)], 0.025, BRASS, "hammer"), striker]
    shake = Motion("hammer", "swing", float(rng.uniform(5, 9)), axis=Y, pivot=pivot, amount=15)
    patches = [*turned(case, X, 90), *moved(dial, y=face), *ringers, *handle, *hammer]
    traits = (*dial_traits, "two gongs on top", "two little feet", "a small hammer")
    return Model(
        look, patches, traits, "indoor", (*_at(motions, face, 0.0), shake), extra={"tick_hz": 2.0, "ringing": 1.0}
    )


def _pendulum(top: float, length: float, y: float, bob: float, rng: np.random.Generator) -> tuple[list[Patch], Motion]:
    """Swinging rod with a disc, hanging from height `top`."""
    low = top - length
    patches = [
        *tube([(0, y, top), (0, y, low)], 0.02, BRASS, "pendulum"),
        *moved(turned(cylinder(bob, 0.04, BRASS, "pendulum"), X, 90), y=y, z=low),
    ]
    rate = float(rng.uniform(0.5, 1.0))
    return patches, Motion("pendulum", "swing", rate, axis=Y, pivot=(0.0, y, top), amount=14.0)


def _gable(half: float, low: float, high: float, paint: Paint) -> list[Patch]:
    """Gable roof with triangular ends: 2 `half` wide and 0.4 deep."""
    d = 0.2
    ends = [triangle([(-half, y, low), (half, y, low), (0, y, high)], paint) for y in (-d, d)]
    slopes = [quad([(x, -d, low), (x, d, low), (0, d, high), (0, -d, high)], paint.shaded(0.8)) for x in (-half, half)]
    return [*ends, *slopes]


def _grandfather(look: Look, rng: np.random.Generator) -> Model:
    look = replace(look, color=pick(rng, WOODS), material="wood")
    wood, inner = look.paint(1.0), Paint((0.10, 0.07, 0.05), heat=0.0, gloss=0.1)
    width = rng.uniform(0.42, 0.5)
    dial, motions, dial_traits = _dial(width * 0.52, look, rng)
    pendulum, swing = _pendulum(0.22, 0.55, -0.19, 0.1, rng)
    patches = [
        *moved(box((width * 1.35, 0.4, 0.28), wood), z=-0.82),
        *moved(box((width, 0.32, 1.05), wood), z=-0.2),
        *moved(box((width * 1.4, 0.4, 0.56), wood), z=0.55),
        *_gable(0.37, 0.82, 0.98, wood),
        rectangle(0.64 * width, 0.72, inner).turned(X, 90).moved(y=-0.165, z=-0.14),
        *pendulum,
        *moved(dial, y=-0.215, z=0.55),
    ]
    motions = (*_at(motions, -0.215, 0.55), swing)
    traits = (*dial_traits, "a tall wooden case", "a swinging brass pendulum", "a pointed gable")
    return Model(look, patches, traits, "indoor", motions, extra={"tick_hz": 1.0, "strike": 1.0})


def _cuckoo(look: Look, rng: np.random.Generator) -> Model:
    look = replace(look, color=pick(rng, WOODS), material="wood")
    wood, roof = look.paint(1.0), look.accent_paint(0.5, gloss=0.1)
    width = rng.uniform(0.7, 0.85)
    half = width / 2
    dial, motions, dial_traits = _dial(0.3, look, rng)
    pendulum, swing = _pendulum(-0.25, 0.42, -0.1, 0.1, rng)
    patches = [
        *moved(box((width, 0.4, 0.75), wood), z=0.1),
        *_gable(half, 0.475, 0.85, wood),
        *pendulum,
        *moved(dial, y=-0.22, z=0.08),
        rectangle(0.18, 0.2, roof).turned(X, 90).moved(y=-0.21, z=0.55),
    ]
    for side in (-1, 1):
        x, low = side * 0.2, -0.55 - 0.12 * side
        patches += moved(turned(box((half * 1.75, 0.56, 0.06), roof), Y, side * 40), x=side * half * 0.62, z=0.68)
        patches += tube([(x, -0.1, -0.25), (x, -0.1, low)], 0.012, BRASS)
        patches.append(ellipsoid((0.06, 0.06, 0.13), CONE).moved(x, -0.1, low - 0.11))
    motions = (*_at(motions, -0.22, 0.08), swing)
    traits = (*dial_traits, "a little house with a steep roof", "a swinging pendulum", "two hanging pine cones")
    return Model(look, patches, traits, "indoor", motions, extra={"tick_hz": 2.0, "cuckoo": 1.0})
