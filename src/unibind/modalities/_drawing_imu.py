"""Readings of an inertial sensor as curves: acceleration above, rotation below."""

from __future__ import annotations

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from .imu import Imu

ASPECT = 1.5
_COLORS = ("#c0392b", "#1e8449", "#2471a3")  # x, y, z


def draw(raw: Imu, size: tuple[int, int]) -> Picture.Image:
    """RGB picture of `size` (width, height); each half is scaled to its largest reading, which is written in it."""
    width, height = size
    sheet = Picture.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    columns = np.linspace(0, raw.values.shape[1] - 1, width).round().astype(int)
    for half, unit in enumerate(("m/s^2", "rad/s")):
        curves = raw.values[3 * half : 3 * half + 3, columns]
        largest = max(float(np.abs(curves).max()), 1e-9)
        middle, reach = (2 * half + 1) * height / 4, height / 4 - 8
        pen.line([(0, middle), (width, middle)], "#cccccc")
        for curve, color in zip(curves, _COLORS, strict=True):
            pen.line([(x, middle - y / largest * reach) for x, y in enumerate(curve)], color)
        pen.text((4, middle - reach - 6), f"{largest:.3g} {unit}", "#333333", font)
    return sheet
