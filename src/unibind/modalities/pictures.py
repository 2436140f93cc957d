"""Drawings: a picture of any raw item for people, one module a modality.

A module `drawing/<modality>.py` has `draw(raw, (width, height))`; `ASPECT` (width over height) says what suits it.
"""

from __future__ import annotations

import importlib
import io
import pkgutil
from collections.abc import Sequence
from pathlib import Path

from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from ..errors import UnknownNameError
from ..files import write_whole
from .spec import Raw

__all__ = ["draw", "grid", "save_png"]

_MARGIN, _LINE = 10, 16


def draw(raw: Raw, size: int = 512) -> Picture.Image:
    """Draw an item as an RGB picture `size` pixels high, as wide as suits its modality."""
    known = [
        m.name.removeprefix("_drawing_")
        for m in pkgutil.iter_modules([str(Path(__file__).parent)])
        if m.name.startswith("_drawing_")
    ]
    if raw.modality not in known:
        raise UnknownNameError("modality to draw", raw.modality, known)
    module = importlib.import_module(f"{__package__}._drawing_{raw.modality}")
    picture: Picture.Image = module.draw(raw, (round(size * getattr(module, "ASPECT", 1.0)), size))
    return picture


def grid(pictures: Sequence[Picture.Image], columns: int, captions: Sequence[str]) -> Picture.Image:
    """Pictures in rows on white, a caption below each; cells are as large as the largest picture."""
    width = max(p.width for p in pictures) + _MARGIN
    height = max(p.height for p in pictures) + _MARGIN + _LINE
    rows = -(-len(pictures) // columns)
    sheet = Picture.new("RGB", (width * columns + _MARGIN, height * rows + _MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = _MARGIN + width * (i % columns), _MARGIN + height * (i // columns)
        sheet.paste(picture, (left, top))
        pen.text((left, top + picture.height + 2), _shortened(caption, width - _MARGIN, font), "#333333", font)
    return sheet


def _shortened(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, or as much of it as fits, with dots."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def save_png(picture: Picture.Image, path: str | Path) -> None:
    """Write a picture as PNG, whole or not at all."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    write_whole(Path(path), buffer.getvalue())
