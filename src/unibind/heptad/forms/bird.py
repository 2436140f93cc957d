"""Birds: songbirds, gulls and parrots, in flight with beating wings or perched on a branch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import COLOURS, Look, Model, Motion, pick
from ..surface import Paint, Patch, X, Y, ellipsoid, plate, quad, tube

BEAK = Paint((0.95, 0.62, 0.15), heat=3.0, gloss=0.4)
EYE = Paint((0.04, 0.04, 0.04), heat=12.0, gloss=0.9)
BARK = Paint((0.36, 0.26, 0.18), heat=0.0, gloss=0.02)


def build(look: Look, rng: np.random.Generator) -> Model:
    """A bird heading right."""
    look = replace(
        look, colour=pick(rng, ["red", "blue", "green", "yellow", "white", "grey", "brown", "black"]), material="fabric"
    )
    down = Paint(COLOURS[look.colour], heat=7.0, gloss=0.05)
    belly = Paint(COLOURS[pick(rng, ["white", "cream", "orange", "yellow"])], heat=8.0, gloss=0.05)
    flying = bool(rng.random() < 0.6)
    stout = float(rng.uniform(0.17, 0.24))
    tilt = 0.0 if flying else float(rng.uniform(-40, -25))
    body: list[Patch] = [
        ellipsoid((0.42, stout, stout * 1.05), down),
        ellipsoid((0.34, stout * 0.92, stout * 0.95), belly).moved(0.05, 0, -0.045),
        ellipsoid((0.17, 0.15, 0.155), down).moved(0.42, 0, 0.12),
    ]
    length = float(rng.uniform(0.1, 0.22))
    body += tube([(0.56, 0, 0.11), (0.56 + length, 0, 0.08)], (0.05, 0.008), BEAK)
    for side in (-1, 1):
        body.append(ellipsoid((0.026, 0.02, 0.028), EYE).moved(0.5, side * 0.12, 0.16))
    fan = float(rng.uniform(0.3, 0.45))
    body.append(
        quad(
            [(-0.36, -0.07, 0.02), (-0.36, 0.07, 0.02), (-0.36 - fan, 0.17, 0.0), (-0.36 - fan, -0.17, 0.0)],
            down.shaded(0.8),
        )
    )
    motions: tuple[Motion, ...] = ()
    if flying:
        span = float(rng.uniform(0.65, 0.85))
        for side, name in ((-1, "left wing"), (1, "right wing")):
            inner = [
                (0.2, side * 0.1, 0.1),
                (-0.2, side * 0.1, 0.08),
                (-0.22, side * span * 0.55, 0.24),
                (0.14, side * span * 0.55, 0.26),
            ]
            outer = [
                (0.14, side * span * 0.55, 0.26),
                (-0.22, side * span * 0.55, 0.24),
                (-0.32, side * span, 0.2),
                (-0.12, side * span, 0.22),
            ]
            body += [quad(inner, replace(down, heat=4.0), name), quad(outer, replace(down.shaded(0.7), heat=2.0), name)]
        rate = float(rng.uniform(2.0, 4.0))
        motions = (
            Motion("left wing", "swing", rate, axis=X, pivot=(0, -0.1, 0.1), amount=38),
            Motion("right wing", "swing", -rate, axis=X, pivot=(0, 0.1, 0.1), amount=38),
        )
    else:
        for side in (-1, 1):
            wing = ellipsoid((0.36, 0.05, 0.15), replace(down.shaded(0.75), heat=4.0)).turned(Y, 8)
            body.append(wing.moved(-0.08, side * (stout + 0.005), 0.03))
    patches = [p.turned(Y, tilt) for p in body]
    if not flying:
        for side in (-0.07, 0.07):
            patches += tube([(0.02, side, -0.15), (0.05, side, -0.42)], 0.022, BEAK)
        patches += tube([(-0.85, 0.02, -0.52), (0.0, 0, -0.46), (0.85, -0.03, -0.4)], (0.07, 0.055, 0.04), BARK)
        leaf = [(0.0, 0.0), (0.1, 0.07), (0.24, 0.02), (0.1, -0.06)]
        patches += [p.moved(0.5, 0, -0.36) for p in plate(leaf, 0.01, Paint(COLOURS["green"]))]
    traits = (
        ("two spread wings" if flying else "folded wings"),
        "a pointed beak" if length > 0.15 else "a short beak",
        "a fanned tail",
        *(() if flying else ("a branch under its feet",)),
    )
    travel = (float(rng.uniform(0.2, 0.5)), 0.0, 0.0) if flying else (0.0, 0.0, 0.0)
    bob = 0.05 if flying else 0.015
    extra = {"stout": stout / 0.2}
    return Model(look, patches, traits, "air", motions, travel, bob, 3.0, pitch=12, extra=extra)
