"""Helicopters: light ones with a bubble nose and long transports, with a main and a tail rotor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, Motion, pick
from ..patches import Paint, Patch, X, Y, Z, moved, turned
from ..shapes import cylinder, ellipsoid, plate, quad, tube

GLASS = Paint((0.22, 0.32, 0.40), heat=3.0, gloss=0.9)
BLADE = Paint((0.20, 0.20, 0.22), heat=2.0, gloss=0.3)
STEEL = Paint((0.55, 0.56, 0.58), heat=6.0, gloss=0.6)
EXHAUST = Paint((0.18, 0.17, 0.17), heat=80.0, gloss=0.2)


def build(look: Look, rng: np.random.Generator) -> Model:
    """A hovering helicopter facing right."""
    look = replace(look, material="metal")
    skin = look.paint(3.0)
    heavy = bool(rng.random() < 0.45)
    long, tall = (0.5, 0.27) if heavy else (0.38, 0.3)
    tall *= float(rng.uniform(0.9, 1.1))
    patches: list[Patch] = [
        ellipsoid((long, 0.25, tall), skin).moved(0.2),
        ellipsoid((0.2, 0.235, tall * 0.75), GLASS).moved(0.2 + long * 0.72, 0, 0.03),
        ellipsoid((0.26, 0.15, 0.12), replace(look.accent_paint(), heat=35.0)).moved(0.08, 0, tall * 0.95),
        ellipsoid((0.07, 0.08, 0.06), EXHAUST).moved(-0.18, 0, tall * 0.95),
    ]
    if heavy:
        patches += [
            ellipsoid((0.06, 0.01, 0.06), GLASS).moved(x, s * 0.245, 0.04) for x in (0.0, 0.18, 0.36) for s in (-1, 1)
        ]
    boom = 0.1 if heavy else 0.06
    patches += tube([(-0.1, 0, 0.08), (-0.9, 0, 0.2)], (boom * 1.3, 0.04), skin)
    patches += plate([(-0.95, 0.15), (-0.78, 0.15), (-0.88, 0.5), (-1.0, 0.5)], 0.03, look.accent_paint(1.0))
    patches += [
        quad([(-0.68, 0, 0.17), (-0.8, 0, 0.17), (-0.8, s * 0.22, 0.17), (-0.7, s * 0.22, 0.17)], skin) for s in (-1, 1)
    ]
    hub = tall + 0.2
    patches += moved(cylinder(0.035, 0.2, STEEL), 0.08, 0, hub - 0.08)
    blades = int(pick(rng, [2, 3, 4, 5]))
    reach = float(rng.uniform(0.85, 0.98))
    for k in range(blades):
        wing = [
            quad([(0, -0.04, z), (reach, -0.04, z), (reach, 0.04, z), (0, 0.04, z)], BLADE, "main rotor")
            for z in (0.0, 0.015)
        ]
        patches += moved(turned(wing, Z, 360 * k / blades), 0.08, 0, hub)
    patches.append(ellipsoid((0.06, 0.06, 0.04), STEEL, "main rotor").moved(0.08, 0, hub))
    for k in range(2):
        small = plate([(-0.025, 0.0), (0.025, 0.0), (0.025, 0.2), (-0.025, 0.2)], 0.01, BLADE, "tail rotor")
        patches += moved(turned(small, Y, 180 * k), -0.93, -0.05, 0.36)
    skids = bool(not heavy or rng.random() < 0.4)
    for side in (-1, 1):
        y = side * 0.24
        if skids:
            patches += tube([(-0.25, y, -0.5), (0.55, y, -0.5), (0.65, y, -0.44)], 0.025, STEEL)
            for x in (0.0, 0.4):
                patches += tube([(x, side * 0.15, -0.18), (x, y, -0.5)], 0.02, STEEL)
        else:
            for x in (-0.05, 0.5):
                patches += moved(
                    turned(cylinder(0.09, 0.06, Paint((0.1, 0.1, 0.1), heat=6.0)), X, 90), x, y * 0.9, -0.32
                )
    motions = (
        Motion("main rotor", "spin", float(rng.uniform(2.6, 3.8)), axis=Z, pivot=(0.08, 0, hub)),
        Motion("tail rotor", "spin", float(rng.uniform(3.5, 4.6)), axis=Y, pivot=(-0.93, -0.05, 0.36)),
    )
    traits = (
        f"{ {2: 'two', 3: 'three', 4: 'four', 5: 'five'}[blades] } long blades on top",
        "a long tail boom",
        "a rounded glass nose",
        "two landing skids" if skids else "small wheels below",
    )
    travel = (float(rng.uniform(-0.1, 0.25)), 0.0, 0.0)
    extra = {"blades": float(blades)}
    return Model(look, patches, traits, "air", motions, travel, 0.05, 0.7, pitch=12, extra=extra)
