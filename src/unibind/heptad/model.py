"""What a Heptad object is before it is sensed: its look, its painted form, and how its parts move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np

from .surface import Paint, Patch

Colour = tuple[float, float, float]
T = TypeVar("T")

COLOURS: dict[str, Colour] = {
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
    """The style drawn for one object: main and accent colour by name, material, and size (1 is usual)."""

    colour: str
    accent: str
    material: str
    size: float

    def paint(self, heat: float = 0.0, **changes: float) -> Paint:
        """Paint of the main colour."""
        return Paint(COLOURS[self.colour], heat, **{"gloss": MATERIALS[self.material], **changes})

    def accent_paint(self, heat: float = 0.0, **changes: float) -> Paint:
        """Paint of the accent colour."""
        return Paint(COLOURS[self.accent], heat, **{"gloss": MATERIALS[self.material], **changes})


def pick(rng: np.random.Generator, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of `options`, evenly or in proportion to `weights`; unlike `rng.choice` it keeps their type."""
    shares = None if weights is None else np.asarray(weights, float) / np.sum(weights)
    return options[int(rng.choice(len(options), p=shares))]


def draw_look(rng: np.random.Generator) -> Look:
    """A random style; a form may replace what does not suit it (dogs are not teal)."""
    colour, accent = rng.choice(list(COLOURS), size=2, replace=False)
    return Look(str(colour), str(accent), str(rng.choice(list(MATERIALS))), float(rng.uniform(0.75, 1.25)))


@dataclass(frozen=True)
class Motion:
    """How one part moves: `spin` turns by rate_hz about the axis, `swing` turns to and fro by `amount` degrees,
    `slide` shifts to and fro by `amount` along the axis, `flicker` jitters and stretches the part upwards."""

    part: str
    kind: Literal["spin", "swing", "slide", "flicker"]
    rate_hz: float
    axis: Colour = (0.0, 0.0, 1.0)
    pivot: Colour = (0.0, 0.0, 0.0)
    amount: float = 0.0
    phase: float = 0.0  # in turns


@dataclass(frozen=True)
class Model:
    """One object: painted patches inside about the unit ball, motions of its parts, and words for what was drawn.

    `traits` are noun phrases that never name the category ("two round wheels", "a long tail boom"). `travel` is the
    velocity of the whole object in units a second, `bob` the height of its up-and-down movement. `habitat` says where
    it is usually seen; `pitch` limits how far it may tip in degrees when it is posed.
    """

    look: Look
    patches: list[Patch]
    traits: tuple[str, ...]
    habitat: Literal["air", "ground", "water", "indoor"]
    motions: tuple[Motion, ...] = ()
    travel: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bob: float = 0.0
    bob_hz: float = 1.0
    pitch: float = 5.0
    extra: dict[str, float] = field(default_factory=dict)  # numbers the sound depends on, e.g. {"cylinders": 4}
