"""Drums: snares on a stand, congas, bass drums on their side, goblet drums, and field drums laced with rope."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import COLORS, Look, Model, Motion, pick
from ..patches import Paint, Patch, X, Y, moved, repeated, turned
from ..shapes import cylinder, disc, ellipsoid, revolve, torus, tube

SKIN = Paint(COLORS["cream"], heat=1.5, gloss=0.1)
CHROME = Paint(COLORS["silver"], heat=-1.0, gloss=0.8)
STICK = Paint((0.80, 0.62, 0.38), heat=3.0, gloss=0.2)  # warmed by hands


def build(look: Look, rng: np.random.Generator) -> Model:
    """A drum of one of five kinds."""
    look = replace(look, material=pick(rng, ["wood", "metal", "plastic"]))
    return pick(rng, [_snare, _conga, _bass, _goblet, _field])(look, rng)


def _shell(radius: float, height: float, look: Look, bottom: float | None = None) -> list[Patch]:
    """Upright shell around the origin with a skin on top and metal hoops at both ends."""
    foot = radius if bottom is None else bottom
    half = height / 2
    return [
        *revolve([(foot, -half), (radius, half)], look.paint(0.5)),
        disc(radius, SKIN).moved(z=half),
        disc(foot, SKIN).moved(z=-half),
        torus(radius, 0.03, look.accent_paint()).moved(z=half),
        torus(foot, 0.03, look.accent_paint()).moved(z=-half),
    ]


def _lugs(count: int, radius: float, height: float) -> list[Patch]:
    """Tension rods around a shell."""
    rod = cylinder(0.025, height, CHROME) + cylinder(0.05, height / 3, CHROME)
    return repeated(moved(rod, x=radius + 0.03), count)


def _sticks(top: float, rng: np.random.Generator) -> tuple[list[Patch], tuple[Motion, ...]]:
    """Two sticks that alternately beat a skin at height `top`."""
    patches: list[Patch] = []
    motions = []
    rate = float(rng.uniform(1.5, 3.5))
    for side, phase in ((-1, 0.0), (1, 0.5)):
        part = "left stick" if side < 0 else "right stick"
        tip, butt = (0.08 * side, -0.05, top + 0.12), (0.62 * side, -0.30, top + 0.42)
        patches += [*tube([tip, butt], 0.03, STICK, part), ellipsoid((0.05, 0.05, 0.05), STICK, part).moved(*tip)]
        motions.append(Motion(part, "swing", rate, axis=Y, pivot=butt, amount=12.0, phase=phase))
    return patches, tuple(motions)


def _snare(look: Look, rng: np.random.Generator) -> Model:
    radius, height = rng.uniform(0.5, 0.62), rng.uniform(0.28, 0.42)
    lugs = int(rng.integers(6, 10))
    top = 0.3
    sticks, motions = _sticks(top, rng)
    legs = repeated(tube([(0, 0, -0.35), (0.45, 0, -0.75)], 0.03, CHROME), 3, start=90)
    patches = [
        *moved([*_shell(radius, height, look), *_lugs(lugs, radius, height)], z=top - height / 2),
        *cylinder(0.04, 0.6, CHROME),
        *moved(tube([(-0.4, 0, 0), (0, 0, -0.15), (0.4, 0, 0)], 0.03, CHROME), z=top - height),
        *legs,
        *sticks,
    ]
    traits = ("a shallow round shell", "two wooden sticks", "a three-legged stand", f"{lugs} tuning lugs")
    return Model(look, patches, traits, "indoor", motions, extra={"tone_hz": 190.0, "rattle": 1.0})


def _conga(look: Look, rng: np.random.Generator) -> Model:
    head, belly, foot = rng.uniform(0.3, 0.36), rng.uniform(0.42, 0.5), rng.uniform(0.22, 0.3)
    profile = [(foot, -0.8), (belly * 0.88, -0.3), (belly, 0.1), (belly * 0.95, 0.4), (head, 0.75)]
    bands = [torus(r + 0.01, 0.025, look.accent_paint()).moved(z=z) for r, z in (profile[1], profile[3])]
    patches = [
        *revolve(profile, look.paint(0.5)),
        *bands,
        disc(head, Paint(SKIN.rgb, heat=5.0)).moved(z=0.76),  # warmed by hands
        torus(head + 0.03, 0.03, CHROME).moved(z=0.74),
        torus(foot, 0.03, look.accent_paint()).moved(z=-0.8),
        *moved(_lugs(6, head + 0.06, 0.3), z=0.62),
    ]
    traits = ("a tall barrel-shaped shell", "a skin warmed by hands", "two bands around the belly", "a narrow foot")
    return Model(look, patches, traits, "indoor", extra={"tone_hz": float(70 / head), "rattle": 0.0})


def _bass(look: Look, rng: np.random.Generator) -> Model:
    radius, depth = rng.uniform(0.6, 0.68), rng.uniform(0.5, 0.75)
    emblem = rng.uniform(0.2, 0.36)
    barrel = [
        *_shell(radius, depth, look),
        *_lugs(8, radius, depth * 0.8),
        disc(emblem, look.accent_paint(2.0)).moved(z=depth / 2 + 0.01),
        disc(emblem * 0.6, look.paint(2.0)).moved(z=depth / 2 + 0.02),
    ]
    spurs = [
        patch
        for side in (-1, 1)
        for patch in tube([(side * radius * 0.8, -0.1, -0.3), (side * 0.7, -0.4, -0.7)], 0.035, CHROME)
    ]
    foot, ball = (0.3, -depth / 2 - 0.25, -0.68), (0.2, -depth / 2 - 0.14, 0.0)
    felt = Paint(COLORS["white"], heat=1.0, gloss=0.0)
    beater = [*tube([foot, ball], 0.03, CHROME, "beater"), ellipsoid((0.1, 0.1, 0.1), felt, "beater").moved(*ball)]
    motion = Motion("beater", "swing", float(rng.uniform(1.0, 2.5)), axis=X, pivot=foot, amount=10.0)
    patches = [*turned(barrel, X, 90), *spurs, *beater]
    traits = ("a wide shell lying on its side", "a round emblem on a pale skin", "two short spurs", "a felt beater")
    return Model(look, patches, traits, "indoor", (motion,), extra={"tone_hz": 65.0, "rattle": 0.0})


def _goblet(look: Look, rng: np.random.Generator) -> Model:
    head, waist = rng.uniform(0.42, 0.52), rng.uniform(0.16, 0.22)
    rim = 0.65
    bowl = [(0.34, -0.75), (waist, -0.25), (waist, -0.1), (head * 0.85, 0.25), (head, rim)]
    lace = tube([(head + 0.02, 0, rim), (head * 0.9, 0.12, 0.25)], 0.018, look.accent_paint())
    patches = [
        *revolve(bowl, look.paint(0.5)),
        disc(head, Paint(SKIN.rgb, heat=5.0)).moved(z=rim + 0.01),
        torus(head, 0.045, look.accent_paint(2.0)).moved(z=rim),
        torus(waist, 0.04, look.accent_paint()).moved(z=-0.18),
        *repeated(lace, 12),
    ]
    traits = ("a goblet-shaped shell", "a narrow waist", "rope lacing under the rim", "a goatskin head")
    return Model(look, patches, traits, "indoor", extra={"tone_hz": float(60 / head), "rattle": 0.0})


def _field(look: Look, rng: np.random.Generator) -> Model:
    radius, height = rng.uniform(0.45, 0.55), rng.uniform(0.65, 0.85)
    zigzags = int(rng.integers(6, 9))
    top = height / 2 - 0.15
    angles = np.pi * np.arange(2 * zigzags + 1) / zigzags
    rope = Paint(COLORS["white"], gloss=0.0)
    corners = [
        ((radius + 0.02) * np.cos(a), (radius + 0.02) * np.sin(a), (0.5 if k % 2 else -0.5) * height * 0.9)
        for k, a in enumerate(angles)
    ]
    sticks, motions = _sticks(top, rng)
    patches = [*moved([*_shell(radius, height, look), *tube(corners, 0.022, rope)], z=top - height / 2), *sticks]
    traits = ("a deep round shell", "zigzag rope lacing", "two wooden sticks", "a pale skin stretched on top")
    return Model(look, patches, traits, "indoor", motions, extra={"tone_hz": 140.0, "rattle": 0.5})
