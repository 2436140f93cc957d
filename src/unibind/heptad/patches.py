"""Painted patches, the building blocks of Heptad's objects, and how to move, rotate and repeat them.

Axes: x right (the front of vehicles and animals), y away from the default camera, z up. An object roughly fits into
the unit ball around the origin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Sampler = Callable[[Array], tuple[Array, Array]]  # u [N, 2] in [0, 1) -> points [N, 3], unit normals [N, 3]

TAU = 2 * np.pi


@dataclass(frozen=True)
class Paint:
    """Appearance of a patch."""

    rgb: tuple[float, float, float]  # sRGB in [0, 1]
    heat: float = 0.0  # degrees Celsius above the surroundings
    gloss: float = 0.2  # in [0, 1]
    glow: float = 0.0  # in [0, 1]; 1: emits its own light and ignores that of the scene

    def shaded(self, factor: float) -> Paint:
        """Return the same paint, darker (factor < 1) or lighter."""
        r, g, b = (float(np.clip(c * factor, 0, 1)) for c in self.rgb)
        return replace(self, rgb=(r, g, b))


@dataclass(frozen=True)
class Patch:
    """A piece of surface: its area, a sampler of points on it, its paint, and the moving part it belongs to."""

    area: float
    sampler: Sampler
    paint: Paint
    part: str = "body"

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Patch:
        """Return the patch shifted by (x, y, z)."""
        offset = np.array([x, y, z])

        def sampler(u: Array) -> tuple[Array, Array]:
            points, normals = self.sampler(u)
            return points + offset, normals

        return replace(self, sampler=sampler)

    def turned(self, axis: ArrayLike, degrees: float, pivot: ArrayLike = (0.0, 0.0, 0.0)) -> Patch:
        """Return the patch rotated about the vector `axis` through `pivot`, right-handed."""
        matrix, center = rotation(axis, degrees), np.asarray(pivot, float)

        def sampler(u: Array) -> tuple[Array, Array]:
            points, normals = self.sampler(u)
            return (points - center) @ matrix.T + center, normals @ matrix.T

        return replace(self, sampler=sampler)


X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def rotation(axis: ArrayLike, degrees: float) -> Array:
    """Right-handed rotation matrix [3, 3] about the vector `axis` (Rodrigues)."""
    a = np.asarray(axis, float)
    x, y, z = a / np.linalg.norm(a)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def moved(patches: Iterable[Patch], x: float = 0.0, y: float = 0.0, z: float = 0.0) -> list[Patch]:
    """Shift every patch by (x, y, z)."""
    return [p.moved(x, y, z) for p in patches]


def turned(
    patches: Iterable[Patch], axis: ArrayLike, degrees: float, pivot: ArrayLike = (0.0, 0.0, 0.0)
) -> list[Patch]:
    """Rotate every patch about `axis` through `pivot`."""
    return [p.turned(axis, degrees, pivot) for p in patches]


def repeated(patches: Sequence[Patch], count: int, start: float = 0.0) -> list[Patch]:
    """Return `count` copies evenly rotated about z, the first by `start` degrees: legs, spokes, blades."""
    return [p.turned(Z, start + 360 * k / count) for k in range(count) for p in patches]
