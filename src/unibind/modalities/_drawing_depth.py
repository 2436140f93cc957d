"""A depth picture in false colors: near is light, far is dark, unknown is gray."""

from __future__ import annotations

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont, ImageOps

from .colormap import inferno
from .depth import Depth

_UNKNOWN = 128


def draw(raw: Depth, size: tuple[int, int]) -> Picture.Image:
    """RGB picture of `size` (width, height); nearest and farthest depth are written below."""
    width, height = size
    known = raw.values > 0
    low, high = (float(v) for v in np.percentile(raw.values[known], (1, 99))) if known.any() else (0.0, 0.0)
    colors = inferno(1 - (raw.values - low) / max(high - low, 1e-6))
    colors[~known] = _UNKNOWN
    sheet = ImageOps.pad(Picture.fromarray(colors), (width, height - 18), color="white")
    whole = Picture.new("RGB", size, "white")
    whole.paste(sheet, (0, 0))
    ImageDraw.Draw(whole).text((4, height - 16), f"{low:.2f} m to {high:.2f} m", "#333333", ImageFont.load_default(12))
    return whole
