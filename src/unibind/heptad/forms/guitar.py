"""Guitars: acoustic, electric, bass guitars and ukuleles, all standing upright with the strings towards the camera."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..model import COLOURS, Look, Model, Motion, pick
from ..surface import TAU, Paint, Patch, X, Y, box, disc, ellipsoid, moved, plate, quad, turned

ROSEWOOD = Paint((0.25, 0.14, 0.08), heat=4.0, gloss=0.2)  # the neck, warm from the hand
STRING = Paint((0.86, 0.86, 0.84), heat=2.0, gloss=0.6)
CHROME = Paint(COLOURS["silver"], heat=-1.0, gloss=0.8)
DARK = Paint((0.05, 0.04, 0.04), heat=1.0, gloss=0.0)
TIMBERS = {  # usual colours of a body's soundboard
    "spruce": (0.87, 0.66, 0.36),
    "cedar": (0.70, 0.40, 0.18),
    "mahogany": (0.45, 0.20, 0.10),
    "ebony": (0.12, 0.10, 0.10),
}


@dataclass(frozen=True)
class Scale:
    """Measures of one instrument: string count, width and thickness of its body, height of its top, neck length."""

    strings: int
    width: float
    depth: float
    shoulder: float
    neck: float


def build(look: Look, rng: np.random.Generator) -> Model:
    """A guitar of one of four kinds, leaning a little to one side."""
    kind = pick(rng, ["acoustic", "electric", "bass", "ukulele"], [2, 2, 1, 1])
    hollow = kind in ("acoustic", "ukulele")
    scale = {
        "acoustic": Scale(6, rng.uniform(0.42, 0.48), 0.2, 0.04, 0.58),
        "ukulele": Scale(4, rng.uniform(0.42, 0.48), 0.2, 0.18, 0.40),
        "electric": Scale(6, rng.uniform(0.42, 0.48), 0.1, 0.0, 0.62),
        "bass": Scale(4, rng.uniform(0.38, 0.44), 0.1, -0.08, 0.72),
    }[kind]
    if hollow and rng.random() < 0.7:
        wood = Paint(pick(rng, list(TIMBERS.values())), heat=1.0, gloss=0.3)
    else:
        wood = look.paint(1.0, gloss=0.6)
    body, words = _hollow_body(scale, wood, look) if hollow else _solid_body(scale, wood, look, rng)
    patches = [*body, *_neck(scale, wood), *_strings(scale)]
    lean = float(rng.uniform(-28, 28))
    patches = turned(patches, Y, lean)
    strum = Motion("strings", "slide", float(rng.uniform(2, 5)), axis=X, amount=0.015)
    traits = (*words, f"{'six' if scale.strings == 6 else 'four'} strings", _neck_words(scale))
    tone = {"acoustic": 110.0, "ukulele": 392.0, "electric": 110.0, "bass": 55.0}[kind]
    shown = look if not hollow else replace(look, material="wood")
    return Model(shown, patches, traits, "indoor", (strum,), extra={"tone_hz": tone, "strings": float(scale.strings)})


def _neck_words(scale: Scale) -> str:
    return "a short fretted neck" if scale.neck < 0.5 else "a long fretted neck"


def _front(scale: Scale) -> float:
    return -scale.depth / 2


def _outline(scale: Scale, waist: float, horns: float) -> NDArray[np.float64]:
    """Corners [n, 2] (x, z) of a waisted body from z = -0.85 to the shoulder; `horns` are drawn out beside the neck."""
    t = TAU * (np.arange(26) + 0.5) / 26
    half = (scale.shoulder + 0.85) / 2
    z = -np.cos(t)  # -1 at the bottom
    upper = 0.5 * (1 + np.tanh(2.5 * z))
    spread = 1 - 0.24 * upper - waist * np.exp(-(((z - 0.12) / 0.28) ** 2))
    x = scale.width * spread * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 0.62
    beside_neck = np.exp(-(((np.abs(x) - 0.62 * scale.width) / 0.1) ** 2)) * upper
    cut = np.exp(-((x / 0.12) ** 2)) * upper
    return np.stack([x, z * half + scale.shoulder - half + horns * (beside_neck - 0.7 * cut)], axis=1)


def _hollow_body(scale: Scale, wood: Paint, look: Look) -> tuple[list[Patch], tuple[str, ...]]:
    y = _front(scale) - 0.005
    hole = scale.shoulder - 0.34
    upright = [
        disc(0.18, look.accent_paint(1.0)).turned(X, 90).moved(0, y - 0.005, hole),
        disc(0.145, DARK).turned(X, 90).moved(0, y - 0.01, hole),
    ]
    bridge = moved(box((0.3, 0.03, 0.06), ROSEWOOD), y=y, z=-0.62)
    front = plate(_outline(scale, 0.26, 0.0), scale.depth, wood)
    rims = [replace(p, paint=wood.shaded(0.55)) if k % 3 == 2 else p for k, p in enumerate(front)]
    return [*rims, *upright, *bridge], ("a round sound hole", "a hollow waisted body")


def _solid_body(scale: Scale, wood: Paint, look: Look, rng: np.random.Generator) -> tuple[list[Patch], tuple[str, ...]]:
    y = _front(scale) - 0.01
    pickups = int(rng.integers(2, 4))
    humbucker = Paint(DARK.rgb, heat=2.0, gloss=0.5)
    guard = [(-0.1, 0), (0.14, 0.02), (0.26, -0.3), (0.22, -0.55), (0.1, -0.5), (-0.12, -0.42)]
    parts = [
        quad([(x * 0.9, y, scale.shoulder - 0.1 + z) for x, z in (guard[0], guard[1], guard[2], guard[5])],
             look.accent_paint(1.0)),
        quad([(x * 0.9, y, scale.shoulder - 0.1 + z) for x, z in (guard[5], guard[2], guard[3], guard[4])],
             look.accent_paint(1.0)),
        *moved(box((0.2, 0.03, 0.07), CHROME), y=y, z=-0.58),
    ]  # fmt: skip
    for k in range(pickups):
        parts += moved(box((0.22, 0.03, 0.06), humbucker), y=y - 0.01, z=scale.shoulder - 0.14 - 0.13 * k)
    knobs = [ellipsoid((0.03, 0.03, 0.03), CHROME).moved(0.2, y, -0.45 - 0.1 * k) for k in range(2)]
    body = plate(_outline(scale, 0.22, 0.16), scale.depth, wood)
    number = "two" if pickups == 2 else "three"
    return [*body, *parts, *knobs], ("a thin solid body with two horns", f"{number} pickups", "a contrasting pickguard")


def _neck(scale: Scale, wood: Paint) -> list[Patch]:
    """Fingerboard, frets, head and pegs."""
    y = _front(scale)
    top = scale.shoulder + scale.neck
    board = moved(box((0.11, 0.06, scale.neck + 0.12), ROSEWOOD), y=y, z=scale.shoulder - 0.06 + scale.neck / 2)
    frets = []
    for k in range(1, 8):
        z = scale.shoulder + scale.neck * 2 ** (-k / 7) - 0.1
        frets.append(quad([(sx * 0.052, y - 0.035, z + dz) for sx, dz in ((-1, 0), (1, 0), (1, 0.012), (-1, 0.012))],
                          CHROME))  # fmt: skip
    head = [(-0.06, 0), (0.06, 0), (0.1, 0.07), (0.09, 0.24), (-0.09, 0.24), (-0.1, 0.07)]
    patches = [*board, *frets, *moved(plate(head, 0.05, wood.shaded(0.8)), y=y + 0.02, z=top)]
    each = scale.strings // 2
    for k in range(each):
        z = top + 0.08 + 0.14 * k / max(each - 1, 1)
        patches += [ellipsoid((0.04, 0.025, 0.025), CHROME).moved(side * 0.13, y + 0.02, z) for side in (-1, 1)]
    return patches


def _strings(scale: Scale) -> list[Patch]:
    """Strings from the bridge to the head."""
    y = _front(scale) - 0.045
    top = scale.shoulder + scale.neck + 0.1
    return [
        quad([(x - 0.001, y, -0.6), (x + 0.001, y, -0.6), (x + 0.001, y, top), (x - 0.001, y, top)], STRING, "strings")
        for x in np.linspace(-0.045, 0.045, scale.strings)
    ]
