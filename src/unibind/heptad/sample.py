"""One Heptad object and everything the sensors make of it, from (category, index, split, seed)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UnknownNameError
from . import CATEGORIES, SPLITS, sensors
from .captions import caption
from .event_camera import EventCamera
from .forms import build
from .model import Model, draw_look
from .render import Floats
from .scene import Scene, draw_scene
from .sounds import synthesise
from .surface import Surface, sample_surface

_SURFACE_SAMPLES = 26000
_STREAMS = ("form", "surface", "scene", "image", "thermal", "action", "video", "event", "point_cloud", "audio", "text")


@dataclass(frozen=True)
class Sample:
    """One object in its scene; each modality is made when asked for, from a random stream of its own."""

    category: str
    index: int
    split: str
    seed: int
    model: Model
    scene: Scene

    @property
    def id(self) -> str:
        """Name of the object, e.g. "test/drum/0003"."""
        return f"{self.split}/{self.category}/{self.index:04d}"

    def _rng(self, stream: str) -> np.random.Generator:
        return _stream(self.category, self.index, self.split, self.seed, stream)

    @cached_property
    def surface(self) -> Surface:
        """Samples of the object's painted surface."""
        return sample_surface(self.model.patches, _SURFACE_SAMPLES, self._rng("surface"))

    @cached_property
    def action(self) -> Floats:
        """Two seconds of the scene as they are, which video and event camera both watch."""
        return sensors.scene_frames(self.surface, self.model, self.scene, self._rng("action"))

    def image(self) -> NDArray[np.uint8]:
        """Picture uint8 [128, 128, 3]."""
        return sensors.photograph(self.surface, self.model, self.scene, self._rng("image"))

    def text(self) -> str:
        """A caption of the object, which does not always name it."""
        return caption(self.category, self.model, self.scene.words, self._rng("text"))

    def audio(self) -> Floats:
        """Sound float32 [32000] at 16 kHz."""
        return synthesise(self.category, self.model, self._rng("audio"))

    def point_cloud(self) -> Floats:
        """Points float32 [2048, 3], y up."""
        return sensors.scan(self.surface, self.scene, self._rng("point_cloud"))

    def thermal(self) -> Floats:
        """Degrees Celsius float32 [96, 96]."""
        return sensors.thermogram(self.surface, self.model, self.scene, self._rng("thermal"))

    def video(self) -> NDArray[np.uint8]:
        """Frames uint8 [24, 96, 96, 3] at 12 frames a second."""
        return sensors.filmed(self.action, self.scene, self._rng("video"))

    def event(self) -> NDArray[np.int64]:
        """Events [N, 4] of a 96 x 96 sensor: time in microseconds (sorted), x, y, polarity (1: brighter)."""
        return EventCamera().watch(self.action, sensors.FPS, self._rng("event"))


_SENSES: dict[str, Callable[[Sample], Any]] = {
    "image": Sample.image,
    "text": Sample.text,
    "audio": Sample.audio,
    "point_cloud": Sample.point_cloud,
    "thermal": Sample.thermal,
    "video": Sample.video,
    "event": Sample.event,
}


def arrays(sample: Sample) -> dict[str, Any]:
    """What each modality's sensor gives, by modality; types and units stand at the methods of Sample."""
    return {modality: sense(sample) for modality, sense in _SENSES.items()}


def draw_sample(category: str, index: int, split: str = "test", seed: int = 0) -> Sample:
    """The object of that name; the same arguments give the same object. Raises UnknownNameError."""
    if category not in CATEGORIES:
        raise UnknownNameError("Heptad category", category, CATEGORIES)
    if split not in SPLITS:
        raise UnknownNameError("Heptad split", split, SPLITS)
    form = _stream(category, index, split, seed, "form")
    model = build(category, draw_look(form), form)
    return Sample(
        category, index, split, seed, model, draw_scene(model, _stream(category, index, split, seed, "scene"))
    )


def _stream(category: str, index: int, split: str, seed: int, stream: str) -> np.random.Generator:
    """Independent random numbers for every (seed, split, category, index, stream)."""
    key = (seed, SPLITS.index(split), CATEGORIES.index(category), index, _STREAMS.index(stream))
    return np.random.default_rng(np.random.SeedSequence(key))
