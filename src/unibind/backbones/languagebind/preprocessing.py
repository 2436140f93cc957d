"""From raw items to the inputs of LanguageBind's towers: one object per modality, whose fields are in the contract.

Steps and constants are those of LanguageBind's released processors, without what they draw at random: a video is never
mirrored, and the three parts of a long sound start in the middle of where they may. Resizing is not antialiased, as in
the torchvision 0.14 that the authors name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...modalities.audio import Audio
from ...modalities.depth import Depth
from ...modalities.event import EventFrame, Events
from ...modalities.image import Image
from ...modalities.thermal import Thermal
from ...modalities.video import Video
from ...preprocess.clips import sinc_resampled
from ...preprocess.filterbank import log_mel
from ...preprocess.images import center_of_resized
from ...preprocess.pictures import event_picture, thermal_picture
from .._shared.clip_inputs import MEAN, STD, TextInput
from .repositories import PICTURE_SIZE


def _square(values: NDArray, size: int) -> Tensor:
    """[H, W, C] -> float32 [C, size, size]: short side resized (bicubic, not antialiased), then the center."""
    height, width, _ = values.shape
    short = min(height, width)
    return center_of_resized(values, (height * size // short, width * size // short), size, cubic=True)


def _normalized(picture: Tensor) -> Tensor:
    """[3, H, W], or [1, H, W] for gray, in [0, 1], by CLIP's mean and standard deviation: [3, H, W]."""
    mean, std = (torch.tensor(numbers).reshape(3, 1, 1) for numbers in (MEAN, STD))
    return (picture - mean) / std


def _picture(pixels: NDArray[np.uint8], size: int) -> Tensor:
    """uint8 [H, W, 3], or [H, W, 1] for gray -> [3, size, size], normalized."""
    return _normalized(_square(pixels, size) / 255)


@dataclass(frozen=True)
class _Image:
    """[3, size, size]: short side resized, center cropped, normalized."""

    size: int = PICTURE_SIZE
    resize: str = "bicubic"

    def __call__(self, raw: Image) -> Tensor:
        return _picture(raw.pixels, self.size)


@dataclass(frozen=True)
class _Event:
    """[3, size, size]: the recording rendered as a picture, then treated as an image."""

    picture: str = "preprocess.pictures.event_picture"
    size: int = PICTURE_SIZE
    resize: str = "bicubic"

    def __call__(self, raw: Events | EventFrame) -> Tensor:
        return _picture(raw.pixels if isinstance(raw, EventFrame) else event_picture(raw), self.size)


@dataclass(frozen=True)
class _Thermal:
    """[3, size, size]: 8-bit gray in three equal channels, treated as an image."""

    picture: str = "preprocess.pictures.thermal_picture"
    size: int = PICTURE_SIZE
    resize: str = "bicubic"

    def __call__(self, raw: Thermal) -> Tensor:
        return _picture(thermal_picture(raw.values, celsius=raw.celsius)[..., None], self.size)


@dataclass(frozen=True)
class _Depth:
    """[3, size, size]: share of `farthest_m` (0: of the farthest point), in three equal channels.

    Unknown depth counts as `nearest_m`.
    """

    farthest_m: float = 10.0
    nearest_m: float = 0.01
    size: int = PICTURE_SIZE
    resize: str = "bicubic"

    def __call__(self, raw: Depth) -> Tensor:
        meters = raw.values.clip(min=self.nearest_m)
        share = meters.clip(max=self.farthest_m) / self.farthest_m if self.farthest_m else meters / meters.max()
        return _normalized(_square(share.astype(np.float32)[..., None], self.size))


