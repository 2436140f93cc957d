"""From raw items to the inputs of ImageBind's towers: one object per modality, whose fields are part of the contract.

All steps and constants are those of ImageBind's and UniBind's released preprocessing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from PIL import Image as Picture
from torch import Tensor
from torch.nn import functional

from ...modalities.audio import Audio
from ...modalities.depth import Depth
from ...modalities.event import EventFrame, Events
from ...modalities.image import Image
from ...modalities.imu import Imu
from ...modalities.point_cloud import PointCloud
from ...modalities.spec import Raw
from ...modalities.thermal import Thermal
from ...modalities.video import Video
from ...preprocess.clips import ClipPolicy, sinc_resampled
from ...preprocess.filterbank import log_mel
from ...preprocess.images import resize_and_crop, square, square_field, to_tensor
from ...preprocess.pictures import event_picture, thermal_picture
from ...preprocess.points import normalize_cloud, resample
from .._shared.clip_inputs import MEAN, STD, TextInput
from .._shared.pooling import check_pooling

SIZE = 224
_AUDIO_CLIPS, _VIDEO_CLIPS = ClipPolicy(clips=3, seconds=2.0), ClipPolicy(clips=5, seconds=2.0)


@dataclass(frozen=True)
class _Image:
    """[3, size, size]: resized by the short side, center cropped, normalized by CLIP's mean and standard deviation."""

    size: int = SIZE
    resize: str = "bicubic, antialiased"

    def __call__(self, raw: Image) -> Tensor:
        return to_tensor(square(raw.pixels, self.size), MEAN, STD)


@dataclass(frozen=True)
class _Event:
    """[3, size, size]: the recording rendered as a picture, then treated as an image."""

    picture: str = "preprocess.pictures.event_picture"
    size: int = SIZE
    resize: str = "bicubic, antialiased"

    def __call__(self, raw: Events | EventFrame) -> Tensor:
        return to_tensor(
            square(raw.pixels if isinstance(raw, EventFrame) else event_picture(raw), self.size), MEAN, STD
        )


@dataclass(frozen=True)
class _Thermal:
    """[1, size, size]: 8-bit gray, scaled to [-1, 1]."""

    picture: str = "preprocess.pictures.thermal_picture"
    size: int = SIZE
    resize: str = "bicubic, antialiased"

    def __call__(self, raw: Thermal) -> Tensor:
        gray = np.asarray(
            resize_and_crop(Picture.fromarray(thermal_picture(raw.values, celsius=raw.celsius)), self.size)
        )
        return to_tensor(gray[..., None], [0.5], [0.5])


@dataclass(frozen=True)
class _Depth:
    """[1, size, size]: disparity in pixels divided by `max_px`; near is large, and unknown depth is 0.

    Omnivore (Girdhar et al., CVPR 2022) and ImageBind read SUN RGB-D this way, as the authors explain in
    https://github.com/facebookresearch/omnivore/issues/12. Their code reads the data set's eighths of a millimeter as
    millimeters, hence `stretch`; only this matches the published mean (0.0418 * 75 * 8 is 25 pixels, the mean
    disparity of the data set). A Depth does not know its camera, so the first Kinect is assumed.
    """

    size: int = SIZE
    baseline_m: float = 0.075
    focal_px: float = 520.0
    stretch: float = 8.0
    nearest_m: float = 0.01 / 8
    farthest_m: float = 50.0 / 8
    max_px: float = 75.0
    mean: float = 0.0418
    std: float = 0.0295
    resize: str = "bicubic, antialiased"

    def __call__(self, raw: Depth) -> Tensor:
        meters = self.stretch * raw.values.clip(self.nearest_m, self.farthest_m)
        disparity = (self.baseline_m * self.focal_px / meters).clip(max=self.max_px)
        share = np.where(raw.values > 0, disparity / self.max_px, 0).astype(np.float32)
        field_ = square_field(share, self.size)
        return (torch.from_numpy(np.array(field_))[None] - self.mean) / self.std


