"""Pictures of raw items for people: one per item, grids of them, and PNG files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_whole
from .registry import modality_spec
from .spec import Raw

if TYPE_CHECKING:
    from PIL import Image, ImageFont

__all__ = ["grid", "picture", "save_png"]

_MARGIN, _LINE = 10, 16  # pixels


def picture(raw: Raw, size: int = 512) -> Image.Image:
    """An item as an RGB picture `size` pixels high, as wide as suits its modality."""
    spec = modality_spec(raw.modality)
    return spec.picture(raw, (round(size * spec.picture_ratio), size))


def grid(pictures: Sequence[Image.Image], columns: int, captions: Sequence[str]) -> Image.Image:
    """Pictures in rows on white, each above its caption; every cell is as large as the largest picture."""
    from PIL import Image, ImageDraw, ImageFont

    width = max(p.width for p in pictures) + _MARGIN
    height = max(p.height for p in pictures) + _MARGIN + _LINE
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (width * columns + _MARGIN, height * rows + _MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for i, (cell, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = _MARGIN + width * (i % columns), _MARGIN + height * (i // columns)
        sheet.paste(cell, (left, top))
        pen.text((left, top + cell.height + 2), _shortened(caption, width - _MARGIN, font), "#333333", font)
    return sheet


def _shortened(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, or as much of it as fits into `width` pixels, followed by dots."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def save_png(image: Image.Image, path: str | Path) -> None:
    """Write a picture as a PNG file, atomically."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    write_whole(Path(path), buffer.getvalue())
