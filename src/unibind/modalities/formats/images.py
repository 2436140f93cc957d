"""Pictures through Pillow: JPEG, PNG, WebP, BMP, GIF (first frame) and TIFF, opened within limits."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError
from ..limits import Limits
from ..source import Source

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

JPEG_MAGIC = b"\xff\xd8\xff"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
TIFF_MAGIC = (b"II*\x00", b"MM\x00*")

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")


@contextmanager
def opened(source: Source, limits: Limits) -> Iterator[Picture]:
    """A picture whose header was read and is within the limits; its pixels are not yet decoded."""
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings(), source.open() as file:
        warnings.simplefilter("ignore")  # every size is checked below; odd metadata does no harm
        try:
            picture = Image.open(file, formats=_FORMATS)
        except Image.DecompressionBombError as error:
            raise LimitError(f"{source.name} claims more pixels than any picture may have: {error}") from None
        except UnidentifiedImageError:
            raise ValueError("it is not a picture of a known format") from None
        width, height = picture.size
        if width * height > limits.max_pixels:
            raise LimitError(
                f"{source.name} has {width} x {height} pixels, the limits allow {limits.max_pixels:,}; raise them"
            )
        yield picture


def read_rgb(source: Source, limits: Limits) -> NDArray[np.uint8]:
    """Pixels uint8 [H, W, 3] of a file; see `rgb_pixels`."""
    with opened(source, limits) as picture:
        picture.load()
        return rgb_pixels(picture)


def rgb_pixels(picture: Picture) -> NDArray[np.uint8]:
    """Pixels uint8 [H, W, 3], turned upright by the EXIF tag; 16 bits are scaled to 8, transparency laid on white."""
    from PIL import ImageOps

    return np.array(_rgb(ImageOps.exif_transpose(picture)))


def _rgb(picture: Picture) -> Picture:
    from PIL import Image

    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        return Image.fromarray(_eight_bits(np.asarray(picture, np.float64), picture.mode)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return picture.convert("RGB")


def _eight_bits(values: NDArray[np.float64], mode: str) -> NDArray[np.uint8]:
    """Gray levels of 16-bit counts; real numbers (mode F) have no fixed range, so their own becomes 0 to 255."""
    if mode == "F":
        low, high = np.nanmin(values), np.nanmax(values)
        values = (np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-12) * 65535
    return (np.clip(values, 0, 65535) / 257).round().astype(np.uint8)
