"""A text as a card."""

from __future__ import annotations

import textwrap

from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from .text import Text


def draw(raw: Text, size: tuple[int, int]) -> Picture.Image:
    """RGB picture of `size` (width, height): the text wrapped, in the largest letters that let it fit, else cut."""
    width, height = size
    margin = max(4, width // 16)
    card = Picture.new("RGB", size, "#fbf7ec")
    pen = ImageDraw.Draw(card)
    for points in (height // 10, height // 14, height // 20, height // 28):
        font = ImageFont.load_default(max(8, points))
        letters = max(4, int((width - 2 * margin) / (0.52 * max(8, points))))
        wrapped = "\n".join(textwrap.wrap(raw.text[:4000], letters))
        bottom = pen.multiline_textbbox((margin, margin), wrapped, font)[3]
        if bottom <= height - margin:
            break
    pen.multiline_text((margin, margin), wrapped, "#3a3428", font)
    return card
