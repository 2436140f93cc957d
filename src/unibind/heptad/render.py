"""Splatting: posed surface samples to pictures, with a z-buffer and simple light. Vectorised numpy, no GL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .model import Motion
from .scene import Scene
from .surface import Surface, rotation

Floats = NDArray[np.float32]

_FOCAL = 1.95  # of the camera, in half picture widths


@dataclass(frozen=True)
class View:
    """Samples as the camera sees them: columns and rows in [-1, 1] (right, down), depth, normals towards +y = away."""

    column: Floats  # [N]
    row: Floats  # [N]
    depth: Floats  # [N]
    normals: Floats  # [N, 3] in camera axes


def posed(surface: Surface, motions: Sequence[Motion], t: float) -> tuple[Floats, Floats]:
    """Points and normals [N, 3] of a surface whose parts have moved for `t` seconds."""
    points, normals = surface.points, surface.normals
    if motions:
        points, normals = points.copy(), normals.copy()
    for motion in motions:
        rows = np.flatnonzero(surface.part == surface.parts.index(motion.part))
        turn = motion.rate_hz * t + motion.phase
        wave = np.sin(2 * np.pi * turn)
        if motion.kind in ("spin", "swing"):
            degrees = 360 * turn if motion.kind == "spin" else motion.amount * wave
            matrix, pivot = rotation(motion.axis, degrees).astype(np.float32), np.array(motion.pivot, np.float32)
            points[rows] = (points[rows] - pivot) @ matrix.T + pivot
            normals[rows] = normals[rows] @ matrix.T
        elif motion.kind == "slide":
            points[rows] += (motion.amount * wave * np.array(motion.axis)).astype(np.float32)
        else:  # flicker: stretch upwards and sway, different at every height
            height = points[rows, 2] - motion.pivot[2]
            sway = np.sin(2 * np.pi * (turn + 1.3 * height))
            points[rows, 2] += motion.amount * height * (0.6 * wave + 0.4 * np.sin(4.7 * turn))
            points[rows, 0] += 0.5 * motion.amount * np.abs(height) * sway
    return points, normals


def viewed(
    points: Floats, normals: Floats, scene: Scene, *, yaw: float = 0.0, offset: Sequence[float] = (0, 0, 0)
) -> View:
    """Points and normals in the camera of a scene, the object turned by `yaw` more degrees and shifted."""
    matrix = (
        rotation((1, 0, 0), scene.elevation) @ rotation((0, 0, 1), scene.yaw + yaw) @ rotation((0, 1, 0), scene.pitch)
    )
    matrix = matrix.astype(np.float32)
    placed = points @ matrix.T + np.array(
        [scene.shift[0] + offset[0], offset[1], scene.shift[1] + offset[2]], np.float32
    )
    depth = placed[:, 1] + scene.distance
    near = np.maximum(depth, 0.2)
    return View(_FOCAL * placed[:, 0] / near, -_FOCAL * placed[:, 2] / near, depth, normals @ matrix.T)


def splat(view: View, size: int, footprint: int) -> NDArray[np.int64]:
    """Index of the nearest sample at every pixel of a size x size picture, -1 where there is none.

    Each sample covers footprint x footprint pixels.
    """
    x = np.round((view.column + 1) * size / 2 - footprint / 2).astype(np.int64)
    y = np.round((view.row + 1) * size / 2 - footprint / 2).astype(np.int64)
    inside = np.flatnonzero((x >= 0) & (y >= 0) & (x <= size - footprint) & (y <= size - footprint))
    order = inside[np.argsort(-view.depth[inside], kind="stable")]  # far to near: the last one written stays
    corner = y[order] * size + x[order]
    depth = np.append(view.depth, np.inf)  # index -1 is infinitely far
    nearest = np.full(size * size, -1, np.int64)
    for dy in range(footprint):
        for dx in range(footprint):
            layer = np.full(size * size, -1, np.int64)
            layer[corner + dy * size + dx] = order
            nearest = np.where(depth[layer] < depth[nearest], layer, nearest)
    return nearest.reshape(size, size)


def shaded(surface: Surface, view: View, scene: Scene, rows: NDArray[np.int64]) -> Floats:
    """sRGB colours [n, 3] of the given samples: ambient, two-sided Lambert, Blinn highlight, glow."""
    normals = view.normals[rows]
    normals = np.where(normals[:, 1:2] > 0, -normals, normals)  # face the camera, which looks along +y
    lambert = np.clip(normals @ scene.light, 0, 1)
    halfway = scene.light + np.array([0, -1, 0], np.float32)
    halfway = halfway / np.linalg.norm(halfway)
    highlight = surface.gloss[rows] * np.clip(normals @ halfway, 0, 1) ** 24
    lit = surface.rgb[rows] * (scene.ambient_light + 0.75 * lambert)[:, None] + 0.55 * highlight[:, None]
    glow = surface.glow[rows][:, None]
    return np.clip(lit * (1 - glow) + surface.rgb[rows] * glow, 0, 1)


def picture(surface: Surface, view: View, scene: Scene, backdrop: Floats, footprint: int) -> Floats:
    """The lit object before a backdrop [S, S, 3]."""
    nearest = splat(view, len(backdrop), footprint)
    seen = nearest >= 0
    out = backdrop.copy()
    out[seen] = shaded(surface, view, scene, nearest[seen])
    return out


def shadow(points: Floats, scene: Scene, size: int) -> Floats:
    """Darkening [S, S, 1] in [0, 1] of a soft shadow on the ground below the object."""
    from PIL import Image, ImageFilter

    ground = float(points[:, 2].min())
    slide = -(points[:, 2:] - ground) * scene.light[:2] / max(float(scene.light[2]), 0.4) * 0.5
    flat = np.concatenate([points[:, :2] + slide, np.full((len(points), 1), ground, np.float32)], axis=1)
    view = viewed(flat.astype(np.float32), np.zeros_like(points), scene)
    quarter = size // 4
    covered = splat(view, quarter, 2) >= 0
    mask = Image.fromarray((covered * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.2))
    return np.asarray(mask.resize((size, size), Image.Resampling.BILINEAR)).astype(np.float32)[..., None] / 255
