"""Objects and scenes plain enough to work out by hand what the sensors must record."""

from typing import Any

import numpy as np

from unibind.heptad.model import Look, Model, Motion
from unibind.heptad.patches import Patch
from unibind.heptad.scene import Scene
from unibind.heptad.surface import Surface, sample_surface

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def plain_scene(**changes: Any) -> Scene:
    """A scene with a level camera four units away and a gray backdrop at 20 degrees Celsius."""
    defaults: dict[str, Any] = {
        "place": "studio",
        "phrase": "in a photo studio",
        "yaw": 0.0,
        "pitch": 0.0,
        "elevation": 0.0,
        "distance": 4.0,
        "size": 1.0,
        "shift": (0.0, 0.0),
        "light": np.array([0, -1, 0], np.float32),
        "ambient_light": 0.4,
        "noise": 0.0,
        "temperature": 20.0,
        "shadow": False,
        "backdrop": np.full((160, 160, 3), 0.5, np.float32),
    }
    return Scene(**defaults | changes)


def plain_model(patches: list[Patch], *motions: Motion, **changes: Any) -> Model:
    """A red plastic model with one trait."""
    return Model(Look("red", "blue", "plastic", 1.0), patches, ("a flat side",), "indoor", motions, **changes)


def samples_of(*patches: Patch, count: int = 4000) -> Surface:
    """Samples of the surface of patches."""
    return sample_surface(patches, count, np.random.default_rng(0))
