"""One Heptad object and everything the sensors make of it, from (category, index, split, seed)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import UnknownNameError
from . import CATEGORIES, SPLITS, sensors
from .captions import caption
from .forms import build
from .model import Model, draw_look
from .scene import Scene, draw_scene
from .sounds import synthesise
from .surface import Surface, sample_surface

_SURFACE_SAMPLES = 26000
_STREAMS = ("form", "surface", "scene", "image", "thermal", "video", "event", "point_cloud", "audio", "text")


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

    def image(self) -> NDArray[np.uint8]:
        """Picture uint8 [128, 128, 3]."""
        return sensors.photograph(self.surface, self.model, self.scene, self._rng("image"))

    def thermal(self) -> NDArray[np.uint16]:
        """Temperatures uint16 [96, 96] in centikelvin."""
        return sensors.thermogram(self.surface, self.model, self.scene, self._rng("thermal"))

    @cached_property
    def frames(self) -> NDArray[np.uint8]:
        """Video frames uint8 [20, 96, 96, 3] at 10 frames a second."""
        return sensors.film(self.surface, self.model, self.scene, self._rng("video"))

    def events(self) -> sensors.EventStream:
        """What an event camera saw of the video, before its compression."""
        return sensors.events_of(self.frames, sensors.FPS, self._rng("event"))

    def points(self) -> NDArray[np.float32]:
        """Point cloud float32 [2048, 3]."""
        return sensors.scan(self.surface, self.scene, self._rng("point_cloud"))

    def audio(self) -> NDArray[np.float32]:
        """Sound float32 [32000] at 16 kHz."""
        return synthesise(self.category, self.model, self._rng("audio"))

    def caption(self) -> str:
        """A sentence about the object, which does not always name it."""
        return caption(self.category, self.model, self.scene.words, self._rng("text"))


def _stream(category: str, index: int, split: str, seed: int, stream: str) -> np.random.Generator:
    """Independent random numbers for every (seed, split, category, index, stream)."""
    key = (seed, SPLITS.index(split), CATEGORIES.index(category), index, _STREAMS.index(stream))
    return np.random.default_rng(np.random.SeedSequence(key))


def draw_sample(category: str, index: int, split: str = "test", seed: int = 0) -> Sample:
    """The object of that name; the same arguments give the same object. Raises UnknownNameError."""
    if category not in CATEGORIES:
        raise UnknownNameError("Heptad category", category, CATEGORIES)
    if split not in SPLITS:
        raise UnknownNameError("Heptad split", split, SPLITS)
    form = _stream(category, index, split, seed, "form")
    model = build(category, draw_look(form), form)
    scene = draw_scene(model.habitat, model.pitch, _stream(category, index, split, seed, "scene"))
    return Sample(category, index, split, seed, model, scene)
