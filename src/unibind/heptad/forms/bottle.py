"""Bottles: wine and beer bottles, sports bottles, milk jugs with a handle, and squeeze bottles with a nozzle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import COLORS, Look, Model, pick
from ..patches import Paint, Patch, X, Y, Z, moved, turned
from ..shapes import cylinder, disc, revolve, torus

GLASS_COLORS = {"green": 4, "brown": 3, "teal": 1, "blue": 1, "black": 1, "silver": 1}


def build(look: Look, rng: np.random.Generator) -> Model:
    """A bottle of one of five kinds with chilled, cool or warm contents."""
    heat = pick(rng, [rng.uniform(-14, -8), rng.uniform(-3, -1), rng.uniform(8, 20)], [11, 6, 3])
    return pick(rng, [_wine, _beer, _sports, _jug, _squeeze])(look, rng, heat)


def _glass(look: Look, rng: np.random.Generator) -> Look:
    color = pick(rng, list(GLASS_COLORS), list(GLASS_COLORS.values()))
    return replace(look, color=color, accent=look.accent if look.accent != color else "cream", material="ceramic")


def _label(radius: float, low: float, high: float, look: Look, heat: float, arc: float = 200.0) -> list[Patch]:
    """Paper label around the front with a stripe in the main color."""
    paper = look.accent_paint(heat * 0.6, gloss=0.05)
    span = [(radius + 0.008, low), (radius + 0.008, high)]
    middle, third = (low + high) / 2, (high - low) / 8
    stripe = replace(look.paint(heat * 0.6), gloss=0.05)
    band = [(radius + 0.014, middle - third), (radius + 0.014, middle + third)]
    return turned([*revolve(span, paper, arc=arc), *revolve(band, stripe, arc=arc)], Z, -90 - arc / 2)


def _model(look: Look, patches: list[Patch], heat: float, *traits: str) -> Model:
    chill = ("a chilled surface",) if heat < -5 else ()
    return Model(look, patches, (*traits, *chill), "indoor", extra={"heat": heat})


def _wine(look: Look, rng: np.random.Generator, heat: float) -> Model:
    look = _glass(look, rng)
    radius, slope = rng.uniform(0.29, 0.35), rng.uniform(0.12, 0.34)
    floor, shoulder, neck, top = -0.85, 0.12, 0.095, 0.9
    fill = look.paint(heat)
    profile = [(0, floor), (radius, floor), (radius, shoulder), (radius * 0.85, shoulder + slope * 0.5),
               (neck * 1.3, shoulder + slope), (neck, shoulder + slope + 0.12)]  # fmt: skip
    foil = look.accent_paint(-1.0, gloss=0.6)
    patches = [
        *revolve(profile, fill),
        *revolve([(neck, shoulder + slope + 0.12), (neck, top - 0.22)], replace(fill, heat=heat * 0.4)),
        *revolve([(neck + 0.01, top - 0.28), (neck + 0.015, top), (0, top)], foil),
        torus(neck + 0.01, 0.025, foil).moved(z=top - 0.06),
        *_label(radius, floor + 0.25, shoulder - 0.1, look, heat),
    ]
    return _model(look, patches, heat, "a long thin neck", "sloping shoulders", "a paper label", "a foil top")


def _beer(look: Look, rng: np.random.Generator, heat: float) -> Model:
    look = _glass(look, rng)
    radius, body = rng.uniform(0.32, 0.38), rng.uniform(0.75, 0.9)
    floor, top = -0.8, 0.75
    shoulder = floor + body
    profile = [
        (0, floor),
        (radius, floor),
        (radius, shoulder),
        (radius * 0.82, shoulder + 0.14),
        (0.16, shoulder + 0.34),
    ]
    patches = [
        *revolve(profile, look.paint(heat)),
        *revolve([(0.16, shoulder + 0.34), (0.12, top)], look.paint(heat * 0.5)),
        *moved(cylinder(0.16, 0.07, look.accent_paint(-1.0, gloss=0.7), top=0.14), z=top + 0.03),
        *_label(radius, floor + 0.2, shoulder - 0.12, look, heat, 300.0),
    ]
    return _model(look, patches, heat, "a stout glass body", "a crown cap", "a wrap-around label")


def _sports(look: Look, rng: np.random.Generator, heat: float) -> Model:
    look = replace(look, material="plastic")
    radius, waist = rng.uniform(0.34, 0.4), rng.uniform(0.26, 0.31)
    floor, top = -0.8, 0.4
    grip = Paint(COLORS["black"], heat=2.0, gloss=0.1)
    profile = [
        (0, floor),
        (radius, floor),
        (radius, -0.3),
        (waist, -0.15),
        (waist, 0.05),
        (radius, 0.2),
        (radius * 0.95, top),
    ]
    patches = [
        *revolve(profile, look.paint(heat)),
        torus(waist, 0.03, grip).moved(z=-0.1),
        torus(waist, 0.03, grip).moved(z=0.0),
        *moved(cylinder(radius * 0.98, 0.18, look.accent_paint(0.0), top=radius * 0.8), z=top + 0.08),
        *moved(cylinder(0.14, 0.14, look.accent_paint(0.0), top=0.1), z=top + 0.24),
        *moved(cylinder(0.1, 0.12, Paint(COLORS["white"], heat=1.0, gloss=0.3), top=0.12), z=top + 0.35),
        *_label(radius, floor + 0.12, -0.36, look, heat, 150.0),
    ]
    return _model(look, patches, heat, "a pull-up spout", "a pinched waist to hold it by", "a screw lid")


def _jug(look: Look, rng: np.random.Generator, heat: float) -> Model:
    look = replace(look, material="plastic")
    if rng.random() < 0.6:
        look = replace(look, color=pick(rng, ["white", "cream"]))
        look = replace(look, accent="blue" if look.accent in ("white", "cream") else look.accent)
    radius = rng.uniform(0.44, 0.52)
    floor, top = -0.78, 0.62
    fill = look.paint(heat)
    profile = [(0, floor), (radius, floor), (radius, -0.05), (radius * 0.8, 0.2), (0.2, 0.48), (0.16, 0.5), (0.16, top)]
    handle = torus(0.27, 0.065, look.paint(heat * 0.7), arc=180).turned(X, 90).turned(Y, 90)
    patches = [
        *revolve(profile, fill),
        handle.moved(x=radius * 0.72, z=0.14),
        *moved(cylinder(0.2, 0.15, look.accent_paint(-0.5)), z=top + 0.06),
        *_label(radius, floor + 0.2, -0.2, look, heat, 120.0),
    ]
    return _model(look, patches, heat, "a wide round body", "a moulded handle at the side", "a screw cap")


def _squeeze(look: Look, rng: np.random.Generator, heat: float) -> Model:
    look = replace(look, material="plastic")
    radius = rng.uniform(0.34, 0.42)
    floor, shoulder = -0.78, 0.18
    bulge = radius * rng.uniform(1.0, 1.12)
    cap = look.accent_paint(-0.5)
    profile = [
        (0, floor),
        (radius * 0.95, floor),
        (bulge, -0.3),
        (radius, shoulder),
        (radius * 0.8, shoulder + 0.13),
        (0.18, shoulder + 0.2),
    ]
    patches = [
        *revolve(profile, look.paint(heat)),
        *moved(cylinder(0.22, 0.14, cap), z=shoulder + 0.26),
        *moved(cylinder(0.15, 0.42, cap, top=0.035), z=shoulder + 0.52),
        disc(0.05, cap).moved(z=shoulder + 0.74),
        *_label(bulge, -0.5, -0.1, look, heat, 140.0),
    ]
    return _model(look, patches, heat, "a soft plastic body", "a pointed nozzle", "a bright cap")
