"""A picture as it is, fitted on white."""

from __future__ import annotations

from PIL import Image as Picture
from PIL import ImageOps

from .image import Image


def draw(raw: Image, size: tuple[int, int]) -> Picture.Image:
    """RGB picture of `size` (width, height)."""
    return ImageOps.pad(Picture.fromarray(raw.pixels), size, color="white")
