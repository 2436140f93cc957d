"""The 3D model of one Heptad object: its look, its painted patches, and how its parts move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np

from .patches import Paint, Patch

Vector = tuple[float, float, float]
T = TypeVar("T")

COLORS: dict[str, Vector] = {  # name -> sRGB in [0, 1]
    "red": (0.80, 0.14, 0.12),
    "orange": (0.93, 0.50, 0.13),
    "yellow": (0.94, 0.80, 0.18),
    "green": (0.20, 0.56, 0.24),
    "teal": (0.12, 0.55, 0.55),
    "blue": (0.16, 0.33, 0.74),
    "purple": (0.47, 0.22, 0.62),
    "pink": (0.92, 0.52, 0.66),
    "white": (0.93, 0.93, 0.91),
    "grey": (0.55, 0.56, 0.58),
    "black": (0.12, 0.12, 0.13),
    "brown": (0.45, 0.28, 0.15),
    "cream": (0.92, 0.86, 0.70),
    "silver": (0.76, 0.78, 0.80),
}
MATERIALS = {"metal": 0.7, "wood": 0.15, "plastic": 0.4, "ceramic": 0.55, "fabric": 0.02}  # name -> gloss


@dataclass(frozen=True)
class Look:
    """The style of one object: names of its main and accent colors, its material, and its size (1 is usual)."""

    color: str
    accent: str
    material: str
    size: float

    def paint(self, heat: float = 0.0, **changes: float) -> Paint:
        """Paint in the main color."""
        return Paint(COLORS[self.color], heat, **{"gloss": MATERIALS[self.material], **changes})

    def accent_paint(self, heat: float = 0.0, **changes: float) -> Paint:
        """Paint in the accent color."""
        return Paint(COLORS[self.accent], heat, **{"gloss": MATERIALS[self.material], **changes})


def pick(rng: np.random.Generator, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """Choose one of `options`, uniformly or by `weights`. Keeps their type, which `rng.choice` does not."""
    shares = None if weights is None else np.asarray(weights, float) / np.sum(weights)
    return options[int(rng.choice(len(options), p=shares))]


def sample_look(rng: np.random.Generator) -> Look:
    """Sample a random style; a form may replace parts that do not suit it (dogs are not teal)."""
    color, accent = rng.choice(list(COLORS), size=2, replace=False)
    return Look(str(color), str(accent), str(rng.choice(list(MATERIALS))), float(rng.uniform(0.75, 1.25)))


@dataclass(frozen=True)
class Motion:
    """How one part moves.

    `spin` rotates it about the axis at `rate_hz`, `swing` rotates it back and forth by `amount` degrees, `slide` moves
    it back and forth by `amount` along the axis, and `flicker` jitters it and stretches it upward.
    """

    part: str
    kind: Literal["spin", "swing", "slide", "flicker"]
    rate_hz: float
    axis: Vector = (0.0, 0.0, 1.0)
    pivot: Vector = (0.0, 0.0, 0.0)
    amount: float = 0.0
    phase: float = 0.0  # in turns


@dataclass(frozen=True)
class Model:
    """One object: painted patches, roughly inside the unit ball, the motions of its parts, and words for its features.

    `traits` are noun phrases that never name the category ("two round wheels", "a long tail boom"). `travel` is the
    velocity of the whole object in units per second, `bob` the amplitude of its up-and-down movement. `habitat` is
    where it is usually seen; `pitch` limits its tilt in degrees.
    """

    look: Look
    patches: list[Patch]
    traits: tuple[str, ...]
    habitat: Literal["air", "ground", "water", "indoor"]
    motions: tuple[Motion, ...] = ()
    travel: Vector = (0.0, 0.0, 0.0)
    bob: float = 0.0
    bob_hz: float = 1.0
    pitch: float = 5.0
    extra: dict[str, float] = field(default_factory=dict)  # numbers the sound depends on, e.g. {"cylinders": 4}
