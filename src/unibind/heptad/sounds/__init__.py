"""Sounds of Heptad's objects: two seconds at 16 kHz, synthesized from the physics of each category.

Large objects sound lower than small ones. Properties of the form that matter for its sound (blades, strings, boiling,
...) are in `Model.extra`. Categories with the same sound mechanism, such as fans and airplanes, sound alike on purpose.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...errors import UnknownNameError
from ..model import Model
from . import flows, machines, strings, struck, voices
from .recording import record
from .toolkit import Sound

SOUNDS: dict[str, Callable[[Model, np.random.Generator], Sound]] = {
    "airplane": machines.airplane,
    "helicopter": machines.helicopter,
    "rocket": flows.rocket,
    "car": machines.car,
    "train": machines.train,
    "sailboat": flows.sailboat,
    "bicycle": machines.bicycle,
    "drum": struck.drum,
    "bell": struck.bell,
    "guitar": strings.guitar,
    "piano": strings.piano,
    "clock": struck.clock,
    "kettle": flows.kettle,
    "lamp": machines.lamp,
    "fan": machines.fan,
    "chair": struck.chair,
    "table": struck.table,
    "bottle": struck.bottle,
    "mug": struck.mug,
    "campfire": flows.campfire,
    "dog": voices.dog,
    "bird": voices.bird,
    "person": voices.person,
    "umbrella": flows.umbrella,
}


def synthesize(category: str, model: Model, rng: np.random.Generator) -> NDArray[np.float32]:
    """Synthesize the recorded sound of one object: float32 [32000] at 16 kHz, |x| <= 0.95.

    Raises UnknownNameError for an unknown category.
    """
    if category not in SOUNDS:
        raise UnknownNameError("Heptad category", category, SOUNDS)
    return record(SOUNDS[category](model, rng), rng)
