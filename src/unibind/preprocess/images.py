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


def center_of_resized(values: NDArray, shape: tuple[int, int], size: int, *, cubic: bool) -> Tensor:
    """The center square of a picture [H, W, C] resized to `shape` without antialiasing: float32 [C, size, size].

    The same numbers as torch's `interpolate` (bicubic if `cubic`, else bilinear) and then a crop, but only the pixels
    that are needed are read, whatever the size of the picture. An odd margin is rounded half to even.
    """
    rows, row_weights = _taps(values.shape[0], shape[0], size, cubic=cubic)
    columns, column_weights = _taps(values.shape[1], shape[1], size, cubic=cubic)
    near = values.take(rows.flatten().numpy(), axis=0).take(columns.flatten().numpy(), axis=1)
    picture = torch.from_numpy(near).movedim(-1, 0).float()  # [C, size * taps, size * taps]
    narrow = picture.unflatten(2, columns.shape).mul_(column_weights).sum(dim=-1)
    return narrow.unflatten(1, rows.shape).mul_(row_weights[..., None]).sum(dim=2)


def _taps(side: int, resized: int, size: int, *, cubic: bool) -> tuple[Tensor, Tensor]:
    """For each of the middle `size` pixels of `resized`: which of `side` pixels it is made of, and their weights."""
    first = round((resized - size) / 2)
    at = (torch.arange(first, first + size) + 0.5) * (torch.tensor(float(side)) / resized) - 0.5
    at = at if cubic else at.clamp(min=0)
    before = at.floor()
    after = (at - before)[:, None]  # from 0 to 1
    offsets = torch.arange(-1, 3) if cubic else torch.arange(2)
    distance = (after - offsets).abs()
    weights = _cubic(distance) if cubic else 1 - distance
    return (before.long()[:, None] + offsets).clamp(0, side - 1), weights


def _cubic(distance: Tensor) -> Tensor:
    """Keys' kernel of cubic convolution with a = -0.75, as torch and OpenCV have it, up to a distance of 2."""
    a = -0.75
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance * a - 4 * a
    return torch.where(distance <= 1, near, far)


def to_tensor(pixels: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 [..., H, W, 3] -> float32 [..., 3, H, W], scaled to [0, 1], then (x - mean) / std per channel."""
    scaled = torch.from_numpy(np.array(pixels)).movedim(-1, -3).float() / 255
    shape = (len(mean), 1, 1)
    return (scaled - torch.tensor(mean).reshape(shape)) / torch.tensor(std).reshape(shape)
