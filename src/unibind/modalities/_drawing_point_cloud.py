"""A point cloud as three views side by side, front, side and top, or from any one side; near points are darker.

The y axis is taken as up, as in glTF and most mesh collections.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw

from .point_cloud import PointCloud

_VIEWS = (("front", 0, 0), ("side", 90, 0), ("top", 0, 90))  # title, azimuth and elevation in degrees
_NEAR, _FAR = np.array([20.0, 40.0, 90.0]), np.array([190.0, 205.0, 230.0])
ASPECT = 2.4
_MARGIN = 0.06  # of a panel's shorter side


def draw(raw: PointCloud, size: tuple[int, int]) -> Picture.Image:
    """RGB picture of `size` (width, height); all views have one scale, colors are the cloud's own if it has any."""
    width, height = size
    low, high = raw.xyz.min(axis=0).astype(np.float64), raw.xyz.max(axis=0).astype(np.float64)
    largest = float((high - low).max()) or 1.0
    unit = (raw.xyz - (low + high) / 2) / largest  # within -0.5..0.5
    canvas = np.full((height, width, 3), 255, np.uint8)
    edges = np.linspace(0, width, len(_VIEWS) + 1).astype(int)
    for (_, azimuth, elevation), left, end in zip(_VIEWS, edges[:-1], edges[1:], strict=True):
        panel = canvas[:, left:end]
        _splat(panel, _axes(azimuth, elevation) @ unit.T, raw.rgb, 1 + min(panel.shape[:2]) // 150)
    picture = Picture.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    for (title, *_), left in zip(_VIEWS, edges[:-1], strict=True):
        pen.text((left + 4, 2), title, fill=(120, 120, 120))
    return picture


def seen_from(raw: PointCloud, azimuth: float, elevation: float, size: int) -> Picture.Image:
    """RGB picture, `size` pixels wide and high, as seen from far away at an azimuth (degrees from the front, towards
    the right) and an elevation (degrees above the ground); the scale is the same from all sides, and dots are so large
    that evenly spread points make a surface."""
    low, high = raw.xyz.min(axis=0).astype(np.float64), raw.xyz.max(axis=0).astype(np.float64)
    centered = raw.xyz - (low + high) / 2
    farthest = float(np.linalg.norm(centered, axis=1).max()) or 1.0
    canvas = np.full((size, size, 3), 255, np.uint8)
    dot = int(np.clip(round(1.3 * size / len(raw.xyz) ** 0.5), 1 + size // 150, size // 40))
    _splat(canvas, _axes(azimuth, elevation) @ (centered / (2 * farthest)).T, raw.rgb, dot)
    return Picture.fromarray(canvas)


def _axes(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """The directions right, up and towards the viewer [3, 3]; right angles give whole numbers."""
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    right = [np.cos(a), 0, -np.sin(a)]
    up = [-np.sin(a) * np.sin(e), np.cos(e), -np.cos(a) * np.sin(e)]
    near = [np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)]
    return np.array([right, up, near]).round(12)


def _splat(panel: NDArray[np.uint8], axes: NDArray[np.float64], rgb: NDArray[np.uint8] | None, side: int) -> None:
    """Draw points as squares of `side` pixels into a panel [H, W, 3]; `axes` [right, up, near] x N lie within
    -0.5..0.5."""
    height, width, _ = panel.shape
    right, up, near = axes
    scale = min(height, width) * (1 - 2 * _MARGIN)
    order = np.argsort(near, kind="stable")  # the nearest are drawn last, over the others
    column, row = (width / 2 + right[order] * scale).astype(int), (height / 2 - up[order] * scale).astype(int)
    depth = (near[order] + 0.5)[:, None]
    color = _FAR + depth * (_NEAR - _FAR) if rgb is None else rgb[order] * (0.6 + 0.4 * depth)
    dot = np.arange(side)
    rows = (row[:, None, None] + dot[:, None]).clip(0, height - 1)
    columns = (column[:, None, None] + dot).clip(0, width - 1)
    panel[rows, columns] = color[:, None, None].astype(np.uint8)
