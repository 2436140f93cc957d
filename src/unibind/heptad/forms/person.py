"""People: walking to the right in trousers, shorts or a dress, with bare head, cap or long hair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, Motion, pick
from ..surface import Paint, Patch, Y, cylinder, ellipsoid, revolve, tube

SKINS = ((0.94, 0.78, 0.66), (0.82, 0.62, 0.47), (0.60, 0.42, 0.30), (0.38, 0.26, 0.19))
HAIRS = ((0.10, 0.08, 0.07), (0.32, 0.20, 0.12), (0.75, 0.60, 0.33), (0.60, 0.60, 0.60))
SHOE = Paint((0.14, 0.13, 0.13), heat=3.0, gloss=0.3)


def build(look: Look, rng: np.random.Generator) -> Model:
    """A walking person; faces and hands are warm, clothes are cooler."""
    look = replace(look, material="fabric")
    skin = Paint(pick(rng, list(SKINS)), heat=12.0, gloss=0.1)
    hair = Paint(pick(rng, list(HAIRS)), heat=6.0, gloss=0.1)
    shirt, bottom = look.paint(5.5), look.accent_paint(4.5)
    kind = pick(rng, ["trousers", "shorts", "dress"], [3, 2, 2])
    broad = float(rng.uniform(0.85, 1.15))
    hip, shoulder, floor = -0.02, 0.48, -0.88
    patches: list[Patch] = [
        *revolve(
            [(0.0, hip), (0.15, hip), (0.15, hip + 0.2), (0.2, shoulder - 0.06), (0.08, shoulder), (0, shoulder)], shirt
        ),
        ellipsoid((0.125, 0.12, 0.15), skin).moved(0.02, 0, 0.69),
        *tube([(0, 0, 0.46), (0, 0, 0.6)], 0.06, skin),
        ellipsoid((0.14, 0.135, 0.11), hair).moved(-0.02, 0, 0.76),
    ]
    patches = [replace(p) for p in patches]
    traits = []
    style = pick(rng, ["short", "long", "cap"])
    if style == "long":
        patches.append(ellipsoid((0.08, 0.14, 0.2), hair).moved(-0.1, 0, 0.64))
        traits.append("long hair")
    elif style == "cap":
        patches += [p.moved(0, 0, 0.81) for p in cylinder(0.135, 0.1, look.accent_paint(3.0), top=0.1)]
        patches.append(ellipsoid((0.12, 0.1, 0.018), look.accent_paint(2.0)).moved(0.14, 0, 0.77))
        traits.append("a cap")
    rate = float(rng.uniform(0.8, 1.3))
    motions = []
    for side, phase in ((-1, 0.0), (1, 0.5)):
        name = "left" if side < 0 else "right"
        y = side * 0.085 * broad
        leg = bottom if kind == "trousers" else skin
        patches += tube([(0, y, hip), (0.03, y, -0.42), (0, y, floor + 0.06)], (0.1, 0.075, 0.055), leg, f"{name} leg")
        if kind == "shorts":
            patches += tube([(0, y, hip), (0.02, y, -0.32)], (0.115, 0.11), bottom, f"{name} leg")
        patches.append(ellipsoid((0.12, 0.055, 0.05), SHOE, f"{name} leg").moved(0.05, y, floor + 0.04))
        motions.append(Motion(f"{name} leg", "swing", rate, axis=Y, pivot=(0, y, hip), amount=26, phase=phase))
        at = side * 0.22 * broad
        patches += tube([(0, at, shoulder - 0.06), (-0.03, at * 1.1, 0.2)], (0.075, 0.06), shirt, f"{name} arm")
        patches += tube([(-0.03, at * 1.1, 0.2), (0.08, at * 1.1, -0.02)], (0.05, 0.045), skin, f"{name} arm")
        patches.append(
            ellipsoid((0.06, 0.045, 0.06), replace(skin, heat=10.0), f"{name} arm").moved(0.1, at * 1.1, -0.06)
        )
        pivot = (0.0, at, shoulder - 0.06)
        motions.append(Motion(f"{name} arm", "swing", rate, axis=Y, pivot=pivot, amount=24, phase=phase + 0.5))
    if kind == "dress":
        patches += revolve([(0.15, hip + 0.12), (0.32, -0.42)], bottom)
    traits += {
        "trousers": ["long trousers", "two swinging arms"],
        "shorts": ["short trousers", "bare legs"],
        "dress": ["a wide skirt", "bare legs"],
    }[kind]
    traits.append("two legs in mid-stride")
    speed = float(rng.uniform(0.15, 0.4))
    extra = {"voice": float(rng.uniform(0.8, 1.5)), "walking": float(rng.random() < 0.5)}
    return Model(look, patches, tuple(traits), "ground", tuple(motions), (speed, 0, 0), 0.02, rate * 2, extra=extra)
