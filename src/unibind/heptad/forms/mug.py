"""Mugs: short or tall, straight, tapered or rounded, with a handle, a drink, and sometimes a spoon."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..model import COLORS, Look, Model, Motion, pick
from ..patches import Paint, Patch, X, Y, Z, moved
from ..shapes import disc, ellipsoid, revolve, torus, tube

DRINKS = {
    "coffee": (0.22, 0.12, 0.06),
    "tea": (0.55, 0.26, 0.08),
    "milk": (0.95, 0.93, 0.88),
    "cocoa": (0.36, 0.20, 0.13),
}
STEAM = Paint((0.96, 0.97, 0.98), heat=15.0, gloss=0.0, glow=0.5)
SHAPES = {  # name -> outer profile from the center of the foot to the rim, as shares of (radius, height)
    "straight": [(0, 0), (0.92, 0), (1, 0.05), (1, 0.5), (1, 1)],
    "tapered": [(0, 0), (0.68, 0), (0.74, 0.08), (0.88, 0.5), (1.04, 1)],
    "round": [(0, 0), (0.66, 0), (0.9, 0.14), (1.06, 0.45), (0.92, 1)],
}
CENTER_X = -0.12  # x of the vessel, to center vessel and handle


@dataclass(frozen=True)
class Wall:
    """Outer profile of the vessel: corners [n, 2] of (radius, z) from the center of the foot up to the rim."""

    corners: NDArray[np.float64]

    def height(self, share: float) -> float:
        """z at a share of the height."""
        low, high = self.corners[0, 1], self.corners[-1, 1]
        return float(low + share * (high - low))

    def radius(self, share: float) -> float:
        """Radius at a share of the height."""
        return float(np.interp(self.height(share), self.corners[1:, 1], self.corners[1:, 0]))

    def band(self, low: float, high: float, paint: Paint) -> list[Patch]:
        """Stripe around the wall between two shares of its height."""
        shares = (low, (low + high) / 2, high)
        return revolve([(self.radius(s) + 0.008, self.height(s)) for s in shares], paint)


def build(look: Look, rng: np.random.Generator) -> Model:
    """A mug with a drink: hot in three of four cases, otherwise iced."""
    look = replace(look, material=pick(rng, ["ceramic", "metal", "plastic"], [2, 1, 1]))
    hot = bool(rng.random() < 0.75)
    heat = float(rng.uniform(28, 45) if hot else rng.uniform(-8, -4))
    radius, height = float(rng.uniform(0.46, 0.6)), float(rng.uniform(0.85, 1.25))
    shape, drink = pick(rng, list(SHAPES)), pick(rng, list(DRINKS))
    wall = Wall(np.array(SHAPES[shape]) * [radius, height] - [0, height / 2 + 0.1])

    decoration, pattern = _decoration(wall, look, heat * 0.75, rng)
    patches = [*_vessel(wall, look, heat), *decoration, _handle(wall, look, heat * 0.3, rng)]
    top, level = wall.height(1), wall.height(1) - 0.1
    patches.append(disc(0.9 * wall.radius(1), Paint(DRINKS[drink], heat, gloss=0.6)).moved(z=level))

    sides = {
        "straight": "tall straight sides" if height > 2 * radius else "short wide sides",
        "tapered": "tapered sides",
        "round": "a rounded belly",
    }
    traits = ["a looped handle", sides[shape], pattern, f"{'hot' if hot else 'iced'} {drink}"]
    motions: tuple[Motion, ...] = ()
    if hot and rng.random() < 0.7:
        patches += _wisps(top)
        motions = (Motion("steam", "flicker", 1.5, pivot=(CENTER_X, 0.0, level), amount=0.25),)
        traits.append("rising steam")
    if rng.random() < 0.25:
        spoon = Paint(COLORS["silver"], heat * 0.8, gloss=0.8)
        patches += tube([(-0.1, 0.1, level - 0.1), (-0.42, 0.25, top + 0.4)], 0.025, spoon)
        traits.append("a spoon inside")
    return Model(look, moved(patches, x=CENTER_X), tuple(traits), "indoor", motions, extra={"heat": heat})


def _vessel(wall: Wall, look: Look, heat: float) -> list[Patch]:
    """Outer wall, rim, and the white inner wall above the drink."""
    white = Paint(COLORS["white"], heat * 0.9, gloss=0.5)
    rim = wall.radius(1)
    return [
        *revolve(wall.corners, look.paint(heat * 0.75)),
        *revolve([(0.9 * rim, wall.height(1)), (0.9 * rim, wall.height(1) - 0.12)], white),
        torus(0.95 * rim, 0.04, look.paint(heat * 0.7)).moved(z=wall.height(1)),
    ]


def _handle(wall: Wall, look: Look, heat: float, rng: np.random.Generator) -> Patch:
    """Loop on the right, turned a little toward or away from the camera."""
    paint = look.accent_paint(heat) if rng.random() < 0.3 else look.paint(heat)
    reach = rng.uniform(0.26, 0.34) * min(wall.height(1) - wall.height(0), 1.05)
    loop = torus(reach, rng.uniform(0.06, 0.085), paint, arc=180).turned(X, 90).turned(Y, 90)
    return loop.moved(x=wall.radius(0.5) - 0.03, z=wall.height(0.52)).turned(Z, float(rng.uniform(-35, 10)))


def _decoration(wall: Wall, look: Look, heat: float, rng: np.random.Generator) -> tuple[list[Patch], str]:
    """Stripes, dots, or a dipped foot in the accent color, and the trait that describes it."""
    paint = look.accent_paint(heat)
    pattern = pick(rng, ["bands", "dipped", "dots", "plain"])
    if pattern == "bands":
        return [*wall.band(0.25, 0.38, paint), *wall.band(0.62, 0.75, paint)], f"two {look.accent} bands"
    if pattern == "dipped":
        return wall.band(0.06, 0.42, paint), f"a {look.accent} lower half"
    if pattern == "dots":
        dots = []
        for k in range(10):
            share = 0.35 if k % 2 else 0.68
            dot = ellipsoid((0.02, 0.085, 0.085), paint).moved(wall.radius(share), 0, wall.height(share))
            dots.append(dot.turned(Z, 36 * k))
        return dots, f"{look.accent} dots"
    return [], f"plain {look.color} glaze"


def _wisps(top: float) -> list[Patch]:
    """Two curling wisps of steam above the rim."""
    curl = [(0.0, 0.06), (0.06, 0.18), (-0.02, 0.30), (0.04, 0.42)]
    radii = (0.035, 0.045, 0.035, 0.015)
    return [p for x in (-0.16, 0.14) for p in tube([(x + dx, 0, top + z) for dx, z in curl], radii, STEAM, "steam")]
