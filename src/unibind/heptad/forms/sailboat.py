"""Sailboats: dinghies, sloops and two-masted ketches, leaning in the wind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Look, Model, Motion, pick
from ..patches import Paint, Patch, X, moved
from ..shapes import box, quad, triangle, tube

SPAR = Paint((0.60, 0.44, 0.27), heat=2.0, gloss=0.2)
DECK = Paint((0.72, 0.56, 0.38), heat=6.0, gloss=0.15)


def build(look: Look, rng: np.random.Generator) -> Model:
    """A boat under sail, bow to the right."""
    look = replace(look, material=pick(rng, ["wood", "plastic"]))
    masts = 2 if rng.random() < 0.3 else 1
    jib = bool(masts == 2 or rng.random() < 0.7)
    beam, deep, deck = float(rng.uniform(0.2, 0.28)), float(rng.uniform(0.2, 0.28)), -0.42
    patches: list[Patch] = _hull(beam, deep, deck, look)
    dyed = bool(rng.random() < 0.4)
    canvas = look.accent_paint(-2.0) if dyed else Paint((0.94, 0.92, 0.86), heat=-2.0, gloss=0.02)
    tall = float(rng.uniform(1.1, 1.3))
    for k, x in enumerate((0.12, -0.42)[:masts]):
        top = deck + tall * (1.0 if k == 0 else 0.72)
        reach = 0.62 if masts == 1 else (0.45 if k == 0 else 0.3)
        patches += tube([(x, 0, deck), (x, 0, top)], 0.02, SPAR)
        patches += tube([(x, 0, deck + 0.14), (x - reach, 0.03, deck + 0.12)], 0.016, SPAR, "sails")
        patches += _sail(
            (x - 0.02, 0, top - 0.04), (x - 0.02, 0, deck + 0.16), (x - reach, 0.06, deck + 0.14), canvas, rng
        )
    if jib:
        patches += _sail((0.1, 0, deck + tall * 0.88), (0.82, 0, deck + 0.06), (0.2, 0.12, deck + 0.14), canvas, rng)
    patches += moved(box((0.3, beam * 1.1, 0.12), Paint((0.9, 0.9, 0.88), heat=4.0)), -0.1, 0, deck + 0.05)
    lean = float(rng.uniform(-12, 12))
    motions = (Motion("sails", "swing", float(rng.uniform(0.4, 0.9)), axis=(0, 0, 1), pivot=(0.12, 0, 0), amount=7),)
    patches = [p.turned(X, lean) for p in patches]
    traits = [
        "two masts" if masts == 2 else "a tall mast",
        f"{look.accent if dyed else 'white'} three-cornered sails",
        "a pointed bow",
        f"{'an' if look.color[0] in 'aeiou' else 'a'} {look.color} hull",
    ]
    speed = float(rng.uniform(0.1, 0.3))
    extra = {"masts": float(masts)}
    return Model(look, patches, tuple(traits), "water", motions, (speed, 0, 0), 0.05, 0.6, extra=extra)


def _hull(beam: float, deep: float, deck: float, look: Look) -> list[Patch]:
    """Ribs from a square stern to a pointed bow, planked by quads."""
    stations = np.linspace(-0.8, 0.9, 6)
    half = beam * np.array([0.75, 0.95, 1.0, 0.85, 0.5, 0.02])
    keel = deck - deep * np.array([0.75, 0.95, 1.0, 0.95, 0.7, 0.0])
    rail = deck + np.array([0.02, 0.0, 0.0, 0.01, 0.04, 0.09])
    patches = []
    for i in range(5):
        for s in (-1, 1):
            a, b = i, i + 1
            gunwale = [(stations[a], s * half[a], rail[a]), (stations[b], s * half[b], rail[b])]
            bilge = [
                (stations[b], s * 0.6 * half[b], keel[b] * 0.6 + rail[b] * 0.4),
                (stations[a], s * 0.6 * half[a], keel[a] * 0.6 + rail[a] * 0.4),
            ]
            patches.append(quad([*gunwale, *bilge], look.paint(1.5)))
            bottom = [bilge[1], bilge[0], (stations[b], 0, keel[b]), (stations[a], 0, keel[a])]
            patches.append(quad(bottom, look.accent_paint(-1.0)))
        across = [
            (stations[j], s * half[j] * 0.97, rail[j] - 0.02) for j, s in ((i, -1), (i + 1, -1), (i + 1, 1), (i, 1))
        ]
        patches.append(quad(across, DECK))
    stern = [
        (stations[0], -half[0], rail[0]),
        (stations[0], half[0], rail[0]),
        (stations[0], 0.4 * half[0], keel[0]),
        (stations[0], -0.4 * half[0], keel[0]),
    ]
    patches.append(quad(stern, look.paint(1.5)))
    return patches


def _sail(
    head: tuple[float, float, float],
    tack: tuple[float, float, float],
    clew: tuple[float, float, float],
    cloth: Paint,
    rng: np.random.Generator,
) -> list[Patch]:
    """A three-cornered sail that bellies out, as four triangles."""
    h, t, c = (np.array(p) for p in (head, tack, clew))
    belly = np.array([0, float(rng.uniform(0.06, 0.14)), 0])
    ht, tc, ch = (h + t) / 2, (t + c) / 2 + belly * 0.6, (c + h) / 2 + belly
    corners = [(h, ht, ch), (ht, t, tc), (ch, tc, c), (ht, tc, ch)]
    return [
        triangle(three, cloth.shaded(shade), "sails")
        for three, shade in zip(corners, (1.0, 0.96, 0.98, 0.94), strict=True)
    ]
