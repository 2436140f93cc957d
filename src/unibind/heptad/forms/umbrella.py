"""Umbrellas: open or furled, with a hooked or straight grip, sometimes striped or hemmed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, Motion, pick
from ..patches import Paint, Patch, X, Y, Z, repeated, rotation, turned
from ..shapes import ellipsoid, revolve, torus, tube

STEEL = Paint((0.70, 0.71, 0.73), heat=-1.0, gloss=0.7)
GRIP = Paint((0.33, 0.2, 0.12), heat=6.0, gloss=0.3)  # warmed by the hand
TOP, LOW = 0.55, -0.85  # z of both ends of the stick


def build(look: Look, rng: np.random.Generator) -> Model:
    """An umbrella that turns slowly about its stick."""
    look = replace(look, material="fabric")
    warmth = pick(rng, [-3.0, 5.0])  # wet cloth, or cloth warmed by the sun
    panels = int(rng.choice([6, 8, 10]))
    crook = bool(rng.random() < 0.65)
    patches = [*_stick(), *(_crook() if crook else _straight_grip())]
    if rng.random() < 0.12:
        patches += _furled(look, warmth)
        traits = ["a rolled cloth around a stick"]
    else:
        cloth, pattern = _pattern(look, warmth, rng)
        patches += _canopy(cloth, panels, float(rng.uniform(0.72, 0.88)), float(rng.uniform(0.34, 0.52)))
        traits = [f"a dome of {panels} cloth panels", *pattern]
    lean = float(rng.uniform(-22, 22))
    motion = Motion("canopy", "spin", float(rng.uniform(0.1, 0.35)), axis=tuple(rotation(Y, lean) @ Z))
    traits += ["a hooked grip" if crook else "a straight grip", "a thin steel stick"]
    return Model(
        look,
        turned(patches, Y, lean),
        tuple(traits),
        "air" if rng.random() < 0.2 else "ground",
        (motion,),
        bob=0.03,
        bob_hz=0.8,
        pitch=10,
    )


def _stick() -> list[Patch]:
    return [
        *tube([(0, 0, TOP + 0.12), (0, 0, LOW + 0.2)], 0.022, STEEL),
        ellipsoid((0.03, 0.03, 0.05), STEEL).moved(z=TOP + 0.13),
    ]


def _crook() -> list[Patch]:
    hook = torus(0.1, 0.03, GRIP, arc=180).turned(X, -90).moved(0.1, 0, LOW + 0.12)
    return [hook, *tube([(0, 0, LOW + 0.3), (0, 0, LOW + 0.12)], 0.03, GRIP)]


def _straight_grip() -> list[Patch]:
    return tube([(0, 0, LOW + 0.25), (0, 0, LOW + 0.02)], (0.035, 0.045), GRIP)


def _furled(look: Look, warmth: float) -> list[Patch]:
    """Cloth wound around the stick and held by a strap."""
    profile = [(0.02, TOP), (0.1, 0.25), (0.12, 0.05), (0.05, -0.4), (0.03, -0.45)]
    strap = torus(0.115, 0.02, look.accent_paint(0.5 * warmth), "canopy").moved(z=0.05)
    return [*revolve(profile, look.paint(warmth), "canopy"), strap]


def _pattern(look: Look, warmth: float, rng: np.random.Generator) -> tuple[tuple[Paint, Paint, Paint], tuple[str, ...]]:
    """Paint of even panels, odd panels and the hem, and the trait of a visible pattern."""
    plain, accent = look.paint(warmth), look.accent_paint(0.6 * warmth)
    if rng.random() < 0.45:
        return (plain, accent, plain), ("stripes in two colours",)
    hemmed = bool(rng.random() < 0.4)
    return (plain.shaded(0.9), plain, accent if hemmed else plain), (("a hem of another colour",) if hemmed else ())


def _canopy(cloth: tuple[Paint, Paint, Paint], panels: int, radius: float, height: float) -> list[Patch]:
    """A dome of cloth panels over steel ribs; the lowest band of the cloth is the hem."""
    angles = np.radians(np.linspace(0, 90, 5))
    profile = np.stack([radius * np.sin(angles), TOP - height * (1 - np.cos(angles))], axis=1)
    even, odd, hem = cloth
    patches = []
    for k in range(panels):
        *bands, last = revolve(profile, odd if k % 2 else even, "canopy", arc=360 / panels)
        if hem not in cloth[:2]:
            last = replace(last, paint=hem)
        patches += turned([*bands, last], Z, 360 * k / panels)
    ribs = [(0.98 * r, 0.0, z - 0.03) for r, z in profile[1:]]  # inside the dome
    rods = tube([(0, 0, TOP - 0.03), *ribs], 0.012, STEEL, "canopy")[
        len(ribs) + 1 :
    ]  # without the balls at the corners
    return [*patches, *repeated(rods, panels)]
