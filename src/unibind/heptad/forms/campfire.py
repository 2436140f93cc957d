"""Campfires: logs leaning together, laid as a star or crossed in layers, under flickering flames."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..model import Look, Model, Motion, pick
from ..patches import TAU, Array, Paint, Patch, Y, Z, moved, turned
from ..shapes import ellipsoid, revolve, tube

BARK = Paint((0.30, 0.20, 0.13), heat=45.0, gloss=0.02)
CHAR = Paint((0.12, 0.09, 0.08), heat=160.0, gloss=0.02)
STONE = Paint((0.50, 0.49, 0.47), heat=18.0, gloss=0.05)
EMBER = Paint((0.95, 0.35, 0.08), heat=260.0, glow=0.9)
FLAME = (  # from root to tip
    Paint((1.0, 0.90, 0.50), heat=345.0, gloss=0.0, glow=1.0),
    Paint((1.0, 0.74, 0.22), heat=320.0, gloss=0.0, glow=1.0),
    Paint((1.0, 0.50, 0.08), heat=280.0, gloss=0.0, glow=1.0),
    Paint((0.95, 0.28, 0.05), heat=220.0, gloss=0.0, glow=1.0),
)
TONGUE = np.array([(0.6, 0.0), (1.0, 0.2), (0.78, 0.42), (0.36, 0.72), (0.0, 1.0)])  # (radius, z) of a flame
FLOOR = -0.62
FLAME_GROUPS = 3  # flames of one group flicker together


def build(look: Look, rng: np.random.Generator) -> Model:
    """A burning campfire."""
    look = replace(look, color=pick(rng, ["orange", "red", "yellow"]), accent="brown", material="wood")
    layout, laid = pick(rng, [(_leaning, "leaning logs"), (_star, "logs laid as a star"), (_crossed, "crossed logs")])
    patches: list[Patch] = [ellipsoid((0.34, 0.34, 0.07), EMBER).moved(z=FLOOR + 0.04)]
    for foot, tip in layout(rng):
        middle = (foot + tip) / 2
        patches += tube([foot, middle], (0.075, 0.07), BARK)
        patches += tube([middle, tip], (0.07, 0.055), CHAR)
    tall = float(rng.uniform(0.75, 1.25))
    patches += _flames(tall, rng)
    traits = [laid, "tall tongues of light" if tall > 1.0 else "low tongues of light", "glowing embers"]
    if rng.random() < 0.5:
        patches += _ring(rng)
        traits.append("a ring of stones")
    if rng.random() < 0.4:
        patches += _sparks(tall, rng)
        traits.append("sparks above it")
    motions = tuple(
        Motion(f"flames {k}", "flicker", float(rng.uniform(2, 4)), pivot=(0, 0, FLOOR + 0.1), amount=0.22, phase=k / 3)
        for k in range(FLAME_GROUPS)
    )
    return Model(look, patches, tuple(traits), "ground", motions)


def _outward(angle: float) -> Array:
    return np.array([np.cos(angle), np.sin(angle), 0.0])


def _leaning(rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """Feet and tips of logs leaning against each other."""
    count = int(rng.integers(4, 8))
    logs = []
    for k in range(count):
        out = _outward(TAU * k / count + rng.uniform(-0.2, 0.2))
        foot = out * rng.uniform(0.5, 0.62) + [0, 0, FLOOR + 0.07]
        logs.append((foot, out * -0.05 + [0, 0, FLOOR + rng.uniform(0.42, 0.55)]))
    return logs


def _star(rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """Logs lying on the ground that meet in the middle."""
    count = int(rng.integers(4, 7))
    return [
        (out * rng.uniform(0.65, 0.8) + [0, 0, FLOOR + 0.07], out * 0.1 + [0, 0, FLOOR + 0.14])
        for out in (_outward(TAU * (k + rng.uniform(-0.1, 0.1)) / count) for k in range(count))
    ]


def _crossed(rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """Pairs of parallel logs, each laid across the pair below."""
    logs, turn = [], rng.uniform(0, TAU)
    for layer in range(int(rng.integers(2, 4))):
        along, across = _outward(turn + TAU / 4 * layer), _outward(turn + TAU / 4 * (layer + 1))
        for side in (-0.24, 0.24):
            middle = side * across + [0, 0, FLOOR + 0.07 + 0.13 * layer]
            logs.append((middle - 0.48 * along, middle + 0.48 * along))
    return logs


def _flames(tall: float, rng: np.random.Generator) -> list[Patch]:
    """A tall tongue in the middle and lower ones around it, bright at the root and red at the tip."""
    around = int(rng.integers(5, 8))
    patches = _tongue(tall, 0.18, 0)
    for k in range(around):
        angle, reach = 360 * (k + rng.uniform(-0.1, 0.1)) / around, rng.uniform(0.13, 0.22)
        tongue = _tongue(tall * rng.uniform(0.4, 0.85), rng.uniform(0.11, 0.15), k)
        patches += turned(moved(turned(tongue, Y, -rng.uniform(0, 9)), reach), Z, angle)  # leaning inwards
    return moved(patches, z=FLOOR + 0.1)


def _tongue(height: float, width: float, flicker: int) -> list[Patch]:
    """One flame at the origin: color bands from root to tip."""
    profile, part = TONGUE * [width, height], f"flames {flicker % FLAME_GROUPS}"
    return [p for ends, paint in zip(pairwise(profile), FLAME, strict=True) for p in revolve(ends, paint, part)]


def _ring(rng: np.random.Generator) -> list[Patch]:
    """Stones around the fire."""
    patches = []
    for k in range(9):
        size = rng.uniform(0.09, 0.14)
        stone = ellipsoid((size, size * 0.8, size * 0.7), STONE.shaded(float(rng.uniform(0.75, 1.15))))
        patches.append(stone.moved(0.8, 0, FLOOR + size * 0.5).turned(Z, 40 * k))
    return patches


def _sparks(tall: float, rng: np.random.Generator) -> list[Patch]:
    """Sparks that rise above the flames and move with them."""
    patches = []
    for k in range(int(rng.integers(5, 9))):
        x, y, z = rng.uniform(-0.25, 0.25), rng.uniform(-0.25, 0.25), FLOOR + tall * rng.uniform(0.7, 1.15)
        patches.append(ellipsoid((0.018, 0.018, 0.024), FLAME[1], f"flames {k % FLAME_GROUPS}").moved(x, y, z))
    return patches
