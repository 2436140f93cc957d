"""From raw items to the inputs of mini's towers: one object per modality, whose fields are part of the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...modalities.audio import Audio
from ...modalities.event import EventFrame, Events
from ...modalities.image import Image
from ...modalities.point_cloud import PointCloud
from ...modalities.spec import Raw
from ...modalities.text import Text
from ...modalities.thermal import Thermal
from ...modalities.video import Video
from ...preprocess.clips import center_window, even_moments, resampled
from ...preprocess.events import event_frames, rendered_event_frames
from ...preprocess.filterbank import log_mel
from ...preprocess.images import square, square_field, to_tensor
from ...preprocess.points import normalize_cloud, resample
from .._shared.minilm import MAX_TOKENS, Tokenizer

_tokenize = Tokenizer()


@dataclass(frozen=True)
class _Image:
    """[3, size, size]: resized by the short side, center cropped."""

    size: int = 96
    mean: float = 0.5
    std: float = 0.25
    resize: str = "bicubic, antialiased"

    def __call__(self, raw: Image) -> Tensor:
        return to_tensor(square(raw.pixels, self.size), [self.mean] * 3, [self.std] * 3)


@dataclass(frozen=True)
class _Text:
    """Token ids [T], T <= max_tokens."""

    max_tokens: int = MAX_TOKENS

    def __call__(self, raw: Text) -> Tensor:
        return _tokenize(raw.text)


@dataclass(frozen=True)
class _Audio:
    """Log mel energies [1, bins, frames] of one window, scaled so that its loudest sample is 1."""

    rate_hz: int = 16_000
    window_s: float = 2.0
    longer: str = "middle"  # what happens to recordings longer or shorter than the window
    shorter: str = "repeated"
    bins: int = 64
    mean: float = -9.0
    std: float = 4.0

    def __call__(self, raw: Audio) -> Tensor:
        window = center_window(resampled(raw.samples, raw.rate, self.rate_hz), round(self.window_s * self.rate_hz))
        loud = torch.from_numpy(window / max(float(np.abs(window).max()), 1e-6))
        return ((log_mel(loud, self.rate_hz, bins=self.bins).T - self.mean) / self.std)[None]


@dataclass(frozen=True)
class _Thermal:
    """[2, size, size]: shape and heat.

    Shape is the range between two percentiles of the picture, scaled to [-1, 1]. Heat is arctan(d / span_c), where d is
    the temperature above the picture's median in degrees Celsius; it is zero if the file is not radiometric.
    """

    size: int = 64
    span_c: float = 20.0
    low_percent: float = 2.0
    high_percent: float = 98.0
    resize: str = "bicubic, antialiased"

    def __call__(self, raw: Thermal) -> Tensor:
        field = square_field(raw.values, self.size)
        low, high = np.percentile(field, (self.low_percent, self.high_percent))
        shape = np.clip((field - low) / max(float(high - low), 1e-6), 0, 1) * 2 - 1
        above = (field - np.median(field)) / self.span_c if raw.celsius else np.zeros_like(field)
        return torch.from_numpy(np.stack([shape, np.arctan(above)]).astype(np.float32))


@dataclass(frozen=True)
class _Video:
    """[frames, 3, size, size]: the frames at the middles of equal parts of the clip."""

    frames: int = 6
    size: int = 48
    mean: float = 0.5
    std: float = 0.25
    resize: str = "bicubic, antialiased"

    def __call__(self, raw: Video) -> Tensor:
        frames = raw.frames(even_moments(raw.duration_s, self.frames))
        pixels = np.stack([square(frame, self.size) for frame in frames])
        return to_tensor(pixels, [self.mean] * 3, [self.std] * 3)


@dataclass(frozen=True)
class _Event:
    """[frames, 2, size, size]: counts of positive and negative events in equal slices of time."""

    frames: int = 6
    size: int = 48

    def __call__(self, raw: Events | EventFrame) -> Tensor:
        shape = (self.frames, self.size, self.size)
        return event_frames(raw, *shape) if isinstance(raw, Events) else rendered_event_frames(raw.pixels, *shape)


@dataclass(frozen=True)
class _PointCloud:
    """[points, 3] in the unit ball, in random order."""

    points: int = 512
    seed: int = 0

    def __call__(self, raw: PointCloud) -> Tensor:
        points = torch.tensor(raw.xyz)
        order = torch.randperm(len(points), generator=torch.Generator().manual_seed(self.seed))
        return normalize_cloud(resample(points[order], self.points, self.seed))


_INPUTS: dict[str, Callable[[Any], Tensor]] = {
    "image": _Image(),
    "text": _Text(),
    "audio": _Audio(),
    "point_cloud": _PointCloud(),
    "thermal": _Thermal(),
    "video": _Video(),
    "event": _Event(),
}


def preprocess(modality: str, raw: Raw) -> Tensor:
    """Turn one raw item of this modality into its tower's input."""
    return _INPUTS[modality](raw)


def parameters(modality: str) -> dict[str, Any]:
    """The preprocessing parameters in the contract."""
    return asdict(_INPUTS[modality])  # type: ignore[call-overload]
