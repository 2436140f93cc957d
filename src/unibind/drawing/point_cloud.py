"""A point cloud as three views side by side: front (x, y), side (z, y) and top (x, z); near points are darker.

The y axis is taken as up, as in glTF and most mesh collections.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw

from ..modality import PointCloud

# title, then axis and direction that point right, up, and towards the viewer
_VIEWS = (
    ("front", (0, 1), (1, 1), (2, 1)),
    ("side", (2, -1), (1, 1), (0, 1)),
    ("top", (0, 1), (2, -1), (1, 1)),
)
_NEAR, _FAR = np.array([20.0, 40.0, 90.0]), np.array([190.0, 205.0, 230.0])
ASPECT = 2.4
_MARGIN = 0.06  # of a panel's shorter side


def draw(raw: PointCloud, size: tuple[int, int]) -> Picture.Image:
    """RGB picture of `size` (width, height); all views have one scale, colours are the cloud's own if it has any."""
    width, height = size
    low, high = raw.xyz.min(axis=0).astype(np.float64), raw.xyz.max(axis=0).astype(np.float64)
    largest = float((high - low).max()) or 1.0
    unit = (raw.xyz - (low + high) / 2) / largest  # within -0.5..0.5
    canvas = np.full((height, width, 3), 255, np.uint8)
    edges = np.linspace(0, width, len(_VIEWS) + 1).astype(int)
    for (_, right, up, near), left, end in zip(_VIEWS, edges[:-1], edges[1:], strict=True):
        axes = np.stack([unit[:, axis] * sign for axis, sign in (right, up, near)])
        _splat(canvas[:, left:end], axes, raw.rgb)
    picture = Picture.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    for (title, *_), left in zip(_VIEWS, edges[:-1], strict=True):
        pen.text((left + 4, 2), title, fill=(120, 120, 120))
    return picture


def _splat(panel: NDArray[np.uint8], axes: NDArray[np.float64], rgb: NDArray[np.uint8] | None) -> None:
    """Draw points as small squares into a panel [H, W, 3]; `axes` [right, up, near] x N lie within -0.5..0.5."""
    height, width, _ = panel.shape
    right, up, near = axes
    scale = min(height, width) * (1 - 2 * _MARGIN)
    order = np.argsort(near, kind="stable")  # the nearest are drawn last, over the others
    column, row = (width / 2 + right[order] * scale).astype(int), (height / 2 - up[order] * scale).astype(int)
    depth = (near[order] + 0.5)[:, None]
    colour = _FAR + depth * (_NEAR - _FAR) if rgb is None else rgb[order] * (0.6 + 0.4 * depth)
    dot = np.arange(1 + min(height, width) // 150)
    rows = (row[:, None, None] + dot[:, None]).clip(0, height - 1)
    columns = (column[:, None, None] + dot).clip(0, width - 1)
    panel[rows, columns] = colour[:, None, None].astype(np.uint8)
