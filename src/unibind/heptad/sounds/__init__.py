"""What Heptad's objects sound like: two seconds at 16 kHz, from the physics of each category's sound-making."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...errors import UnknownNameError
from ..model import Model
from . import moving, struck, voices
from .toolkit import Sound, in_a_room

SOUNDS: dict[str, Callable[[Model, np.random.Generator], Sound]] = {
    function.__name__: function
    for function in (
        *(struck.drum, struck.bell, struck.bicycle, struck.clock, struck.piano, struck.guitar, struck.bottle),
        *(struck.mug, struck.table, struck.lamp),
        *(moving.airplane, moving.helicopter, moving.rocket, moving.car, moving.train, moving.sailboat, moving.fan),
        *(moving.kettle, moving.umbrella, moving.chair, moving.campfire),
        *(voices.dog, voices.bird, voices.person),
    )
}


def synthesise(category: str, model: Model, rng: np.random.Generator) -> NDArray[np.float32]:
    """The sound of one object as recorded somewhere: float32 [32000] at 16 kHz, |x| <= 0.95."""
    if category not in SOUNDS:
        raise UnknownNameError("Heptad category", category, SOUNDS)
    level = float(np.exp(rng.uniform(np.log(0.02), np.log(0.45))))
    return in_a_room(SOUNDS[category](model, rng), rng, level=level, wet=float(rng.uniform(0.0, 0.5)))
