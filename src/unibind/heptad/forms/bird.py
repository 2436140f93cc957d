"""Birds: songbirds, gulls and parrots, in flight with beating wings or perched on a branch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..model import COLORS, Look, Model, Motion, pick
from ..patches import Paint, Patch, X, Y, moved, turned
from ..shapes import ellipsoid, plate, quad, tube

HORN = Paint((0.95, 0.62, 0.15), heat=3.0, gloss=0.4)  # beak and legs
EYE = Paint((0.04, 0.04, 0.04), heat=12.0, gloss=0.9)
BARK = Paint((0.36, 0.26, 0.18), heat=0.0, gloss=0.02)


@dataclass(frozen=True)
class Kind:
    """Proportions and plumage of one kind of bird; ranges are (min, max)."""

    colors: tuple[str, ...]
    bellies: tuple[str, ...]
    span: tuple[float, float]  # of one wing
    chord: float
    tail: tuple[float, float]
    beak: tuple[float, float]
    hooked: bool = False
    dark_tips: bool = False
    traits: tuple[str, ...] = ()


KINDS = (
    Kind(
        ("red", "blue", "yellow", "brown", "grey", "black"),
        ("white", "cream", "orange", "yellow"),
        (0.62, 0.76),
        0.38,
        (0.3, 0.42),
        (0.08, 0.18),
    ),
    Kind(
        ("white", "grey", "cream"),
        ("white", "cream"),
        (0.85, 0.98),
        0.27,
        (0.22, 0.3),
        (0.18, 0.24),
        dark_tips=True,
        traits=("dark wing tips",),
    ),
    Kind(
        ("green", "red", "blue", "teal", "yellow"),
        ("yellow", "orange", "red"),
        (0.66, 0.8),
        0.36,
        (0.5, 0.62),
        (0.1, 0.13),
        hooked=True,
        traits=("a hooked beak", "a long tail"),
    ),
)


def build(look: Look, rng: np.random.Generator) -> Model:
    """A bird heading right."""
    kind = pick(rng, KINDS, [3, 2, 2])
    look = replace(look, color=pick(rng, kind.colors), accent=pick(rng, kind.bellies), material="fabric")
    stout, beak = float(rng.uniform(0.17, 0.24)), float(rng.uniform(*kind.beak))
    body = _body(kind, look, stout, beak, float(rng.uniform(*kind.tail)))
    traits = kind.traits or ("a short beak" if beak < 0.13 else "a pointed beak", "a fanned tail")
    extra = {"stout": stout / 0.2}
    if rng.random() < 0.6:
        span = float(rng.uniform(*kind.span))
        wings = [p for side in (-1, 1) for p in _spread_wing(side, span, kind, look)]
        speed = float(rng.uniform(0.2, 0.5))
        return Model(
            look,
            [*body, *wings],
            ("two spread wings", *traits),
            "air",
            _beats(float(rng.uniform(2.0, 4.0))),
            (speed, 0, 0),
            0.05,
            3.0,
            pitch=12,
            extra=extra,
        )
    sitting = turned([*body, *_folded_wings(stout, kind, look)], Y, float(rng.uniform(-40, -25)))
    perched = ("folded wings", "a branch under its feet", *traits)
    return Model(look, [*sitting, *_perch()], perched, "air", bob=0.015, bob_hz=3.0, pitch=12, extra=extra)


def _body(kind: Kind, look: Look, stout: float, beak: float, tail: float) -> list[Patch]:
    """Trunk, head, beak and tail of a level bird."""
    down, belly = Paint(COLORS[look.color], heat=7.0, gloss=0.05), Paint(COLORS[look.accent], heat=8.5, gloss=0.05)
    head = replace(down, heat=9.0)
    patches = [
        ellipsoid((0.42, stout, stout * 1.05), down),
        ellipsoid((0.34, stout * 0.92, stout * 0.95), belly).moved(0.05, 0, -0.045),
        ellipsoid((0.17, 0.15, 0.155), head).moved(0.42, 0, 0.12),
    ]
    patches += [ellipsoid((0.026, 0.02, 0.028), EYE).moved(0.5, side * 0.12, 0.16) for side in (-1, 1)]
    if kind.hooked:
        patches += tube([(0.54, 0, 0.13), (0.54 + beak, 0, 0.1), (0.55 + beak, 0, 0.0)], (0.075, 0.055, 0.01), HORN)
    else:
        patches += tube([(0.56, 0, 0.11), (0.56 + beak, 0, 0.08)], (0.05, 0.008), HORN)
    wide, end = (0.07, -0.36 - tail) if kind.hooked else (0.18, -0.36 - tail)
    fan = [(-0.34, -0.08, 0.02), (-0.34, 0.08, 0.02), (end, wide, 0.0), (end, -wide, 0.0)]
    return [*patches, quad(fan, replace(down.shaded(0.8), heat=3.0))]


def _wing_name(side: int) -> str:
    return "left wing" if side > 0 else "right wing"


def _spread_wing(side: int, span: float, kind: Kind, look: Look) -> list[Patch]:
    """Two feathered panels, raised so that they are also visible from the side."""
    inner = Paint(COLORS[look.color], heat=4.0, gloss=0.05)
    outer = replace(inner.shaded(0.15 if kind.dark_tips else 0.7), heat=1.5)
    ribs = []  # front and back edge at shoulder, wrist and tip
    for y, front, chord, z in ((0.1, 0.2, 1.0, 0.1), (0.55 * span, 0.17, 0.95, 0.34), (span, -0.1, 0.35, 0.36)):
        ribs.append([(front, side * y, z), (front - chord * kind.chord, side * y, z - 0.02)])
    panels = zip(ribs[:-1], ribs[1:], (inner, outer), strict=True)
    return [quad([*near, *far[::-1]], paint, _wing_name(side)) for near, far, paint in panels]


def _beats(rate: float) -> tuple[Motion, ...]:
    """Both wings beat together."""
    return tuple(
        Motion(_wing_name(side), "swing", side * rate, axis=X, pivot=(0, side * 0.1, 0.1), amount=34)
        for side in (-1, 1)
    )


def _folded_wings(stout: float, kind: Kind, look: Look) -> list[Patch]:
    wing = Paint(COLORS[look.color], heat=4.0, gloss=0.05).shaded(0.75)
    tip = replace(wing.shaded(0.2 if kind.dark_tips else 0.8), heat=2.0)
    patches = []
    for side in (-1, 1):
        patches.append(ellipsoid((0.32, 0.05, 0.15), wing).turned(Y, 8).moved(-0.06, side * (stout + 0.005), 0.03))
        patches.append(ellipsoid((0.17, 0.035, 0.06), tip).turned(Y, 6).moved(-0.36, side * stout * 0.8, 0.03))
    return patches


def _perch() -> list[Patch]:
    """Legs on a branch with a leaf."""
    patches = []
    for side in (-0.07, 0.07):
        patches += tube([(0.02, side, -0.15), (0.05, side, -0.42)], 0.022, HORN)
    patches += tube([(-0.85, 0.02, -0.52), (0.0, 0, -0.46), (0.85, -0.03, -0.4)], (0.07, 0.055, 0.04), BARK)
    leaf = plate([(0.0, 0.0), (0.1, 0.07), (0.24, 0.02), (0.1, -0.06)], 0.01, Paint(COLORS["green"]))
    return [*patches, *moved(leaf, 0.5, 0, -0.36)]
