"""Rockets: slender rockets with fins, and launchers with boosters, rising on a flame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, Motion, pick
from ..patches import Paint, Patch, Z, moved, turned
from ..shapes import ellipsoid, plate, revolve

NOZZLE = Paint((0.22, 0.21, 0.21), heat=160.0, gloss=0.3)
GLASS = Paint((0.25, 0.40, 0.55), heat=2.0, gloss=0.9)
FLAMES = (Paint((1.0, 0.45, 0.08), heat=260.0, glow=1.0), Paint((1.0, 0.85, 0.45), heat=340.0, glow=1.0))


def build(look: Look, rng: np.random.Generator) -> Model:
    """A rocket in flight, nose up."""
    look = replace(look, material="metal")
    boosters = int(pick(rng, [0, 0, 2, 4]))
    girth = float(rng.uniform(0.13, 0.2)) * (0.85 if boosters else 1.0)
    foot, top = -0.5, float(rng.uniform(0.5, 0.62))
    skin, accent = look.paint(14.0), look.accent_paint(22.0)
    scorched = replace(skin, heat=70.0)
    patches: list[Patch] = revolve([(0.7 * girth, foot), (girth, foot + 0.15), (girth, foot + 0.2)], scorched)
    patches += revolve([(girth, foot + 0.2), (girth, 0.1)], skin)
    patches += revolve([(girth * 1.01, 0.1), (girth * 1.01, 0.2)], accent)
    patches += revolve([(girth, 0.2), (girth, top)], skin)
    nose = [(girth, 0.0), (0.8 * girth, 0.16), (0.45 * girth, 0.28), (0, 0.37)]
    patches += moved(revolve(nose, replace(accent, heat=38.0)), z=top)  # heated by air friction
    fins = int(pick(rng, [3, 4]))
    for k in range(fins):
        fin = plate(
            [
                (0.9 * girth, foot + 0.38),
                (0.9 * girth, foot + 0.02),
                (girth + 0.26, foot - 0.1),
                (girth + 0.22, foot + 0.12),
            ],
            0.03,
            accent,
        )
        patches += turned(fin, Z, 360 * k / fins + 20)
    ports = int(rng.integers(0, 4))
    for k in range(ports):
        patches.append(ellipsoid((0.055, 0.03, 0.055), GLASS).moved(0, -girth, top - 0.12 - 0.2 * k))
    patches += _engine(girth * 0.75, foot)
    for k in range(boosters):
        angle = 2 * np.pi * k / boosters + 0.5
        x, y = 1.65 * girth * np.cos(angle), 1.65 * girth * np.sin(angle)
        body = revolve(
            [(0.5 * girth, foot), (0.55 * girth, foot + 0.1), (0.55 * girth, 0.12), (0.3 * girth, 0.28), (0, 0.34)],
            skin,
        )
        patches += moved([*body, *_engine(girth * 0.42, foot)], x, y)
    motions = (Motion("flame", "flicker", float(rng.uniform(3, 4.5)), pivot=(0, 0, foot), amount=0.18),)
    windows = {1: "one round window", 2: "two round windows", 3: "three round windows"}
    traits = [f"{'three' if fins == 3 else 'four'} fins at its foot", "a pointed nose", "a bright flame below"]
    if ports:
        traits.append(windows[ports])
    if boosters:
        traits.append(f"{'two' if boosters == 2 else 'four'} slim boosters at its sides")
    rise = float(rng.uniform(0.25, 0.5))
    return Model(look, patches, tuple(traits), "air", motions, (0, 0, rise), pitch=18)


def _engine(radius: float, foot: float) -> list[Patch]:
    """Nozzle and the flame below it."""
    patches = revolve([(0.6 * radius, foot + 0.02), (radius, foot - 0.1)], NOZZLE)
    for paint, wide, long in zip(FLAMES, (0.95, 0.5), (0.45, 0.28), strict=True):
        tongue = [(0.5 * wide * radius, foot - 0.08), (wide * radius, foot - 0.2), (0.0, foot - 0.12 - long)]
        patches += revolve(tongue, paint, "flame")
    return patches