@dataclass(frozen=True)
class _Audio:
    """Log mel energies [clips, 1, bins, frames]; the mean of each clip is removed, and missing frames are 0.

    `frames` last 2.06 s: only the beginning of a longer clip is used.
    """

    policy: ClipPolicy = _AUDIO_CLIPS
    rate_hz: int = 16_000
    resampling: str = "preprocess.clips.sinc_resampled"
    bins: int = 128
    frames: int = 204
    mean: float = -4.268
    std: float = 9.138

    def __call__(self, raw: Audio) -> Tensor:
        frame, shift = round(0.025 * self.rate_hz), round(0.01 * self.rate_hz)
        total = -(-len(raw.samples) * self.rate_hz // raw.rate)  # samples at the new rate
        length = min(int(self.policy.seconds * self.rate_hz), frame + (self.frames - 1) * shift, total)
        starts = (int(start * self.rate_hz) for start in self.policy.starts(total / self.rate_hz))
        windows = [sinc_resampled(raw.samples, raw.rate, self.rate_hz, start, length) for start in starts]
        clips = torch.from_numpy(np.stack(windows))  # [clips, N]
        short = max(0, frame - length)  # the filter bank needs one whole frame
        clips = functional.pad(clips - clips.mean(dim=1, keepdim=True), (0, short))
        mel = log_mel(clips, self.rate_hz, bins=self.bins)  # [clips, T, bins]
        mel = functional.pad(mel, (0, 0, 0, self.frames - mel.shape[1]))
        return ((mel.transpose(1, 2) - self.mean) / self.std)[:, None]


@dataclass(frozen=True)
class _Video:
    """[clips * crops, 3, frames, size, size]: first to last frame of each clip, three crops along the longer side."""

    policy: ClipPolicy = _VIDEO_CLIPS
    frames: int = 2
    crops: int = 3
    size: int = SIZE
    resize: str = "bilinear"

    def __call__(self, raw: Video) -> Tensor:
        count = max(1, round(raw.duration_s * raw.fps))
        indices = [self._indices(start, raw.fps, count) for start in self.policy.starts(raw.duration_s)]
        wanted, place = np.unique(np.concatenate(indices), return_inverse=True)
        pictures = self._scaled(raw.frames((wanted + 0.5) / raw.fps))[place]  # [clips * frames, 3, h, w]
        crops = [pictures[..., y : y + self.size, x : x + self.size] for y, x in self._corners(*pictures.shape[-2:])]
        clips = torch.stack(crops, dim=1).unflatten(0, (-1, self.frames))  # [clips, frames, crops, 3, size, size]
        return clips.permute(0, 2, 3, 1, 4, 5).flatten(0, 1).contiguous()

    def _indices(self, start: float, fps: float, count: int) -> np.ndarray:
        """Frames of a clip, evenly from its first to its last."""
        first = min(math.ceil(start * fps - 1e-6), count - 1)
        last = max(first, min(math.ceil((start + self.policy.seconds) * fps - 1e-6), count) - 1)
        return np.linspace(first, last, self.frames).astype(int)

    def _scaled(self, frames: np.ndarray) -> Tensor:
        """uint8 [T, H, W, 3] -> normalized float32 [T, 3, h, w], where the shorter of h and w is `size`."""
        _, height, width, _ = frames.shape
        short = min(height, width)
        shape = height * self.size // short, width * self.size // short
        scaled = [
            functional.interpolate(torch.tensor(frame).movedim(-1, 0)[None].float(), shape, mode="bilinear")[0]
            for frame in frames
        ]  # one at a time, so that large frames are not all in memory as floats
        mean, std = (torch.tensor(numbers).reshape(3, 1, 1) for numbers in (MEAN, STD))
        return (torch.stack(scaled) / 255 - mean) / std

    def _corners(self, height: int, width: int) -> list[tuple[int, int]]:
        """Top and left of the crops."""
        down, right = math.ceil((height - self.size) / 2), math.ceil((width - self.size) / 2)
        if height > width:
            return [(0, right), (down, right), (height - self.size, right)]
        return [(down, 0), (down, right), (down, width - self.size)]


@dataclass(frozen=True)
class _Imu:
    """[6, samples]: acceleration and rotation at `rate_hz`, for five seconds (ImageBind, section 3.3).

    Longer recordings are cut to their middle, shorter ones are repeated. Values are interpolated linearly.
    """

    rate_hz: int = 400
    samples: int = 2000

    def __call__(self, raw: Imu) -> Tensor:
        readings = raw.values.shape[1]
        step = raw.rate / self.rate_hz  # readings a sample
        if self.samples * step < readings:
            at = (readings - self.samples * step) / 2 + np.arange(self.samples) * step
        else:
            at = np.resize(np.linspace(0, readings - 1, max(2, round(readings / step))), self.samples)
        values = [np.interp(at, np.arange(readings), row) for row in raw.values]
        return torch.from_numpy(np.stack(values).astype(np.float32))


@dataclass(frozen=True)
class _PointCloud:
    """[points, 3] in the unit ball."""

    points: int = 8192
    seed: int = 0

    def __call__(self, raw: PointCloud) -> Tensor:
        return normalize_cloud(resample(torch.tensor(raw.xyz), self.points, self.seed))


_INPUTS: dict[str, Callable[[Any], Tensor]] = {
    "image": _Image(),
    "text": TextInput(),
    "audio": _Audio(),
    "point_cloud": _PointCloud(),
    "thermal": _Thermal(),
    "video": _Video(),
    "event": _Event(),
    "depth": _Depth(),
    "imu": _Imu(),
}


@dataclass(frozen=True)
class Preprocessing:
    """The inputs of all towers, with one clip policy for recordings; for `clips` None, the released number of clips."""

    clips: int | None = None
    clip_seconds: float = 2.0
    stride: float | None = None
    pooling: str = "mean"
    _inputs: dict[str, Callable[[Any], Tensor]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the pooling and the clip policy."""
        check_pooling(self.pooling)
        inputs = dict(_INPUTS)
        for modality in inputs:
            if self.clipped(modality):
                policy = inputs[modality].policy  # type: ignore[attr-defined]
                policy = ClipPolicy(policy.clips if self.clips is None else self.clips, self.clip_seconds, self.stride)
                inputs[modality] = replace(inputs[modality], policy=policy)  # type: ignore[type-var]
        object.__setattr__(self, "_inputs", inputs)

    def __call__(self, modality: str, raw: Raw) -> Tensor:
        """Turn one raw item of this modality into its tower's input."""
        return self._inputs[modality](raw)

    @property
    def options(self) -> dict[str, Any]:
        """The arguments that rebuild an equal object, as JSON."""
        return {
            "clips": self.clips,
            "clip_seconds": self.clip_seconds,
            "stride": self.stride,
            "pooling": self.pooling,
        }

    @staticmethod
    def clipped(modality: str) -> bool:
        """Whether an item's input is a stack of clips whose embeddings are pooled."""
        return hasattr(_INPUTS[modality], "policy")

    def parameters(self, modality: str) -> dict[str, Any]:
        """The preprocessing parameters in the contract."""
        parameters: dict[str, Any] = asdict(self._inputs[modality])  # type: ignore[call-overload]
        return parameters | {"pooling": self.pooling} if self.clipped(modality) else parameters
