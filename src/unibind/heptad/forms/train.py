"""Trains: steam or electric engines pulling a car."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, Motion
from ..patches import Paint, Patch, X, Y, moved, turned
from ..shapes import box, disc, ellipsoid, rectangle, revolve, torus, tube

IRON = Paint((0.14, 0.14, 0.15), heat=8.0, gloss=0.4)
STEEL = Paint((0.55, 0.55, 0.57), heat=5.0, gloss=0.6)
GLASS = Paint((0.25, 0.32, 0.38), heat=3.0, gloss=0.9)
RAIL = Paint((0.42, 0.38, 0.35), heat=2.0, gloss=0.3)
STEAM = Paint((0.93, 0.93, 0.94), heat=45.0, gloss=0.0, glow=0.5)
TIE = Paint((0.33, 0.24, 0.17))
LAMP = Paint((1.0, 0.95, 0.7), heat=15.0, glow=0.8)


def build(look: Look, rng: np.random.Generator) -> Model:
    """A train on rails, heading right."""
    look = replace(look, material="metal")
    steam = bool(rng.random() < 0.5)
    patches, traits = (_steam if steam else _electric)(look, rng)
    radius, floor = 0.13, -0.52
    speed = float(rng.uniform(0.3, 0.55))
    motions = []
    for k, x in enumerate((-0.75, -0.45, 0.05, 0.35, 0.65)):
        name = f"axle {k}"
        for s in (-1, 1):
            wheel = [
                torus(radius * 0.85, 0.025, IRON, name).turned(X, 90),
                disc(radius * 0.8, STEEL, name).turned(X, 90),
                rectangle(0.035, radius * 1.5, IRON, name).turned(X, 90).moved(y=s * 0.015),
            ]
            patches += moved(wheel, x, s * 0.22, floor + radius)
        motions.append(Motion(name, "spin", speed / (2 * np.pi * radius), axis=Y, pivot=(x, 0, floor + radius)))
    for s in (-1, 1):
        patches += moved(box((2.0, 0.05, 0.05), RAIL), 0, s * 0.22, floor - 0.04)
    for x in np.linspace(-0.9, 0.9, 7):
        patches.append(rectangle(0.09, 0.62, TIE).moved(float(x), 0, floor - 0.08))
    if steam:
        motions.append(Motion("steam", "flicker", 2.0, pivot=(0.62, 0, 0.35), amount=0.3))
    extra = {"steam": float(steam), "horn": float(rng.random() < 0.4)}
    return Model(
        look, patches, (*traits, "a pair of rails below"), "ground", tuple(motions), (speed, 0, 0), extra=extra
    )


def _steam(look: Look, rng: np.random.Generator) -> tuple[list[Patch], tuple[str, ...]]:
    skin, accent = look.paint(30.0), look.accent_paint(6.0)
    high = float(rng.uniform(0.22, 0.34))
    boiler = turned(revolve([(0, -0.42), (0.21, -0.42), (0.21, 0.42), (0, 0.45)], skin), Y, 90)
    patches: list[Patch] = moved(boiler, 0.42, 0, -0.08)
    patches += [
        p.moved(0.42 + x, 0, -0.08)
        for x in (-0.2, 0.1)
        for p in turned(revolve([(0.218, -0.02), (0.218, 0.02)], accent), Y, 90)
    ]
    patches += moved(
        revolve([(0.06, 0), (0.06, high), (0.1, high + 0.05), (0.07, high + 0.06)], replace(IRON, heat=60.0)),
        0.66,
        0,
        0.1,
    )
    patches.append(ellipsoid((0.08, 0.08, 0.1), accent).moved(0.36, 0, 0.14))
    patches += moved(box((0.4, 0.5, 0.52), look.paint(12.0)), -0.16, 0, 0.02)
    patches += moved(box((0.48, 0.58, 0.05), accent), -0.16, 0, 0.31)
    for s in (-1, 1):
        patches += moved(box((0.2, 0.02, 0.18), GLASS), -0.16, s * 0.26, 0.14)
    patches.append(ellipsoid((0.04, 0.07, 0.07), LAMP).moved(0.87, 0, 0.1))
    patches += moved(box((0.14, 0.5, 0.12), accent, taper=0.6), 0.86, 0, -0.38)
    patches += moved(box((1.0, 0.4, 0.08), IRON), 0.35, 0, -0.32)
    patches += moved(box((0.5, 0.5, 0.42), look.accent_paint(4.0)), -0.68, 0, -0.12)
    patches.append(ellipsoid((0.2, 0.2, 0.1), Paint((0.08, 0.08, 0.08), heat=3.0)).moved(-0.68, 0, 0.1))
    for k, (dx, dz, r) in enumerate([(0, 0.1, 0.09), (-0.14, 0.25, 0.12), (-0.34, 0.38, 0.14)]):
        patches.append(ellipsoid((r, r, r), STEAM, "steam").moved(0.66 + dx, 0.02 * k, 0.1 + high + dz))
    chimney = "a tall chimney with steam" if high > 0.28 else "a short chimney with steam"
    return patches, ("a round boiler", chimney, "iron wheels in a row")


def _electric(look: Look, rng: np.random.Generator) -> tuple[list[Patch], tuple[str, ...]]:
    skin, accent = look.paint(3.0), look.accent_paint(3.0)
    slope = float(rng.uniform(0.7, 0.98))
    patches: list[Patch] = []
    for x, long in ((0.48, 0.88), (-0.5, 0.92)):
        patches += moved(box((long, 0.5, 0.58), skin, taper=slope if x > 0 else 1.0), x, 0, 0.02)
        patches += moved(box((long * 1.01, 0.51, 0.07), accent), x, 0, -0.16)
        for s in (-1, 1):
            for dx in np.linspace(-0.3, 0.3, 4):
                pane = rectangle(0.12, 0.15, GLASS).turned(X, 90)
                wall = 0.25 * (1 - 0.64 * (1 - slope)) if x > 0 else 0.25  # at the height of the windows
                patches.append(pane.moved(x + float(dx), s * (wall + 0.012), 0.1))
        patches += moved(box((long * 0.7, 0.36, 0.06), replace(STEEL, heat=22.0)), x, 0, 0.33)
        patches += moved(box((long * 0.8, 0.36, 0.12), IRON), x, 0, -0.33)
    patches += moved(box((0.04, 0.4, 0.2), GLASS), 0.9 if slope > 0.85 else 0.86, 0, 0.14)
    for s in (-1, 1):
        patches.append(ellipsoid((0.03, 0.05, 0.05), LAMP).moved(0.92, s * 0.17, -0.1))
    nose = "a sloping nose" if slope < 0.82 else "a flat front"
    traits: tuple[str, ...] = ("a long row of windows", nose, "a stripe along its side")
    if rng.random() < 0.7:
        patches += tube([(0.2, 0, 0.36), (0.35, 0, 0.52), (0.18, 0, 0.66)], 0.018, STEEL)
        patches += tube([(0.18, -0.2, 0.66), (0.18, 0.2, 0.66)], 0.02, STEEL)
        traits = (*traits, "a folding arm on its roof")
    return patches, traits
