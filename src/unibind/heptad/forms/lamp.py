"""Lamps: table lamps, jointed desk lamps, floor lamps, and pendant lamps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, pick
from ..patches import Paint, Patch, X, Y, moved, repeated, turned
from ..shapes import cylinder, disc, ellipsoid, revolve, torus, tube

CORD = Paint((0.12, 0.12, 0.12), heat=1.0, gloss=0.1)
DOME = [(1.0, -0.5), (0.94, -0.3), (0.72, -0.12), (0.3, 0.0), (0.12, 0.02), (0.12, 0.12)]  # (radius, z) of shades
CONE = [(1.0, -0.5), (0.15, 0.0), (0.12, 0.12)]
WARM_LIGHT = np.array([1.0, 0.93, 0.72])


def build(look: Look, rng: np.random.Generator) -> Model:
    """A lamp of one of four kinds; about 80 % are switched on."""
    if look.accent == "black":
        look = replace(look, accent="cream")  # a black shade would not transmit light
    look = replace(look, material=pick(rng, ["metal", "ceramic", "wood"]))
    lit = bool(rng.random() < 0.8)
    patches, traits = pick(rng, [_table, _desk, _floor, _hanging])(look, rng, lit)
    return Model(
        look,
        patches,
        (*traits, "a glowing bulb") if lit else traits,
        "indoor",
        extra={"lit": float(lit), "hum_hz": 100.0},
    )


def _bulb(radius: float, lit: bool, rng: np.random.Generator) -> Patch:
    """Glass ball; 60 to 90 degrees Celsius above the room when lit."""
    if lit:
        return ellipsoid((radius,) * 3, Paint((1.0, 0.95, 0.70), heat=float(rng.uniform(60, 90)), glow=1.0))
    return ellipsoid((radius,) * 3, Paint((0.90, 0.90, 0.88), heat=1.0, gloss=0.8))


def _cloth(look: Look, lit: bool) -> Paint:
    """Paint of a shade: when lit, it is warm and glows in its own color mixed with that of the light."""
    plain = look.accent_paint(1.0, gloss=0.02)
    if not lit:
        return plain
    r, g, b = 0.45 * np.array(plain.rgb) + 0.55 * WARM_LIGHT * (0.35 + 0.65 * max(plain.rgb))
    return Paint((float(r), float(g), float(b)), heat=32.0, gloss=0.0, glow=0.75)


def _shade(low: float, top: float, height: float, look: Look, lit: bool, rng: np.random.Generator) -> list[Patch]:
    """Open cone of cloth from z = 0 to `height` with the bulb inside, near the bottom."""
    cloth = _cloth(look, lit)
    rim = replace(cloth.shaded(0.8), heat=cloth.heat * 0.8)
    return [
        *revolve([(low, 0), (top, height)], cloth),
        torus(low, 0.02, rim),
        torus(top, 0.02, rim).moved(z=height),
        _bulb(0.12, lit, rng).moved(z=0.12),
    ]


def _table(look: Look, rng: np.random.Generator, lit: bool) -> tuple[list[Patch], tuple[str, ...]]:
    low, top, height = rng.uniform(0.48, 0.6), rng.uniform(0.28, 0.45), rng.uniform(0.5, 0.6)
    belly = rng.uniform(0.2, 0.34)
    pot = look.paint(4.0)
    foot, neck = -0.8, 0.02
    profile = [
        (0, foot),
        (0.26, foot),
        (0.24, foot + 0.08),
        (belly, foot + 0.32),
        (belly * 0.75, foot + 0.58),
        (0.07, neck - 0.12),
    ]
    finial = ellipsoid((0.04, 0.04, 0.06), pot).moved(z=neck + height + 0.12)
    patches = [
        *revolve(profile, pot),
        *tube([(0, 0, neck - 0.15), (0, 0, neck + height + 0.08)], 0.03, CORD),
        *moved(_shade(low, top, height, look, lit, rng), z=neck),
        finial,
    ]
    return patches, ("a wide cloth shade", "a rounded pottery base")


def _desk(look: Look, rng: np.random.Generator, lit: bool) -> tuple[list[Patch], tuple[str, ...]]:
    paint = look.paint(4.0)
    elbow = (-0.42, 0.0, float(rng.uniform(-0.05, 0.12)))
    wrist = (0.2, 0.0, float(rng.uniform(0.55, 0.72)))
    tilt = float(rng.uniform(20, 45))
    hood = look.paint(30.0 if lit else 1.0)
    head = [
        *revolve([(0.36, -0.34), (0.26, -0.12), (0.11, 0.0), (0.09, 0.12), (0, 0.13)], hood),
        *revolve(
            [(0.33, -0.33), (0.1, -0.03)], Paint((1.0, 0.94, 0.75), heat=40.0, glow=0.8) if lit else paint.shaded(1.3)
        ),
        _bulb(0.14, lit, rng).moved(z=-0.27),
    ]
    arm = look.accent_paint(4.0, gloss=0.7)
    patches = [
        *moved(cylinder(0.36, 0.08, paint, top=0.32), z=-0.72),
        *tube([(-0.05, 0, -0.7), elbow, wrist], 0.035, arm),
        *[ellipsoid((0.065, 0.065, 0.065), CORD).moved(*joint) for joint in ((-0.05, 0, -0.66), elbow, wrist)],
        *moved(turned(turned(head, Y, -tilt), X, -30), x=wrist[0] + 0.14, z=wrist[2] - 0.05),
    ]
    return moved(patches, x=-0.05), ("a jointed arm", "a tilted metal hood", "a round flat base")


def _floor(look: Look, rng: np.random.Generator, lit: bool) -> tuple[list[Patch], tuple[str, ...]]:
    pole = look.paint(4.0)
    low, top, height = rng.uniform(0.38, 0.48), rng.uniform(0.22, 0.36), rng.uniform(0.38, 0.48)
    foot = -0.92
    patches = moved(_shade(low, top, height, look, lit, rng), z=0.45)
    if rng.random() < 0.5:
        patches += [*tube([(0, 0, foot), (0, 0, 0.6)], 0.03, pole), *moved(cylinder(0.3, 0.06, pole, top=0.24), z=foot)]
        return patches, ("a tall thin pole", "a cloth shade at the top", "a heavy round foot")
    patches += repeated(tube([(0.42, 0, foot), (0, 0, 0.45)], 0.03, pole), 3, start=90)
    return patches, ("three slanted legs", "a cloth shade at the top")


def _hanging(look: Look, rng: np.random.Generator, lit: bool) -> tuple[list[Patch], tuple[str, ...]]:
    width = rng.uniform(0.58, 0.75)
    ceiling, crown = 0.95, 0.15
    kind = pick(rng, ["domed metal", "conical metal", "frosted glass"])
    if kind == "frosted glass":
        shade = inner = _cloth(look, lit)
    else:
        shade = look.paint(28.0 if lit else 1.0)
        inner = Paint((1.0, 0.94, 0.75), heat=40.0, glow=0.8) if lit else shade.shaded(1.3)
    profile = np.array(CONE if kind == "conical metal" else DOME) * [width, 1] + [0, crown]
    patches = [
        *revolve(profile, shade),
        *revolve(profile[:-1] * [0.95, 1] - [0, 0.02], inner),
        torus(width, 0.025, look.accent_paint(shade.heat)).moved(z=crown - 0.5),
        disc(0.12 * width, shade).moved(z=crown + 0.12),
        *tube([(0, 0, crown + 0.1), (0, 0, ceiling)], 0.022, CORD),
        *moved(cylinder(0.16, 0.08, look.accent_paint(1.0), top=0.1), z=ceiling),
        _bulb(0.2, lit, rng).moved(z=crown - 0.48),
    ]
    return patches, (f"a {kind} shade", "a long cord from the ceiling")
