"""Dogs: from terrier to shepherd, walking to the right, with upright or hanging ears."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import COLOURS, Look, Model, Motion, pick
from ..surface import Paint, Patch, Y, ellipsoid, tube

NOSE = Paint((0.08, 0.07, 0.07), heat=4.0, gloss=0.6)
EYE = Paint((0.05, 0.04, 0.04), heat=13.0, gloss=0.8)


def build(look: Look, rng: np.random.Generator) -> Model:
    """A walking dog that wags its tail."""
    look = replace(
        look,
        colour=pick(rng, ["brown", "black", "white", "cream", "grey", "orange"]),
        accent=pick(rng, ["white", "cream", "black", "brown"]),
        material="fabric",
    )
    fur = Paint(COLOURS[look.colour], heat=9.0, gloss=0.05)
    patch = Paint(COLOURS[look.accent], heat=9.5, gloss=0.05)
    bare = replace(fur, heat=13.0)
    length, leg, girth = rng.uniform(0.42, 0.56), rng.uniform(0.3, 0.55), rng.uniform(0.17, 0.24)
    floor = -0.7
    back = floor + leg + girth
    patches: list[Patch] = [
        ellipsoid((length, girth, girth * 1.05), fur).moved(z=back),
        ellipsoid((girth * 1.1, girth * 1.08, girth * 1.2), patch if rng.random() < 0.5 else fur).moved(
            length * 0.6, 0, back
        ),
    ]
    neck, head = (length * 0.8, 0.0, back + 0.08), (length + 0.14, 0.0, back + 0.34)
    patches += tube([neck, head], (girth * 0.75, 0.13), fur)
    patches.append(ellipsoid((0.19, 0.15, 0.155), fur).moved(*head))
    muzzle = rng.uniform(0.13, 0.24)
    tip = (head[0] + 0.12 + muzzle, 0.0, head[2] - 0.07)
    patches += tube([(head[0] + 0.1, 0, head[2] - 0.04), tip], (0.1, 0.065), replace(patch, heat=12.0))
    patches.append(ellipsoid((0.045, 0.05, 0.04), NOSE).moved(tip[0] + 0.05, 0, tip[2] + 0.03))
    hanging = bool(rng.random() < 0.5)
    for side in (-1, 1):
        patches.append(ellipsoid((0.025, 0.02, 0.028), EYE).moved(head[0] + 0.15, side * 0.09, head[2] + 0.06))
        if hanging:
            patches.append(ellipsoid((0.075, 0.03, 0.16), bare).moved(head[0] - 0.03, side * 0.16, head[2] - 0.05))
        else:
            ear = ellipsoid((0.06, 0.03, 0.14), bare).turned((1, 0, 0), -12 * side)
            patches.append(ear.moved(head[0] - 0.06, side * 0.09, head[2] + 0.19))
    motions = [Motion("tail", "swing", float(rng.uniform(2, 4)), axis=(0.3, 0, 1), pivot=(-length, 0, back), amount=28)]
    rate = float(rng.uniform(1.2, 2.0))
    for name, x, side, phase in (
        ("left fore leg", 0.62, 1, 0.0),
        ("right fore leg", 0.62, -1, 0.5),
        ("left hind leg", -0.68, 1, 0.5),
        ("right hind leg", -0.68, -1, 0.0),
    ):
        hip, knee = (
            (x * length, side * girth * 0.6, back - 0.02),
            (x * length + 0.03, side * girth * 0.6, floor + leg * 0.5),
        )
        foot = (x * length, side * girth * 0.6, floor + 0.05)
        patches += tube([hip, knee, foot], (0.1, 0.065, 0.05), fur, name)
        patches.append(ellipsoid((0.09, 0.055, 0.045), patch, name).moved(foot[0] + 0.04, foot[1], floor + 0.045))
        motions.append(Motion(name, "swing", rate, axis=Y, pivot=hip, amount=24, phase=phase))
    up = rng.uniform(0.15, 0.45)
    root = (-length * 0.95, 0.0, back + 0.06)
    patches += tube(
        [root, (-length - 0.16, 0, back + up * 0.6), (-length - 0.22, 0, back + up)], (0.06, 0.05, 0.03), fur, "tail"
    )
    traits = (
        "four legs",
        "hanging ears" if hanging else "pointed ears",
        "a wagging tail",
        "a long muzzle" if muzzle > 0.19 else "a short muzzle",
    )
    extra = {"weight": float(girth / 0.2)}
    speed = float(rng.uniform(0.15, 0.4))
    return Model(look, patches, traits, "ground", tuple(motions), (speed, 0, 0), 0.02, rate * 2, extra=extra)
