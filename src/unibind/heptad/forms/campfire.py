"""Campfires: leaning or stacked logs, flames of three colours, sometimes a ring of stones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, Motion, pick
from ..surface import Paint, Patch, Z, ellipsoid, revolve, tube

BARK = Paint((0.30, 0.20, 0.13), heat=45.0, gloss=0.02)
CHAR = Paint((0.12, 0.09, 0.08), heat=160.0, gloss=0.02)
STONE = Paint((0.50, 0.49, 0.47), heat=18.0, gloss=0.05)
EMBER = Paint((0.95, 0.35, 0.08), heat=260.0, glow=0.9)
FLAMES = ((1.0, 0.32, 0.06), (1.0, 0.58, 0.10), (1.0, 0.86, 0.35))


def build(look: Look, rng: np.random.Generator) -> Model:
    """A burning fire; its flames flicker upwards."""
    look = replace(look, colour=pick(rng, ["orange", "red", "yellow"]), accent="brown", material="wood")
    floor, logs = -0.62, int(rng.integers(4, 8))
    patches: list[Patch] = []
    leaning = bool(rng.random() < 0.6)
    for k in range(logs):
        angle = 2 * np.pi * k / logs + rng.uniform(-0.2, 0.2)
        out = np.array([np.cos(angle), np.sin(angle), 0])
        foot = out * rng.uniform(0.5, 0.62) + [0, 0, floor + 0.07]
        tip = (
            out * -0.05 + [0, 0, floor + rng.uniform(0.42, 0.55)]
            if leaning
            else out * -0.4 + [0, 0, floor + 0.1 + 0.05 * k]
        )
        middle = (foot + tip) / 2
        patches += tube([foot, middle], (0.075, 0.07), BARK)
        patches += tube([middle, tip], (0.07, 0.055), CHAR)
    patches.append(ellipsoid((0.3, 0.3, 0.07), EMBER).moved(z=floor + 0.04))
    tall = float(rng.uniform(0.75, 1.15))
    motions = []
    for k, colour in enumerate(FLAMES):
        name, width, height = f"flame {k}", 0.3 - 0.08 * k, tall * (1 - 0.24 * k)
        paint = Paint(colour, heat=230.0 + 55 * k, glow=1.0, gloss=0.0)
        tongues = int(rng.integers(3, 5))
        for j in range(tongues):
            angle = 2 * np.pi * j / tongues + k
            reach, share = 0.16 - 0.04 * k, float(rng.uniform(0.6, 1.0))
            tongue = [
                (0.0, 0.0),
                (width * 0.55, height * share * 0.22),
                (width * 0.3, height * share * 0.6),
                (0.0, height * share),
            ]
            lean = (np.sin(angle), -np.cos(angle), 0.0)
            for p in revolve(tongue, paint, name):
                patches.append(p.turned(lean, -6).moved(reach * np.cos(angle), reach * np.sin(angle), floor + 0.12))
        motions.append(
            Motion(name, "flicker", float(rng.uniform(2, 4)), pivot=(0, 0, floor + 0.1), amount=0.22, phase=0.3 * k)
        )
    ring = bool(rng.random() < 0.5)
    if ring:
        for k in range(9):
            size = rng.uniform(0.09, 0.14)
            stone = ellipsoid((size, size * 0.8, size * 0.7), STONE.shaded(float(rng.uniform(0.75, 1.15))))
            patches.append(stone.moved(0.78, 0, floor + size * 0.5).turned(Z, 40 * k))
    traits = (
        "leaning logs" if leaning else "stacked logs",
        "tall tongues of light" if tall > 0.95 else "low tongues of light",
        "glowing embers",
        *(("a ring of stones",) if ring else ()),
    )
    return Model(look, patches, traits, "ground", tuple(motions), extra={"size": tall, "logs": float(logs)})
