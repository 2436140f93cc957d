"""One Heptad object and its seven modalities, generated from (category, index, split, seed)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UnknownNameError
from . import sensors
from .captions import NAMED, caption
from .categories import CATEGORIES, SPLITS
from .event_camera import EventCamera
from .forms import build
from .model import Model, sample_look
from .render import Floats
from .scene import Scene, sample_scene
from .sounds import synthesize
from .surface import Surface, sample_surface

_SURFACE_SAMPLES = 26000
_STREAMS = ("form", "surface", "scene", "image", "thermal", "frames", "video", "event", "point_cloud", "audio", "text")


@dataclass(frozen=True)
class Sample:
    """One object in its scene. Each modality is generated on demand from its own random stream."""

    category: str
    index: int
    split: str
    seed: int
    model: Model
    scene: Scene

    @property
    def id(self) -> str:
        """Identifier of the object, e.g. "test/drum/0003"."""
        return f"{self.split}/{self.category}/{self.index:04d}"

    def _rng(self, stream: str) -> np.random.Generator:
        return _stream(self.category, self.index, self.split, self.seed, stream)

    @cached_property
    def surface(self) -> Surface:
        """Samples of the object's painted surface."""
        return sample_surface(self.model.patches, _SURFACE_SAMPLES, self._rng("surface"))

    @cached_property
    def frames(self) -> Floats:
        """Two seconds of the scene without sensor noise: what both the video camera and the event camera record."""
        return sensors.scene_frames(self.surface, self.model, self.scene, self._rng("frames"))

    def image(self) -> NDArray[np.uint8]:
        """Image uint8 [128, 128, 3]."""
        return sensors.photograph(self.surface, self.model, self.scene, self._rng("image"))

    def text(self, named: float = NAMED) -> str:
        """A caption of the object; a share `named` of all captions names the category."""
        return caption(self.category, self.model, self.scene.phrase, self._rng("text"), named=named)

    def audio(self) -> Floats:
        """Sound float32 [32000] at 16 kHz."""
        return synthesize(self.category, self.model, self._rng("audio"))

    def point_cloud(self) -> Floats:
        """Point cloud float32 [2048, 3], y up."""
        return sensors.scan(self.surface, self.scene, self._rng("point_cloud"))

    def thermal(self) -> Floats:
        """Temperatures float32 [96, 96] in degrees Celsius."""
        return sensors.thermogram(self.surface, self.model, self.scene, self._rng("thermal"))

    def video(self) -> NDArray[np.uint8]:
        """Frames uint8 [24, 96, 96, 3] at 12 frames per second."""
        return sensors.record_video(self.frames, self.scene, self._rng("video"))

    def event(self) -> NDArray[np.int64]:
        """Events [N, 4] of a 96 x 96 sensor: time in microseconds (sorted), x, y, polarity (1: brighter)."""
        return EventCamera().record(self.frames, sensors.FPS, self._rng("event"))


_MODALITIES: dict[str, Callable[[Sample], Any]] = {
    "image": Sample.image,
    "text": Sample.text,
    "audio": Sample.audio,
    "point_cloud": Sample.point_cloud,
    "thermal": Sample.thermal,
    "video": Sample.video,
    "event": Sample.event,
}


def sense_all(sample: Sample) -> dict[str, Any]:
    """The data of every modality, by name; the methods of Sample give types and units."""
    return {modality: sense(sample) for modality, sense in _MODALITIES.items()}


def sample_object(category: str, index: int, split: str = "test", seed: int = 0) -> Sample:
    """Generate one object; the same arguments give the same object.

    Raises UnknownNameError for an unknown category or split.
    """
    if category not in CATEGORIES:
        raise UnknownNameError("Heptad category", category, CATEGORIES)
    if split not in SPLITS:
        raise UnknownNameError("Heptad split", split, SPLITS)
    form = _stream(category, index, split, seed, "form")
    model = build(category, sample_look(form), form)
    return Sample(
        category, index, split, seed, model, sample_scene(model, _stream(category, index, split, seed, "scene"))
    )


def _stream(category: str, index: int, split: str, seed: int, stream: str) -> np.random.Generator:
    """An independent random generator per (seed, split, category, index, stream)."""
    key = (seed, SPLITS.index(split), CATEGORIES.index(category), index, _STREAMS.index(stream))
    return np.random.default_rng(np.random.SeedSequence(key))
