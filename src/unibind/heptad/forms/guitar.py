"""Guitars: acoustic, electric and bass guitars and ukuleles, upright with the strings toward the camera."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..model import COLORS, Look, Model, Motion, pick
from ..patches import TAU, Paint, Patch, X, Y, moved, turned
from ..shapes import box, disc, ellipsoid, plate, quad, rectangle

ROSEWOOD = Paint((0.25, 0.14, 0.08), heat=4.0, gloss=0.2)  # the neck, warmed by the hand
STRING = Paint((0.66, 0.60, 0.50), heat=2.0, gloss=0.6)
CHROME = Paint(COLORS["silver"], heat=-1.0, gloss=0.8)
DARK = Paint((0.05, 0.04, 0.04), heat=1.0, gloss=0.0)
MAGNET = Paint(DARK.rgb, heat=2.0, gloss=0.5)
TIMBERS = {  # soundboards of spruce, cedar, mahogany and ebony, by color name
    "yellow": (0.87, 0.66, 0.36),
    "orange": (0.70, 0.40, 0.18),
    "brown": (0.45, 0.20, 0.10),
    "black": (0.12, 0.10, 0.10),
}
NUMBERS = {2: "two", 3: "three", 4: "four", 6: "six"}


@dataclass(frozen=True)
class Measures:
    """Measures of one instrument."""

    strings: int
    tone_hz: float  # of the lowest string
    width: float  # half width of the body
    depth: float  # of the body
    shoulder: float  # z of the top of the body
    neck: float  # length above the shoulder

    @property
    def front(self) -> float:
        """y of the soundboard."""
        return -self.depth / 2

    @property
    def nut(self) -> float:
        """z of the end of the neck, where the head begins."""
        return self.shoulder + self.neck


HOLLOW = {"acoustic": (6, 82.0, 0.45, 0.2, 0.04, 0.58), "ukulele": (4, 262.0, 0.45, 0.2, 0.18, 0.40)}
SOLID = {"electric": (6, 82.0, 0.45, 0.1, 0.0, 0.62), "bass": (4, 41.0, 0.41, 0.1, -0.08, 0.72)}


def build(look: Look, rng: np.random.Generator) -> Model:
    """A guitar of one of four kinds, leaning a little to one side."""
    look = replace(look, material="wood")
    if rng.random() < 0.5:
        measures = Measures(*HOLLOW[pick(rng, list(HOLLOW))])
        body = _hollow_body
        if rng.random() < 0.7:
            look = replace(look, color=pick(rng, list(TIMBERS)))
        wood = Paint(TIMBERS.get(look.color, COLORS[look.color]), heat=1.0, gloss=0.3)
    else:
        measures = Measures(*SOLID[pick(rng, list(SOLID))])
        body = _solid_body
        wood = look.paint(1.0, gloss=0.6)
    measures = replace(measures, width=measures.width * float(rng.uniform(0.93, 1.07)))
    patches, body_traits = body(measures, wood, look, rng)
    patches = [*patches, *_neck(measures, wood), *_strings(measures)]
    strum = Motion("strings", "slide", float(rng.uniform(2, 5)), axis=X, amount=0.015)
    neck = "a short fretted neck" if measures.neck < 0.5 else "a long fretted neck"
    traits = (*body_traits, f"{NUMBERS[measures.strings]} strings", neck)
    extra = {"tone_hz": measures.tone_hz, "strings": float(measures.strings)}
    return Model(look, turned(patches, Y, float(rng.uniform(-28, 28))), traits, "indoor", (strum,), extra=extra)


def _outline(measures: Measures, waist: float, horns: float) -> NDArray[np.float64]:
    """Corners [n, 2] (x, z) of a waisted body from z = -0.85 to the shoulder; `horns` rise beside the neck."""
    t = TAU * (np.arange(26) + 0.5) / 26
    half = (measures.shoulder + 0.85) / 2
    z = -np.cos(t)  # -1 at the bottom
    upper = 0.5 * (1 + np.tanh(2.5 * z))
    spread = 1 - 0.24 * upper - waist * np.exp(-(((z - 0.12) / 0.28) ** 2))
    x = measures.width * spread * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 0.62
    beside_neck = np.exp(-(((np.abs(x) - 0.62 * measures.width) / 0.1) ** 2)) * upper
    cut = np.exp(-((x / 0.12) ** 2)) * upper
    return np.stack([x, z * half + measures.shoulder - half + horns * (beside_neck - 0.7 * cut)], axis=1)


def _hollow_body(
    measures: Measures, wood: Paint, look: Look, rng: np.random.Generator
) -> tuple[list[Patch], tuple[str, ...]]:
    y, hole = measures.front - 0.005, measures.shoulder - 0.34
    case = plate(_outline(measures, 0.26, 0.0), measures.depth, wood)
    case[2::3] = [replace(side, paint=wood.shaded(0.55)) for side in case[2::3]]
    patches = [
        *case,
        disc(0.18, look.accent_paint(1.0)).turned(X, 90).moved(0, y - 0.005, hole),
        disc(0.145, DARK).turned(X, 90).moved(0, y - 0.01, hole),
        *moved(box((float(rng.uniform(0.26, 0.34)), 0.03, 0.06), ROSEWOOD), y=y, z=-0.62),
    ]
    return patches, ("a round sound hole", "a hollow waisted body")


def _solid_body(
    measures: Measures, wood: Paint, look: Look, rng: np.random.Generator
) -> tuple[list[Patch], tuple[str, ...]]:
    y, pickups = measures.front - 0.01, int(rng.integers(2, 4))
    guard = np.array([(-0.09, 0), (0.13, 0.02), (0.23, -0.3), (0.2, -0.55), (0.09, -0.5), (-0.11, -0.42)])
    corners = np.insert(guard, 1, y, axis=1) + np.array([0, 0, measures.shoulder - 0.1])
    patches = [
        *plate(_outline(measures, 0.22, 0.16), measures.depth, wood),
        *[quad(corners[rows], look.accent_paint(1.0)) for rows in ([0, 1, 2, 5], [5, 2, 3, 4])],
        *moved(box((0.2, 0.03, 0.07), CHROME), y=y, z=-0.58),
        *[ellipsoid((0.03, 0.03, 0.03), CHROME).moved(0.2, y, z) for z in (-0.45, -0.55)],
    ]
    for k in range(pickups):
        patches += moved(box((0.22, 0.03, 0.06), MAGNET), y=y - 0.01, z=measures.shoulder - 0.14 - 0.13 * k)
    return patches, ("a thin solid body with two horns", f"{NUMBERS[pickups]} pickups", "a contrasting pickguard")


def _neck(measures: Measures, wood: Paint) -> list[Patch]:
    """Fingerboard, frets, head and pegs."""
    y, nut = measures.front, measures.nut
    head = [(-0.06, 0), (0.06, 0), (0.1, 0.07), (0.09, 0.24), (-0.09, 0.24), (-0.1, 0.07)]
    patches = [
        *moved(box((0.11, 0.06, measures.neck + 0.12), ROSEWOOD), y=y, z=nut - measures.neck / 2 - 0.06),
        *moved(plate(head, 0.05, wood.shaded(0.8)), y=y + 0.02, z=nut),
    ]
    for k in range(1, 8):  # equal temperament: spacing shrinks toward the body
        z = measures.shoulder + measures.neck * 2 ** (-k / 7) - 0.1
        patches.append(rectangle(0.104, 0.012, CHROME).turned(X, 90).moved(y=y - 0.035, z=z))
    for z in np.linspace(nut + 0.08, nut + 0.22, measures.strings // 2):
        patches += [ellipsoid((0.04, 0.025, 0.025), CHROME).moved(x, y + 0.02, z) for x in (-0.13, 0.13)]
    return patches


def _strings(measures: Measures) -> list[Patch]:
    """Strings from the bridge to the head."""
    low, high = -0.6, measures.nut + 0.1
    string = rectangle(0.002, high - low, STRING, "strings").turned(X, 90)
    y, z = measures.front - 0.045, (low + high) / 2
    return [string.moved(x, y, z) for x in np.linspace(-0.045, 0.045, measures.strings)]
