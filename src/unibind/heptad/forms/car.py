"""Cars: sedans, vans, pickups and open roadsters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, Motion, pick
from ..patches import Paint, Patch, X, Y, moved, turned
from ..shapes import box, cylinder, ellipsoid, plate, rectangle, torus, tube

TIRE = Paint((0.09, 0.09, 0.10), heat=12.0, gloss=0.05)
RIM = Paint((0.72, 0.73, 0.75), heat=16.0, gloss=0.7)
GLASS = Paint((0.20, 0.27, 0.33), heat=2.0, gloss=0.9)
LIGHT = Paint((1.0, 0.95, 0.75), heat=14.0, glow=0.7)
REAR = Paint((0.75, 0.08, 0.06), heat=8.0, glow=0.3)

# outlines of body and glass in the x-z plane, wheels at z = -0.35
_KINDS = {
    "sedan": (
        [(-0.9, -0.32), (0.9, -0.32), (0.92, -0.1), (0.5, -0.02), (-0.75, 0.0), (-0.92, -0.08)],
        [(0.42, -0.03), (0.18, 0.24), (-0.45, 0.24), (-0.72, -0.01)],
    ),
    "van": (
        [(-0.9, -0.32), (0.9, -0.32), (0.92, -0.08), (0.68, 0.02), (0.42, 0.42), (-0.88, 0.42)],
        [(0.63, 0.05), (0.42, 0.36), (-0.2, 0.36), (-0.2, 0.05)],
    ),
    "pickup": (
        [(-0.92, -0.32), (0.9, -0.32), (0.92, -0.06), (0.55, 0.0), (-0.9, 0.0)],
        [(0.48, 0.0), (0.28, 0.3), (-0.12, 0.3), (-0.16, 0.0)],
    ),
    "roadster": (
        [(-0.88, -0.32), (0.9, -0.32), (0.92, -0.14), (0.4, -0.04), (-0.7, -0.02), (-0.9, -0.1)],
        [(0.34, -0.05), (0.2, 0.14), (0.16, 0.14), (0.28, -0.05)],
    ),
}
_TRAITS = {
    "sedan": "a sloping windscreen",
    "van": "a high boxy body",
    "pickup": "an open load bed",
    "roadster": "an open top with two seats",
}


def build(look: Look, rng: np.random.Generator) -> Model:
    """A car driving to the right."""
    look = replace(look, material="metal")
    kind = pick(rng, list(_KINDS), [4, 2, 2, 2])
    body, glass = (np.array(outline) * [1, rng.uniform(0.95, 1.15)] for outline in _KINDS[kind])
    wide = float(rng.uniform(0.68, 0.78))
    skin = look.paint(2.0)
    patches: list[Patch] = plate(body, wide, skin)
    if kind == "roadster":
        patches += plate(glass, wide * 0.8, GLASS)
        for x in (-0.1, -0.3):
            patches += moved(box((0.08, wide * 0.7, 0.18), look.accent_paint(4.0)), x, 0, 0.06)
    else:
        patches += plate(glass * [0.99, 1.0], wide * 0.9, GLASS)
        roof = glass[:, 1].max()
        top = glass[glass[:, 1] >= roof - 1e-6]
        patches += moved(
            box((np.ptp(top[:, 0]) + 0.06, wide * 0.9, 0.04), skin), float(top[:, 0].mean()), 0, float(roof)
        )
        if kind == "sedan":
            for x in (0.16, -0.16, -0.46):
                patches += [
                    p
                    for s in (-1, 1)
                    for p in tube([(x, s * wide * 0.455, 0.0), (x - 0.02, s * wide * 0.455, float(roof))], 0.02, skin)[
                        2:
                    ]
                ]
    hood = moved(box((0.36, wide * 0.7, 0.03), replace(skin, heat=24.0)), 0.66, 0, float(body[2:4, 1].mean()) + 0.03)
    patches += hood
    for s in (-1, 1):
        patches.append(ellipsoid((0.03, 0.08, 0.05), LIGHT).moved(0.91, s * wide * 0.34, -0.17))
        patches.append(ellipsoid((0.03, 0.08, 0.04), REAR).moved(-0.91, s * wide * 0.34, -0.15))
    patches += moved(box((0.04, wide * 0.95, 0.07), RIM), 0.92, 0, -0.3)
    radius = 0.19 if kind != "pickup" else 0.22
    motions, speed = [], float(rng.uniform(0.3, 0.6))
    for axle, x in (("front axle", 0.55), ("rear axle", -0.55)):
        for s in (-1, 1):
            hub = (x, s * wide * 0.48, -0.36)
            wheel = [torus(radius * 0.75, radius * 0.27, TIRE, axle).turned(X, 90)]
            wheel += turned(cylinder(radius * 0.6, 0.06, RIM, axle), X, 90)
            face = rectangle(0.04, radius, TIRE, axle).turned(X, 90).moved(y=s * 0.035)
            patches += moved([*wheel, *(face.turned(Y, 60 * k) for k in range(3))], *hub)
        motions.append(Motion(axle, "spin", speed / (2 * np.pi * radius), axis=Y, pivot=(x, 0, -0.36)))
    traits = (
        "four black wheels",
        _TRAITS[kind],
        "two headlights",
        "tinted windows" if kind != "roadster" else "a low body",
    )
    extra = {"horn": float(rng.random() < 0.3)}
    return Model(look, patches, traits, "ground", tuple(motions), (speed, 0, 0), 0.008, 3.0, extra=extra)
