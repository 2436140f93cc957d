"""Pictures of measurements, one number per pixel: single-channel TIFF, 16-bit PNG, 8-bit gray."""

from __future__ import annotations

import logging
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, UnreadableError
from ..limits import Limits
from ..source import Source
from .images import TIFF_MAGIC, check_pixels, opened


def is_tiff(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a TIFF."""
    return head.startswith(TIFF_MAGIC)


def opened_tiff(file: IO[bytes]) -> Any:
    """A `tifffile.TiffFile`; what it logs of damaged tags is not printed where nobody asked for logs."""
    import tifffile

    logger = logging.getLogger("tifffile")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return tifffile.TiffFile(file)


def measurements(source: Source, limits: Limits) -> tuple[NDArray[Any], str]:
    """Numbers [H, W] as the file has them, and a TIFF's description (empty for other formats)."""
    return tiff_values(source, limits) if is_tiff(source.head) else (gray_levels(source, limits), "")


def gray_levels(source: Source, limits: Limits) -> NDArray[Any]:
    """Counts of a picture [H, W], turned upright by its EXIF tag: 16 bits as they are, anything else as 8-bit gray."""
    from PIL import ImageOps

    with opened(source, limits) as picture:
        picture.load()
        ImageOps.exif_transpose(picture, in_place=True)
        if picture.mode.startswith("I"):
            return np.asarray(picture).astype(np.uint16)
        return np.asarray(picture if picture.mode == "L" else picture.convert("L"))


def tiff_values(source: Source, limits: Limits) -> tuple[NDArray[Any], str]:
    """Values [H, W] of the first page of a TIFF, and the page's description."""
    with source.open() as file, opened_tiff(file) as tiff:
        page: Any = tiff.pages[0]
        check_pixels(page.imagewidth, page.imagelength, source.name, limits)
        if page.nbytes > limits.max_unpacked:  # several values per pixel, or several pictures in a page
            raise LimitError(f"{source.name} claims {page.nbytes:,} bytes of pixels, more than the limits allow")
        if page.dtype is None or page.dtype.kind not in "uif":
            raise UnreadableError(f"{source.name}: a TIFF of {page.dtype} does not contain measurements")
        values = page.asarray()
        description = str(page.description)
    if values.ndim == 3 and values.shape[-1] in (3, 4):
        values = values[..., :3].mean(axis=-1).astype(values.dtype)
    if values.ndim != 2 or not values.size:
        raise UnreadableError(
            f"{source.name}: a TIFF of measurements must be one picture [H, W], not {list(values.shape)}"
        )
    return values, description
