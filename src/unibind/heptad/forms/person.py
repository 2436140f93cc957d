"""People walking to the right in pants, shorts or a dress, some with a cap, long hair or a backpack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, Motion, pick
from ..patches import Paint, Patch, Y, moved
from ..shapes import box, cylinder, ellipsoid, revolve, tube

SKINS = ((0.94, 0.78, 0.66), (0.82, 0.62, 0.47), (0.60, 0.42, 0.30), (0.38, 0.26, 0.19))
HAIRS = ((0.10, 0.08, 0.07), (0.32, 0.20, 0.12), (0.75, 0.60, 0.33), (0.60, 0.60, 0.60))
SHOE = Paint((0.14, 0.13, 0.13), heat=3.0, gloss=0.3)
EYE = Paint((0.08, 0.06, 0.05), heat=13.0, gloss=0.6)
HIP, SHOULDER, FLOOR = -0.02, 0.48, -0.88
OUTFITS = {
    "pants": ("long trousers", "two swinging arms"),
    "shorts": ("short trousers", "bare legs"),
    "dress": ("a wide skirt", "bare legs"),
}


def build(look: Look, rng: np.random.Generator) -> Model:
    """A walking person; face and hands are warmer than clothes."""
    look = replace(look, material="fabric")
    skin = Paint(pick(rng, SKINS), heat=12.0, gloss=0.1)
    outfit = pick(rng, list(OUTFITS), [3, 2, 2])
    broad = float(rng.uniform(0.85, 1.2))
    head, worn = _head(look, skin, rng)
    patches = [*_trunk(look, broad, outfit), *head]
    for side in (-1, 1):
        patches += _leg(side, look, skin, broad, outfit)
        patches += _arm(side, look, skin, broad)
    carried: tuple[str, ...] = ()
    if rng.random() < 0.3:
        patches += moved(box((0.15, 0.26 * broad, 0.32), look.accent_paint(2.0), taper=0.85), -0.25, 0, 0.26)
        carried = ("a rucksack",)
    rate = float(rng.uniform(0.8, 1.3))
    traits = (*worn, *OUTFITS[outfit], *carried, "two legs in mid-stride")
    speed = float(rng.uniform(0.15, 0.4))
    extra = {"voice": float(rng.uniform(0.8, 1.5)), "walking": float(rng.random() < 0.5)}
    return Model(look, patches, traits, "ground", _stride(rate, broad), (speed, 0, 0), 0.02, rate * 2, extra=extra)


def _limb(side: int, kind: str) -> str:
    return f"{'left' if side > 0 else 'right'} {kind}"


def _trunk(look: Look, broad: float, outfit: str) -> list[Patch]:
    shirt, waist = look.paint(5.5), 0.15 * broad
    torso = [
        (0, HIP),
        (waist, HIP),
        (waist, HIP + 0.2),
        (0.2 * broad, SHOULDER - 0.06),
        (0.08, SHOULDER),
        (0, SHOULDER),
    ]
    patches = revolve(torso, shirt)
    if outfit == "dress":
        patches += revolve([(waist, HIP + 0.12), (0.32 * broad, -0.42)], look.accent_paint(4.5))
    return patches


def _head(look: Look, skin: Paint, rng: np.random.Generator) -> tuple[list[Patch], tuple[str, ...]]:
    """Neck, face, and hair or cap; also the trait for the hair or cap."""
    hair = Paint(pick(rng, HAIRS), heat=6.0, gloss=0.1)
    patches = [
        *tube([(0, 0, 0.46), (0, 0, 0.6)], 0.06, skin),
        ellipsoid((0.125, 0.12, 0.15), skin).moved(0.02, 0, 0.69),
    ]
    patches += [ellipsoid((0.02, 0.02, 0.018), EYE).moved(0.128, side * 0.05, 0.71) for side in (-1, 1)]
    patches.append(ellipsoid((0.03, 0.02, 0.025), replace(skin, heat=9.0)).moved(0.15, 0, 0.675))  # a cool nose
    patches.append(ellipsoid((0.14, 0.135, 0.11), hair).moved(-0.025, 0, 0.765))
    style = pick(rng, ["short", "long", "cap"])
    if style == "long":
        patches.append(ellipsoid((0.08, 0.14, 0.2), hair).moved(-0.1, 0, 0.64))
        return patches, ("long hair",)
    if style == "cap":
        cap = look.accent_paint(2.5)
        patches += moved(cylinder(0.145, 0.11, cap, top=0.1), -0.01, 0, 0.82)
        patches.append(ellipsoid((0.12, 0.1, 0.018), cap).moved(0.14, 0, 0.78))
        return patches, ("a cap",)
    return patches, ("short hair",)


def _leg(side: int, look: Look, skin: Paint, broad: float, outfit: str) -> list[Patch]:
    name, y, cloth = _limb(side, "leg"), side * 0.085 * broad, look.accent_paint(4.5)
    covered = cloth if outfit == "pants" else skin
    patches = tube([(0, y, HIP), (0.03, y, -0.42), (0, y, FLOOR + 0.06)], (0.1, 0.075, 0.055), covered, name)
    if outfit == "shorts":
        patches += tube([(0, y, HIP), (0.02, y, -0.32)], (0.115, 0.11), cloth, name)
    return [*patches, ellipsoid((0.12, 0.055, 0.05), SHOE, name).moved(0.05, y, FLOOR + 0.04)]


def _arm(side: int, look: Look, skin: Paint, broad: float) -> list[Patch]:
    """Sleeved upper arm, bare forearm and hand."""
    name, y = _limb(side, "arm"), side * 0.22 * broad
    elbow = (-0.03, y * 1.1, 0.2)
    return [
        *tube([(0, y, SHOULDER - 0.06), elbow], (0.075, 0.06), look.paint(5.5), name),
        *tube([elbow, (0.08, y * 1.1, -0.02)], (0.05, 0.045), skin, name),
        ellipsoid((0.06, 0.045, 0.06), replace(skin, heat=10.0), name).moved(0.1, y * 1.1, -0.06),
    ]


def _stride(rate: float, broad: float) -> tuple[Motion, ...]:
    """Legs swing in opposite phase, and so do the arm and leg of each side."""
    motions = []
    for side, phase in ((-1, 0.0), (1, 0.5)):
        hip, shoulder = (0.0, side * 0.085 * broad, HIP), (0.0, side * 0.22 * broad, SHOULDER - 0.06)
        motions.append(Motion(_limb(side, "leg"), "swing", rate, Y, hip, 26, phase))
        motions.append(Motion(_limb(side, "arm"), "swing", rate, Y, shoulder, 24, phase + 0.5))
    return tuple(motions)
