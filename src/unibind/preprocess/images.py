"""Pictures to tensors: resize the short side, crop the center, normalize."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor


def resize_and_crop(picture: Image.Image, size: int) -> Image.Image:
    """The center square of a picture, `size` pixels wide: short side resized (bicubic, antialiased), then cropped.

    The long side is rounded down and an odd margin is rounded half to even, as in CLIP's and ImageBind's preprocessing.
    """
    short = min(picture.size)
    resized = picture.resize((picture.width * size // short, picture.height * size // short), Image.Resampling.BICUBIC)
    left, top = round((resized.width - size) / 2), round((resized.height - size) / 2)
    return resized.crop((left, top, left + size, top + size))


def square(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] -> uint8 [size, size, 3]; see `resize_and_crop`."""
    return np.asarray(resize_and_crop(Image.fromarray(pixels), size))


def central_square(pixels: NDArray[np.uint8], size: int, share: float) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] -> uint8 [size, size, 3]: the center square, `share` of the short side wide.

    Bicubic, antialiased. Only the square is resized, so no margin is rounded.
    """
    height, width = pixels.shape[:2]
    side = share * min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC, box=box))


def square_field(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """float32 [H, W] -> float32 [size, size], same range of values; see `resize_and_crop`."""
    return np.asarray(resize_and_crop(Image.fromarray(values), size))


def to_tensor(pixels: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 [..., H, W, 3] -> float32 [..., 3, H, W], scaled to [0, 1], then (x - mean) / std per channel."""
    scaled = torch.from_numpy(np.array(pixels)).movedim(-1, -3).float() / 255
    shape = (len(mean), 1, 1)
    return (scaled - torch.tensor(mean).reshape(shape)) / torch.tensor(std).reshape(shape)
