"""A thermal picture in false colors with its scale."""

from __future__ import annotations

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont, ImageOps

from .colormap import inferno
from .thermal import Thermal

ASPECT = 1.15


def draw(raw: Thermal, size: tuple[int, int]) -> Picture.Image:
    """RGB picture of `size` (width, height): coldest dark, hottest light; a bar names both ends."""
    width, height = size
    bar = 62
    low, high = (float(v) for v in np.percentile(raw.values, (1, 99.8)))
    field = Picture.fromarray(inferno((raw.values - low) / max(high - low, 1e-6)))
    sheet = Picture.new("RGB", size, "white")
    sheet.paste(ImageOps.pad(field, (width - bar, height), color="white"), (0, 0))
    ramp = inferno(np.linspace(1, 0, height - 24))[:, None].repeat(12, axis=1)
    sheet.paste(Picture.fromarray(ramp), (width - bar + 6, 12))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for value, row in ((high, 8), ((low + high) / 2, height // 2 - 6), (low, height - 20)):
        label = f"{value:.1f} °C" if raw.celsius else f"{value:.2f}"
        pen.text((width - bar + 21, row), label, "#333333", font)
    return sheet
