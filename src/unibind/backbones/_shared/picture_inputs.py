"""Modalities that an image tower can read: how each becomes pictures, in one table for all CLIP-style backbones.

An item becomes a stack of RGB pictures: one picture, or several for a video. The tower embeds every picture, and the
item's embedding is the mean of their unit vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...errors import UnibindError
from ...modalities.depth import Depth
from ...modalities.event import EventFrame, Events
from ...modalities.image import Image
from ...modalities.thermal import Thermal
from ...modalities.video import Video
from ...preprocess.clips import even_moments
from ...preprocess.pictures import depth_picture, event_picture, thermal_picture


@dataclass(frozen=True)
class PictureInput:
    """`pictures(raw, frames)` -> uint8 [F, H, W, 3]; `description` says how, in contracts and docs."""

    pictures: Callable[[Any, int], NDArray[np.uint8]]
    description: str
    moving: bool = False  # whether F is `frames`; otherwise it is 1

    def parameters(self, frames: int) -> dict[str, Any]:
        """The parameters in the contract."""
        return {"picture": self.description, "frames": frames if self.moving else 1}


def _image(raw: Image, _: int) -> NDArray[np.uint8]:
    return raw.pixels[None]


def _video(raw: Video, frames: int) -> NDArray[np.uint8]:
    return raw.frames(even_moments(raw.duration_s, frames))


def _thermal(raw: Thermal, _: int) -> NDArray[np.uint8]:
    return _gray(thermal_picture(raw.values, celsius=raw.celsius))


def _depth(raw: Depth, _: int) -> NDArray[np.uint8]:
    return _gray(depth_picture(raw.values))


def _gray(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(picture[None, :, :, None], 3, axis=-1)


def _event(raw: Events | EventFrame, _: int) -> NDArray[np.uint8]:
    return (raw.pixels if isinstance(raw, EventFrame) else event_picture(raw))[None]


PICTURE_INPUTS: Mapping[str, PictureInput] = {
    "image": PictureInput(_image, "unchanged"),
    "video": PictureInput(_video, "frames at the middles of equal parts of the clip", moving=True),
    "thermal": PictureInput(_thermal, "preprocess.pictures.thermal_picture, gray"),
    "depth": PictureInput(_depth, "preprocess.pictures.depth_picture, gray"),
    "event": PictureInput(_event, "preprocess.pictures.event_picture"),
}


def check_frames(frames: int) -> int:
    """Return the number of frames taken from a video; raises UnibindError if it is less than 1."""
    if frames < 1:
        raise UnibindError(f"a video needs at least 1 frame, not {frames}")
    return frames


def embed_pictures(embed: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """Mean of the unit embeddings of each item's pictures: [B, F, 3, H, W] -> [B, D].

    `embed` maps [B, 3, H, W] to [B, D]. It is called with one picture per item at a time, so videos need no more memory
    than images.
    """
    return torch.stack([functional.normalize(embed(pictures), dim=-1) for pictures in batch.unbind(1)]).mean(dim=0)
