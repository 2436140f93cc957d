"""Pictures through Pillow: JPEG, PNG, WebP, BMP, GIF (first frame) and TIFF, opened within limits."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
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
_COPIES = {"WEBP": 1.6}  # the memory of a decoder that keeps copies of the picture, over that of the others
_BAND = 1 << 20  # pixels converted at a time
_EXIF_ORIENTATION = 0x0112
# Quarter turns against the clock, and whether the picture is mirrored left to right before, by EXIF orientation.
_UPRIGHT = {2: (0, True), 3: (2, False), 4: (2, True), 5: (1, True), 6: (3, False), 7: (3, True), 8: (1, False)}
_MAX_SCANS = 100  # of a JPEG; encoders write about ten
_MAX_SCANNED = 16  # scans of a picture as large as the limits allow, more of smaller ones
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # after the data of a scan
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


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
        heaviness = _COPIES.get(picture.format or "", 1)
        check_pixels(*picture.size, source.name, replace(limits, max_pixels=int(limits.max_pixels / heaviness)))
        if picture.format in ("JPEG", "MPO"):
            _check_scans(source, picture.width * picture.height, limits)
        yield picture


def check_pixels(width: int, height: int, name: str, limits: Limits) -> None:
    """Raise LimitError for a picture that is too large, too long or too thin."""
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise LimitError(
            f"{name} has {width} x {height} pixels, the limits allow {limits.max_pixels:,} and "
            f"{limits.max_side:,} on a side; raise them, or make it smaller"
        )
    if max(width, height) > limits.max_aspect * min(width, height):
        raise LimitError(
            f"{name} has {width} x {height} pixels, one side more than {limits.max_aspect:g} times the other; crop it"
        )


def _check_scans(source: Source, pixels: int, limits: Limits) -> None:
    """Refuse a progressive JPEG that goes over its pixels again and again: each scan takes a pass, even if empty."""
    scans = _scans(source.read_bytes(limits))
    if scans > _MAX_SCANS or scans * pixels > _MAX_SCANNED * limits.max_pixels:
        raise LimitError(f"{source.name} is a JPEG of {scans:,} scans, more than the limits allow; save it again")


def _scans(jpeg: bytes) -> int:
    """Number of scans before the end of the picture."""
    scans, at = 0, 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] != _END_OF_IMAGE:
        is_scan = jpeg[at + 1] == _START_OF_SCAN
        scans += is_scan
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if is_scan:
            following = _NEXT_MARKER.search(jpeg, at)
            at = following.start() if following else len(jpeg)
    return scans


def read_rgb(source: Source, limits: Limits) -> NDArray[np.uint8]:
    """Pixels uint8 [H, W, 3] of a file; see `rgb_pixels`."""
    with opened(source, limits) as picture:
        picture.load()
        turns, mirrored = _UPRIGHT.get(picture.getexif().get(_EXIF_ORIENTATION, 1), (0, False))
        pixels = _rgb(picture)
    return _turned(pixels, turns, mirrored)


def rgb_pixels(picture: Picture) -> NDArray[np.uint8]:
    """Pixels uint8 [H, W, 3], turned upright by the EXIF tag; 16 bits are scaled to 8, transparency laid on white."""
    turns, mirrored = _UPRIGHT.get(picture.getexif().get(_EXIF_ORIENTATION, 1), (0, False))
    return _turned(_rgb(picture), turns, mirrored)


def _turned(pixels: NDArray[np.uint8], turns: int, mirrored: bool) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if mirrored else pixels, turns))


def _rgb(picture: Picture) -> NDArray[np.uint8]:
    """Band by band, so that no more than the picture and the result are in memory."""
    width, height = picture.size
    pixels = np.empty((height, width, 3), np.uint8)
    spread = _spread(picture)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        band = picture.crop((0, top, width, min(top + rows, height)))
        pixels[top : top + rows] = np.asarray(_rgb_band(band, spread))
    return pixels


def _rgb_band(picture: Picture, spread: tuple[float, float]) -> Picture:
    from PIL import Image

    if _is_deep(picture):
        return Image.fromarray(_eight_bits(np.asarray(picture, np.float64), spread)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return picture.convert("RGB")


def _is_deep(picture: Picture) -> bool:
    return picture.mode.startswith("I;16") or picture.mode in ("I", "F")


def _spread(picture: Picture) -> tuple[float, float]:
    """The values that become black and white: 0 and 65535; real numbers (mode F) have no fixed range, so their own."""
    if picture.mode != "F":
        return 0.0, 65535.0
    values = np.asarray(picture)
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _eight_bits(values: NDArray[np.float64], spread: tuple[float, float]) -> NDArray[np.uint8]:
    low, high = spread
    shares = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) / max(high - low, 1e-12)
    return (shares.clip(0, 1) * 255).round().astype(np.uint8)
