"""A video as a strip of six frames with their times."""

from __future__ import annotations

from PIL import Image as Picture
from PIL import ImageDraw, ImageFont, ImageOps

from ..preprocess.clips import even_moments
from .video import Video

ASPECT = 1.5
_COLUMNS, _ROWS = 3, 2


def draw(raw: Video, size: tuple[int, int]) -> Picture.Image:
    """RGB picture of `size` (width, height): evenly spaced frames, left to right, then the next row."""
    width, height = size[0] // _COLUMNS, size[1] // _ROWS
    moments = even_moments(raw.duration_s, _COLUMNS * _ROWS)
    sheet = Picture.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for i, (frame, moment) in enumerate(zip(raw.frames(moments), moments, strict=True)):
        left, top = (i % _COLUMNS) * width, (i // _COLUMNS) * height
        sheet.paste(ImageOps.pad(Picture.fromarray(frame), (width - 2, height - 2), color="white"), (left, top))
        label = f"{moment:.1f} s"
        pen.rectangle((left, top, left + font.getlength(label) + 6, top + 15), fill="white")
        pen.text((left + 3, top + 1), label, "#333333", font)
    return sheet
