"""Pictures: JPEG, PNG, WebP, BMP, GIF (first frame) and TIFF to upright 8-bit sRGB."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageOps, UnidentifiedImageError

from ..errors import LimitError
from .limits import Limits
from .source import Source
from .spec import Reader, require


@dataclass(frozen=True, eq=False)
class Image:
    """A picture: `pixels` uint8 [H, W, 3], sRGB, upright."""

    pixels: NDArray[np.uint8]
    modality: ClassVar[str] = "image"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type."""
        require(
            self.pixels.dtype == np.uint8 and self.pixels.ndim == 3 and self.pixels.shape[2] == 3,
            f"an Image takes uint8 [H, W, 3], not {self.pixels.dtype} {list(self.pixels.shape)}",
        )

    def summary(self) -> dict[str, Any]:
        """Width and height in pixels."""
        return {"width": self.pixels.shape[1], "height": self.pixels.shape[0]}


_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF8")


@contextmanager
def opened(source: Source, limits: Limits) -> Iterator[Picture.Image]:
    """A picture whose header was read and found within the limits, not yet decoded."""
    with warnings.catch_warnings(), source.open() as file:
        warnings.simplefilter("ignore")  # the limit below is checked for every size; odd metadata is no news
        try:
            picture = Picture.open(file, formats=_FORMATS)
        except Picture.DecompressionBombError as error:
            raise LimitError(f"{source.name} claims more pixels than any picture may have: {error}") from None
        except UnidentifiedImageError:
            raise ValueError("it is no picture of a known format") from None
        width, height = picture.size
        if width * height > limits.max_pixels:
            raise LimitError(
                f"{source.name} has {width} x {height} pixels, the limits allow {limits.max_pixels:,}; raise them"
            )
        yield picture


def read(source: Source, limits: Limits) -> Image:
    """Read a picture: turned upright by its EXIF tag, 16 bits scaled to 8, transparency laid on white."""
    with opened(source, limits) as picture:
        picture.load()
        return from_pil(picture)


def from_pil(picture: Picture.Image) -> Image:
    """A PIL image of any mode: turned upright by its EXIF tag, 16 bits scaled to 8, transparency laid on white."""
    return Image(np.array(_rgb(ImageOps.exif_transpose(picture))))


def _rgb(picture: Picture.Image) -> Picture.Image:
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        values = np.asarray(picture, np.float64)
        if picture.mode == "F":  # no fixed range: its own becomes 0 to 255
            low, high = np.nanmin(values), np.nanmax(values)
            values = (np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-12) * 65535
        return Picture.fromarray((np.clip(values, 0, 65535) / 257).round().astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        return Picture.alpha_composite(Picture.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return picture.convert("RGB")


READER = Reader(
    modality="image",
    suffixes=(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    read=read,
    sniff=lambda head: head.startswith(_MAGIC) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"),
)
