"""Bicycles: road, city and children's ones, all with two spoked wheels and a diamond or step-through frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, Motion, pick
from ..surface import Paint, Patch, X, Y, cylinder, ellipsoid, torus, tube

TYRE = Paint((0.10, 0.10, 0.11), heat=3.0, gloss=0.05)
RIM = Paint((0.75, 0.76, 0.78), heat=1.0, gloss=0.7)
GRIP = Paint((0.15, 0.13, 0.12), heat=5.0, gloss=0.1)


def build(look: Look, rng: np.random.Generator) -> Model:
    """A bicycle rolling to the right."""
    look = replace(look, material="metal")
    kind = pick(rng, ["road", "city", "child"], [3, 3, 2])
    radius = {"road": 0.40, "city": 0.38, "child": 0.30}[kind]
    floor, reach = -0.75, float(rng.uniform(0.52, 0.6))
    axle = floor + radius
    rear, front = (-reach, 0.0, axle), (reach, 0.0, axle)
    crank = (-0.08, 0.0, axle - 0.02)
    saddle, head = (-0.26, 0.0, axle + 0.58), (reach - 0.2, 0.0, axle + 0.6)
    frame = look.paint(1.0)
    patches: list[Patch] = []
    for name, hub in (("rear wheel", rear), ("front wheel", front)):
        patches += _wheel(radius, int(rng.integers(5, 8)), name, hub)
    top = (saddle[0] + 0.03, 0.0, saddle[2] - (0.1 if kind == "road" else 0.3))
    for path in ([crank, saddle], [crank, head], [top, head], [crank, rear], [top, rear], [head, front]):
        patches += tube(path, 0.032, frame)
    stem = (head[0] - 0.03, 0.0, head[2] + 0.12)
    back = -0.12 if kind == "city" else 0.1
    patches += tube([head, stem], 0.025, look.accent_paint(1.0))
    patches += tube([(stem[0] + back, -0.26, stem[2]), stem, (stem[0] + back, 0.26, stem[2])], 0.028, GRIP)
    patches.append(ellipsoid((0.17, 0.08, 0.045), GRIP).moved(saddle[0], 0, saddle[2] + 0.03))
    patches += [p.turned(X, 90).moved(*crank) for p in cylinder(0.09, 0.03, RIM)]
    patches += tube(
        [(crank[0] - 0.1, -0.1, crank[2] - 0.12), (crank[0] + 0.1, 0.1, crank[2] + 0.12)], 0.022, RIM, "crank"
    )
    traits = ["two thin spoked wheels", "a low saddle", "curved handlebars"]
    traits.append("a diamond frame" if kind == "road" else "a sloping frame")
    if kind == "child":
        for side in (-0.2, 0.2):
            patches.append(torus(0.11, 0.035, TYRE).turned(X, 90).moved(-reach, side, floor + 0.13))
        traits.append("two small training wheels")
    if kind == "city" and rng.random() < 0.6:
        patches += [
            p.moved(reach + 0.02, 0, head[2] + 0.02) for p in cylinder(0.17, 0.2, look.accent_paint(), top=0.21)
        ]
        traits.append("a basket in front")
    speed = float(rng.uniform(0.25, 0.55))
    spin = speed / (2 * np.pi * radius)
    motions = (
        Motion("rear wheel", "spin", spin, axis=Y, pivot=rear),
        Motion("front wheel", "spin", spin, axis=Y, pivot=front),
        Motion("crank", "spin", spin, axis=Y, pivot=crank),
    )
    extra = {"bell": float(rng.random() < 0.5), "speed": speed}
    return Model(look, patches, tuple(traits), "ground", motions, travel=(speed, 0.0, 0.0), extra=extra)


def _wheel(radius: float, spokes: int, part: str, hub: tuple[float, float, float]) -> list[Patch]:
    patches = [
        torus(radius - 0.035, 0.035, TYRE, part).turned(X, 90),
        torus(radius - 0.08, 0.014, RIM, part).turned(X, 90),
        ellipsoid((0.05, 0.06, 0.05), RIM, part),
    ]
    for k in range(spokes):
        angle = np.pi * k / spokes
        end = np.array([np.cos(angle), 0, np.sin(angle)]) * (radius - 0.07)
        patches += tube([-end, end], 0.01, RIM, part)[2:]  # no balls at the ends
    return [p.moved(*hub) for p in patches]