@dataclass(frozen=True)
class _Audio:
    """[3, bins, frames]: log mel energies of three parts of a sound, which are read as one picture in three channels.

    The first part starts somewhere in the first third of where parts may start, and so on; the middle of each third is
    used. A shorter sound is repeated, in three equal channels. Frames are 25 ms long and 10 ms apart.
    """

    rate_hz: int
    bins: int
    frames: int
    mean: float
    std: float
    starts: str = "middle of each third"
    resampling: str = "preprocess.clips.sinc_resampled"

    def __call__(self, raw: Audio) -> Tensor:
        frame, shift = round(0.025 * self.rate_hz), round(0.01 * self.rate_hz)
        total = -(-len(raw.samples) * self.rate_hz // raw.rate)  # samples at the new rate
        count = 1 + max(0, total - frame) // shift
        samples = raw.samples - raw.samples.mean()
        length = min(total, frame + (self.frames - 1) * shift)
        starts, place = np.unique(self._starts(count), return_inverse=True)  # one start, where a sound is short
        windows = [sinc_resampled(samples, raw.rate, self.rate_hz, start * shift, length) for start in starts.tolist()]
        parts = torch.from_numpy(np.stack(windows))
        parts = functional.pad(parts, (0, max(0, frame - parts.shape[1])))  # the filter bank needs one whole frame
        mel = log_mel(parts, self.rate_hz, bins=self.bins)  # [starts, T, bins]
        mel = mel.repeat(1, -(-self.frames // mel.shape[1]), 1)[:, : self.frames]
        return ((mel.transpose(1, 2) - self.mean) / (2 * self.std))[place]

    def _starts(self, count: int) -> list[int]:
        """The first frames of the three parts of a sound with `count` frames."""
        thirds = np.array_split(np.arange(max(1, count - self.frames + 1)), 3)
        return [int(third[len(third) // 2]) if len(third) else 0 for third in thirds]


@dataclass(frozen=True)
class _Video:
    """[frames, 3, size, size]: frames from the first to the last, evenly; short side resized, center cropped."""

    frames: int
    size: int = PICTURE_SIZE
    resize: str = "bilinear"

    def __call__(self, raw: Video) -> Tensor:
        count = max(1, round(raw.duration_s * raw.fps))
        numbers = np.linspace(0, count - 1, self.frames, dtype=int)
        wanted, place = np.unique(numbers, return_inverse=True)
        frames = [self._square(frame) for frame in raw.frames((wanted + 0.5) / raw.fps)]
        return torch.stack(frames)[place]

    def _square(self, frame: NDArray[np.uint8]) -> Tensor:
        height, width, _ = frame.shape
        short = min(height, width)
        shape = math.floor(height / short * self.size), math.floor(width / short * self.size)
        return _normalized(center_of_resized(frame, shape, self.size, cubic=False) / 255)


def _audio(vision: Mapping[str, Any]) -> _Audio:
    return _Audio(
        vision["audio_sample_rate"],
        vision["num_mel_bins"],
        vision["target_length"],
        vision["audio_mean"],
        vision["audio_std"],
    )


# modality -> its input, by the configuration of the repository that its tower is in
_INPUTS: Mapping[str, Callable[[Mapping[str, Any]], Callable[[Any], Tensor]]] = {
    "image": lambda _: _Image(),
    "text": lambda _: TextInput(),
    "audio": _audio,
    "thermal": lambda _: _Thermal(),
    "video": lambda vision: _Video(vision["num_frames"]),
    "event": lambda _: _Event(),
    "depth": lambda vision: _Depth(float(vision["max_depth"])),
}


class Preprocessing:
    """The inputs of the towers of some modalities, by the configuration of each one's repository."""

    def __init__(self, configurations: Mapping[str, Mapping[str, Any]]) -> None:
        self._inputs = {modality: _INPUTS[modality](vision) for modality, vision in configurations.items()}

    def __call__(self, modality: str, raw: Any) -> Tensor:
        """Turn one raw item of this modality into its tower's input."""
        return self._inputs[modality](raw)

    def parameters(self, modality: str) -> dict[str, Any]:
        """The preprocessing parameters in the contract."""
        return asdict(self._inputs[modality])  # type: ignore[call-overload]
