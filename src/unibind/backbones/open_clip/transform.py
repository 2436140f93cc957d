"""open_clip's inference transform of pictures, with Pillow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...errors import UnibindError
from ...preprocess.images import to_tensor

_INTERPOLATIONS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def _shortest(picture: Image.Image, size: int, interpolation: Image.Resampling) -> Image.Image:
    short = min(picture.size)
    return picture.resize((picture.width * size // short, picture.height * size // short), interpolation)


def _longest(picture: Image.Image, size: int, interpolation: Image.Resampling) -> Image.Image:
    ratio = max(picture.size) / size
    return picture.resize((max(1, round(picture.width / ratio)), max(1, round(picture.height / ratio))), interpolation)


def _squash(picture: Image.Image, size: int, interpolation: Image.Resampling) -> Image.Image:
    return picture.resize((size, size), interpolation)


_RESIZES: Mapping[str, Callable[[Image.Image, int, Image.Resampling], Image.Image]] = {
    "shortest": _shortest,
    "longest": _longest,
    "squash": _squash,
}


@dataclass(frozen=True)
class PictureTransform:
    """Resize, crop or pad to a centered square, normalize."""

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    resize_mode: str
    fill_color: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> PictureTransform:
        """Build it from a model's `visual.preprocess_cfg`; raises UnibindError for pictures that are not square."""
        size = config["size"]
        height, width = (size, size) if isinstance(size, int) else size
        if height != width:
            raise UnibindError(f"this open_clip model takes pictures of {height} x {width}; choose one for squares")
        interpolation = config.get("interpolation") or "bicubic"
        return cls(
            size=int(height),
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            interpolation=interpolation if interpolation in _INTERPOLATIONS else "bicubic",  # "random" is for training
            resize_mode=config.get("resize_mode") or "shortest",
            fill_color=config.get("fill_color", 0),
        )

    def __call__(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Pictures uint8 [F, H, W, 3] -> float32 [F, 3, size, size]."""
        squares = [np.asarray(self._square(Image.fromarray(picture))) for picture in pixels]
        return to_tensor(np.stack(squares), self.mean, self.std)

    def _square(self, picture: Image.Image) -> Image.Image:
        resized = _RESIZES[self.resize_mode](picture, self.size, _INTERPOLATIONS[self.interpolation])
        width, height = max(resized.width, self.size), max(resized.height, self.size)
        canvas = Image.new("RGB", (width, height), (self.fill_color,) * 3)
        canvas.paste(resized, ((width - resized.width) // 2, (height - resized.height) // 2))
        left, top = round((width - self.size) / 2), round((height - self.size) / 2)
        return canvas.crop((left, top, left + self.size, top + self.size))
