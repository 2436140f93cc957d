"""From raw items to the inputs of mini's towers; every number here is part of the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import UnibindError
from ...modality import Audio, EventFrame, Events, Image, PointCloud, Raw, Text, Thermal, Video
from ...preprocess.clips import centre_window, even_moments, resampled
from ...preprocess.events import drawn_to_counts, event_frames
from ...preprocess.filterbank import log_mel
from ...preprocess.images import square, square_field, to_tensor
from ...preprocess.points import normalise_cloud, resample
from .text import MAX_TOKENS, Tokeniser

_MEAN, _STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


@dataclass(frozen=True)
class Parameters:
    """What shapes mini's inputs."""

    image_size: int = 96
    thermal_size: int = 64
    thermal_span_c: float = 20.0  # degrees Celsius that fill the absolute channel
    clip_size: int = 48
    clip_frames: int = 6
    event_frames: int = 6
    audio_rate: int = 16_000
    audio_window_s: float = 2.0  # from the middle; shorter recordings are repeated
    audio_bins: int = 64
    audio_mean: float = -9.0
    audio_std: float = 4.0
    points: int = 512
    max_tokens: int = MAX_TOKENS


P = Parameters()
_tokenise = Tokeniser()


def _image(raw: Image) -> Tensor:
    """[3, 96, 96]."""
    return to_tensor(square(raw.pixels, P.image_size), _MEAN, _STD)


def _text(raw: Text) -> Tensor:
    """Token ids [T]."""
    return _tokenise(raw.text)


def _audio(raw: Audio) -> Tensor:
    """Log mel energies [1, 64, 198] of the middle two seconds, after the loudest sample is brought to 1."""
    window = centre_window(resampled(raw.samples, raw.rate, P.audio_rate), round(P.audio_window_s * P.audio_rate))
    loud = torch.from_numpy(window / max(float(np.abs(window).max()), 1e-6))
    return ((log_mel(loud, P.audio_rate, bins=P.audio_bins).T - P.audio_mean) / P.audio_std)[None]


def _thermal(raw: Thermal) -> Tensor:
    """[2, 64, 64]: shape (each picture's own range, 2nd to 98th percentile) and heat (degrees above its median)."""
    field = square_field(raw.values, P.thermal_size)
    low, high = np.percentile(field, (2, 98))
    shape = np.clip((field - low) / max(float(high - low), 1e-6), 0, 1) * 2 - 1
    above = (field - np.median(field)) / P.thermal_span_c if raw.celsius else np.zeros_like(field)
    return torch.from_numpy(np.stack([shape, np.arctan(above)]).astype(np.float32))


def _video(raw: Video) -> Tensor:
    """Six evenly spaced frames [6, 3, 48, 48]."""
    frames = raw.frames(even_moments(raw.duration_s, P.clip_frames))
    return to_tensor(np.stack([square(frame, P.clip_size) for frame in frames]), _MEAN, _STD)


def _event(raw: Events | EventFrame) -> Tensor:
    """Counts of brighter and darker events in six slices of time [6, 2, 48, 48]."""
    shape = (P.event_frames, P.clip_size, P.clip_size)
    return event_frames(raw, *shape) if isinstance(raw, Events) else drawn_to_counts(raw, *shape)


def _point_cloud(raw: PointCloud) -> Tensor:
    """512 points in the unit ball [512, 3], in random order."""
    points = torch.from_numpy(raw.xyz)
    shuffled = points[torch.randperm(len(points), generator=torch.Generator().manual_seed(0))]
    return normalise_cloud(resample(shuffled, P.points, 0))


_STEPS: dict[str, Callable[[Any], Tensor]] = {
    "image": _image,
    "text": _text,
    "audio": _audio,
    "point_cloud": _point_cloud,
    "thermal": _thermal,
    "video": _video,
    "event": _event,
}


def preprocess(modality: str, raw: Raw) -> Tensor:
    """One raw item to its tower's input; raises UnibindError where the item is of another modality."""
    if raw.modality != modality:
        raise UnibindError(f"the {modality} tower was given {raw.modality}; name the item's own modality")
    return _STEPS[modality](raw)


def parameters(modality: str) -> dict[str, Any]:
    """The part of the contract that preprocessing fills."""
    prefixes = {"text": ("max",), "point_cloud": ("points",), "video": ("clip",), "event": ("clip_size", "event")}
    wanted = prefixes.get(modality, (modality,))
    return {name: value for name, value in asdict(P).items() if name.startswith(wanted)}
