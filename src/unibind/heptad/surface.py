"""Sampling of painted patches into a surface: points with normals and paint.

Every visual modality is made from these samples: the point cloud is a subset of them, and image, thermal image, video
and events are rendered by splatting them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .patches import Array, Patch


@dataclass(frozen=True)
class Surface:
    """N samples of a painted surface."""

    points: NDArray[np.float32]  # [N, 3]
    normals: NDArray[np.float32]  # [N, 3], unit
    rgb: NDArray[np.float32]  # [N, 3], sRGB in [0, 1]
    heat: NDArray[np.float32]  # [N], degrees Celsius above the surroundings
    gloss: NDArray[np.float32]  # [N]
    glow: NDArray[np.float32]  # [N]
    part: NDArray[np.int16]  # [N], index into `parts`
    parts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.points)

    def take(self, rows: NDArray[np.intp]) -> Surface:
        """Select samples by index."""
        return Surface(
            self.points[rows],
            self.normals[rows],
            self.rgb[rows],
            self.heat[rows],
            self.gloss[rows],
            self.glow[rows],
            self.part[rows],
            self.parts,
        )


_R2 = np.array([0.7548776662466927, 0.5698402909980532])  # inverse plastic number and its square


def sample_surface(patches: Sequence[Patch], count: int, rng: np.random.Generator) -> Surface:
    """Sample `count` points, weighted by area, in random order, evenly spread within each patch (R2 sequence).

    Raises ValueError if the total area is zero.
    """
    counts = _counts(patches, count, rng)
    points, normals = _points(patches, counts, rng)
    order = rng.permutation(len(points))
    patch_of = np.repeat(np.arange(len(patches)), counts)[order]
    parts = tuple(dict.fromkeys(p.part for p in patches))
    paint = np.array([(*p.paint.rgb, p.paint.heat, p.paint.gloss, p.paint.glow, parts.index(p.part)) for p in patches])
    rows = paint[patch_of].astype(np.float32)
    return Surface(
        points[order].astype(np.float32),
        normals[order].astype(np.float32),
        rows[:, :3],
        rows[:, 3],
        rows[:, 4],
        rows[:, 5],
        rows[:, 6].astype(np.int16),
        parts,
    )


def _counts(patches: Sequence[Patch], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Number of samples per patch, in proportion to area, with randomized rounding."""
    areas = np.array([p.area for p in patches])
    if not areas.sum() > 0:
        raise ValueError("cannot sample a surface without area")
    edges = np.floor(np.concatenate([[0.0], np.cumsum(areas)]) / areas.sum() * count + rng.random())
    return np.diff(edges).astype(np.int64)


def _points(patches: Sequence[Patch], counts: NDArray[np.int64], rng: np.random.Generator) -> tuple[Array, Array]:
    """Points [N, 3] and normals [N, 3], patch after patch."""
    points, normals = np.empty((counts.sum(), 3)), np.empty((counts.sum(), 3))
    offsets = rng.random((len(patches), 2))
    start = 0
    for patch, n, offset in zip(patches, counts, offsets, strict=True):
        if n:
            u = (offset + np.arange(n)[:, None] * _R2) % 1
            points[start : start + n], normals[start : start + n] = patch.sampler(u)
        start += n
    return points, normals
