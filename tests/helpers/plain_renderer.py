"""Objects and scenes so plain that what the sensors must see can be worked out by hand."""

from typing import Any

import numpy as np

from unibind.heptad.model import Look, Model, Motion
from unibind.heptad.patches import Patch
from unibind.heptad.scene import Scene
from unibind.heptad.surface import sample_surface

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def plain_scene(**changes: Any) -> Scene:
    """A level camera four units away, looking at a gray wall of 20 degrees Celsius."""
    usual: dict[str, Any] = {
        "place": "studio",
        "words": "in a photo studio",
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
    return Scene(**usual | changes)


def plain_model(patches: list[Patch], *motions: Motion, **changes: Any) -> Model:
    return Model(Look("red", "blue", "plastic", 1.0), patches, ("a flat side",), "indoor", motions, **changes)


def samples_of(*patches: Patch, count: int = 4000):
    return sample_surface(patches, count, np.random.default_rng(0))
