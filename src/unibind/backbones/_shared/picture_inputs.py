"""Modalities that an image tower reads: how each is drawn as pictures, in one table for all CLIP-style backbones.

A drawn item is a stack of RGB pictures, one for all but videos. The tower embeds every picture of the stack; the item's
embedding is the mean of their unit vectors.
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

from ...modalities.event import EventFrame, Events
from ...modalities.image import Image
from ...modalities.thermal import Thermal
from ...modalities.video import Video
from ...preprocess.clips import even_moments
from ...preprocess.pictures import event_picture, thermal_picture


@dataclass(frozen=True)
class Drawing:
    """`draw(raw, frames)` -> uint8 [F, H, W, 3]; `description` says in words, for contracts and docs, how."""

    draw: Callable[[Any, int], NDArray[np.uint8]]
    description: str
    moving: bool = False  # F is `frames`; else 1

    def parameters(self, frames: int) -> dict[str, Any]:
        """The drawing's part of the contract."""
        return {"drawing": self.description, "frames": frames if self.moving else 1}


def _image(raw: Image, _: int) -> NDArray[np.uint8]:
    return raw.pixels[None]


def _video(raw: Video, frames: int) -> NDArray[np.uint8]:
    return raw.frames(even_moments(raw.duration_s, frames))


def _thermal(raw: Thermal, _: int) -> NDArray[np.uint8]:
    return np.repeat(thermal_picture(raw.values, celsius=raw.celsius)[None, :, :, None], 3, axis=-1)


def _event(raw: Events | EventFrame, _: int) -> NDArray[np.uint8]:
    return (raw.pixels if isinstance(raw, EventFrame) else event_picture(raw))[None]


DRAWINGS: Mapping[str, Drawing] = {
    "image": Drawing(_image, "as it is"),
    "video": Drawing(_video, "frames in the middles of equal parts of the clip", moving=True),
    "thermal": Drawing(_thermal, "preprocess.pictures.thermal_picture, gray"),
    "event": Drawing(_event, "preprocess.pictures.event_picture"),
}


def embed_pictures(embed: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """Mean of the unit embeddings of every item's pictures: [B, F, 3, H, W] -> [B, D].

    `embed` maps [B, 3, H, W] to [B, D]. It is given one picture of every item at a time, so videos need no more memory
    than images.
    """
    return torch.stack([functional.normalize(embed(pictures), dim=-1) for pictures in batch.unbind(1)]).mean(dim=0)
