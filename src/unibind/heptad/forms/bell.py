"""Bells: hand bells, church bells in their frame, ship's bells on a bracket, cow bells, and desk bells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import COLORS, Look, Model, Motion, pick
from ..patches import Paint, Patch, X, Y, moved, turned
from ..shapes import box, cylinder, ellipsoid, revolve, torus, tube

CAST_METAL = {"yellow": 3, "silver": 2, "brown": 2, "orange": 1}  # color -> weight
WOOD = Paint((0.42, 0.25, 0.13), heat=0.5, gloss=0.15)
IRON = Paint((0.20, 0.20, 0.22), heat=1.0, gloss=0.5)
BODY = np.array([(0.0, 1.0), (0.30, 0.97), (0.44, 0.88), (0.50, 0.70), (0.58, 0.38), (0.72, 0.16), (0.95, 0.02)])


def build(look: Look, rng: np.random.Generator) -> Model:
    """A bell of one of five kinds; about two thirds are bare metal."""
    if rng.random() < 0.67:
        look = replace(look, color=pick(rng, list(CAST_METAL), list(CAST_METAL.values())))
    return pick(rng, [_hand, _church, _ship, _cow, _desk])(replace(look, material="metal"), rng)


def _warmth(rng: np.random.Generator) -> float:
    """Heat of bare metal: warmed by the sun, or still cold from the night."""
    return pick(rng, [rng.uniform(5, 12), rng.uniform(-6, -3)])


def _body(radius: float, height: float, look: Look, heat: float) -> list[Patch]:
    """The flared metal body, hanging from the origin, with its clapper."""
    metal = look.paint(heat)
    profile = BODY * [radius, height] - [0, height]
    clapper = [
        *tube([(0, 0, -0.2 * height), (0, 0, -0.98 * height)], 0.03, IRON, "clapper"),
        ellipsoid((0.17 * radius, 0.17 * radius, 0.17 * radius), IRON, "clapper").moved(z=-1.08 * height),
    ]
    return [
        *revolve(profile[::-1], metal),
        torus(0.95 * radius, 0.05 * radius, metal.shaded(0.85)).moved(z=-0.98 * height),
        torus(0.58 * radius, 0.02, look.accent_paint(heat)).moved(z=-0.62 * height),
        *clapper,
    ]


def _ringing(rng: np.random.Generator, pivot_z: float, amount: float) -> tuple[Motion, ...]:
    """Body and clapper swing about the same pivot; the clapper swings farther and later."""
    rate, pivot = float(rng.uniform(0.7, 1.5)), (0.0, 0.0, pivot_z)
    return (
        Motion("body", "swing", rate, axis=Y, pivot=pivot, amount=amount),
        Motion("clapper", "swing", rate, axis=Y, pivot=pivot, amount=amount * 1.3, phase=0.1),
    )


def _hand(look: Look, rng: np.random.Generator) -> Model:
    radius, height = rng.uniform(0.5, 0.62), rng.uniform(0.75, 0.9)
    grip = Paint(COLORS["black"] if rng.random() < 0.4 else WOOD.rgb, heat=6.0, gloss=0.3)
    handle = revolve([(0.06, 0), (0.11, 0.1), (0.07, 0.2), (0.12, 0.45), (0.1, 0.58), (0, 0.62)], grip)
    patches = [*moved(_body(radius, height, look, _warmth(rng)), z=0.1), *moved(handle, z=0.1)]
    traits = ("a flared metal mouth", "an upright handle", "a ball clapper inside", "a warm grip")
    return Model(look, patches, traits, "indoor", _ringing(rng, 0.7, 18.0), extra={"tone_hz": 900.0})


def _church(look: Look, rng: np.random.Generator) -> Model:
    radius, height = rng.uniform(0.46, 0.56), rng.uniform(0.85, 1.0)
    yoke = moved(box((0.9, 0.16, 0.14), WOOD), z=0.62)
    straps = [patch for x in (-0.12, 0.12) for patch in moved(box((0.06, 0.2, 0.3), IRON), x=x, z=0.55)]
    beam = moved(box((1.5, 0.12, 0.12), WOOD, "frame"), z=0.82)
    posts = [patch for x in (-0.7, 0.7) for patch in moved(box((0.12, 0.14, 1.6), WOOD, "frame"), x=x)]
    braces = [patch for x in (-1, 1) for patch in tube([(0.7 * x, 0, 0.45), (0.4 * x, 0, 0.8)], 0.045, WOOD, "frame")]
    patches = [*moved(_body(radius, height, look, _warmth(rng)), z=0.5), *yoke, *straps, *beam, *posts, *braces]
    traits = ("a heavy flared body", "a timber frame with two posts", "a wooden yoke", "a hanging clapper")
    return Model(look, patches, traits, "ground", _ringing(rng, 0.62, 22.0), extra={"tone_hz": 260.0})


def _ship(look: Look, rng: np.random.Generator) -> Model:
    radius, height = rng.uniform(0.5, 0.6), rng.uniform(0.8, 0.95)
    bracket = [
        *moved(box((0.1, 0.5, 1.2), WOOD, "bracket"), x=-0.78, z=0.15),
        *tube([(-0.72, 0, 0.1), (-0.55, 0, 0.6), (-0.2, 0, 0.74), (0, 0, 0.7)], 0.05, IRON, "bracket"),
    ]
    end = -0.62 - 0.25
    rope = [
        *tube([(0, 0, 0.5 - height), (0.02, 0, end)], 0.03, look.accent_paint(2.0, gloss=0.0), "clapper"),
        ellipsoid((0.06, 0.06, 0.1), look.accent_paint(2.0, gloss=0.0), "clapper").moved(0.02, 0, end),
    ]
    crown = torus(0.09, 0.035, look.paint(2.0)).turned(X, 90).moved(z=0.6)
    patches = [*moved(_body(radius, height, look, _warmth(rng)), z=0.5), crown, *bracket, *rope]
    traits = ("a polished metal body", "a curved wall bracket", "a plaited rope", "a flared rim")
    return Model(look, patches, traits, "indoor", _ringing(rng, 0.68, 12.0), extra={"tone_hz": 600.0})


def _cow(look: Look, rng: np.random.Generator) -> Model:
    width, depth = rng.uniform(0.95, 1.15), rng.uniform(0.55, 0.7)
    height = rng.uniform(0.9, 1.05)
    heat = _warmth(rng)
    metal = look.paint(heat)
    top = 0.4
    body = moved(box((width, depth, height), metal, taper=0.55)[1:], z=top - height / 2)  # open below
    seams = [
        patch
        for side in (-1, 1)
        for patch in tube(
            [(side * width / 2, 0, top - height), (side * width * 0.275, 0, top)], 0.035, metal.shaded(0.75)
        )
    ]
    low = top - height
    rim = tube(
        [(sx * width / 2, sy * depth / 2, low) for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))],
        0.03,
        metal.shaded(0.75),
    )
    clapper = [
        *tube([(0, 0, top - 0.1), (0, 0, low - 0.05)], 0.03, IRON, "clapper"),
        ellipsoid((0.12, 0.12, 0.12), IRON, "clapper").moved(z=low - 0.1),
    ]
    leather = look.accent_paint(4.0, gloss=0.1)
    strap = [
        *moved(revolve([(0.3, -0.1), (0.3, 0.1)], leather, arc=180), z=0),
        *moved(revolve([(0.27, 0.1), (0.27, -0.1)], leather, arc=180), z=0),
    ]
    patches = [*body, *seams, *rim, *clapper, *moved(turned(strap, X, 90), z=top)]
    traits = ("a flat-sided body of sheet metal", "a broad leather strap", "riveted side seams", "a dangling clapper")
    return Model(look, patches, traits, "ground", _ringing(rng, 0.65, 18.0), extra={"tone_hz": 420.0})


def _desk(look: Look, rng: np.random.Generator) -> Model:
    radius = rng.uniform(0.72, 0.82)
    heat = _warmth(rng)
    dome = radius * np.stack([np.cos(np.linspace(0, np.pi / 2, 9)), 0.75 * np.sin(np.linspace(0, np.pi / 2, 9))], 1)
    base = look.accent_paint(1.0, gloss=0.3)
    top = 0.75 * radius - 0.35
    patches = [
        *moved(revolve(dome, look.paint(heat)), z=-0.35),
        torus(radius, 0.035, look.paint(heat).shaded(0.85)).moved(z=-0.35),
        *moved(revolve([(radius * 1.12, -0.06), (radius, 0.06), (0, 0.06)], base), z=-0.5),
        *moved(cylinder(0.06, 0.16, IRON, "button"), z=top + 0.06),
        *moved(cylinder(0.13, 0.07, IRON, "button", top=0.09), z=top + 0.16),
    ]
    motion = Motion("button", "slide", float(rng.uniform(0.8, 2.0)), amount=0.06)
    traits = ("a shiny metal dome", "a push button on top", "a round flat base")
    return Model(look, patches, traits, "indoor", (motion,), extra={"tone_hz": 1800.0})
