"""Umbrellas: open ones with a crook or a straight grip, sometimes striped; now and then a furled one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, Motion, pick
from ..surface import Paint, Patch, X, Z, ellipsoid, revolve, torus, tube

STEEL = Paint((0.70, 0.71, 0.73), heat=-1.0, gloss=0.7)
GRIP = Paint((0.33, 0.2, 0.12), heat=6.0, gloss=0.3)


def build(look: Look, rng: np.random.Generator) -> Model:
    """An umbrella that turns slowly about its stick."""
    look = replace(look, material="fabric")
    panels = int(rng.choice([6, 8, 10]))
    striped = bool(rng.random() < 0.5)
    furled = bool(rng.random() < 0.12)
    top, low = 0.55, -0.85
    if furled:
        patches = revolve(
            [(0.02, top), (0.1, 0.25), (0.12, 0.05), (0.05, -0.4), (0.03, -0.45)], look.paint(-1.5), "canopy"
        )
        patches.append(torus(0.115, 0.02, look.accent_paint(-1.0), "canopy").moved(z=0.05))
    else:
        patches = _canopy(look, panels, float(rng.uniform(0.72, 0.88)), float(rng.uniform(0.36, 0.5)), top, striped)
    patches += tube([(0, 0, top + 0.12), (0, 0, low + 0.2)], 0.022, STEEL)
    crook = bool(rng.random() < 0.65)
    if crook:
        patches.append(torus(0.1, 0.03, GRIP, arc=180).turned(X, -90).moved(0.1, 0, low + 0.12))
        patches += tube([(0, 0, low + 0.3), (0, 0, low + 0.12)], 0.03, GRIP)
    else:
        patches += tube([(0, 0, low + 0.25), (0, 0, low + 0.02)], (0.035, 0.045), GRIP)
    patches.append(ellipsoid((0.03, 0.03, 0.05), STEEL).moved(z=top + 0.13))
    lean = float(rng.uniform(-22, 22))
    patches = [p.turned((0, 1, 0), lean) for p in patches]
    axis = (float(np.sin(np.radians(lean))), 0.0, float(np.cos(np.radians(lean))))
    motions = (Motion("canopy", "spin", float(rng.uniform(0.1, 0.35)), axis=axis),)
    traits = (
        "a rolled cloth around a stick" if furled else f"a dome of {panels} cloth panels",
        "a hooked grip" if crook else "a straight grip",
        "a thin steel stick",
        *(("stripes in two colours",) if striped and not furled else ()),
    )
    habitat = pick(rng, ["ground", "air"], [4, 1])
    return Model(
        look, patches, traits, habitat, motions, bob=0.03, bob_hz=0.8, pitch=10, extra={"panels": float(panels)}
    )


def _canopy(look: Look, panels: int, radius: float, height: float, top: float, striped: bool) -> list[Patch]:
    """A scalloped dome of cloth panels with ribs between them."""
    angles = np.linspace(0, 90, 5)
    profile = [(radius * np.sin(np.radians(a)), top - height * (1 - np.cos(np.radians(a)))) for a in angles]
    patches: list[Patch] = []
    wide = 360 / panels
    for k in range(panels):
        base = look.accent_paint(-1.5) if striped and k % 2 else look.paint(-1.5)
        cloth = base.shaded(1.0 if k % 2 else 0.9)
        patches += [p.turned(Z, k * wide) for p in revolve(profile, cloth, "canopy", arc=wide)]
        rib = [(r * np.cos(np.radians(k * wide)), r * np.sin(np.radians(k * wide)), z - 0.01) for r, z in profile[1::2]]
        patches += tube([(0, 0, top), *rib], 0.012, STEEL, "canopy")[len(rib) + 1 :]
    return patches
