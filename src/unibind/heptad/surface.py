"""Painted surfaces: the patches Heptad's objects are built from, and their sampling into points.

Everything is seen through area-weighted surface samples: the point cloud is a subset of them, and image, thermal
picture, video and events are splats of them. Frame: x right (the front of vehicles and animals), y away from the
default camera, z up; an object fits in about the unit ball around the origin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Sampler = Callable[[Array], tuple[Array, Array]]  # u [n, 2] in [0, 1) -> points [n, 3], unit normals [n, 3]

TAU = 2 * np.pi


@dataclass(frozen=True)
class Paint:
    """How a patch looks: sRGB colour in [0, 1], degrees Celsius above the surroundings, gloss and glow in [0, 1]."""

    rgb: tuple[float, float, float]
    heat: float = 0.0
    gloss: float = 0.2
    glow: float = 0.0  # 1: shines by itself, unlit by the scene

    def shaded(self, factor: float) -> Paint:
        """The same paint, darker (factor < 1) or lighter."""
        r, g, b = (float(np.clip(c * factor, 0, 1)) for c in self.rgb)
        return replace(self, rgb=(r, g, b))


@dataclass(frozen=True)
class Patch:
    """A piece of surface: its area, a sampler of it, its paint, and the moving part it belongs to."""

    area: float
    sampler: Sampler
    paint: Paint
    part: str = "body"

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Patch:
        """Shifted by (x, y, z)."""
        offset = np.array([x, y, z])

        def sampler(u: Array) -> tuple[Array, Array]:
            points, normals = self.sampler(u)
            return points + offset, normals

        return replace(self, sampler=sampler)

    def turned(self, axis: ArrayLike, degrees: float, pivot: ArrayLike = (0.0, 0.0, 0.0)) -> Patch:
        """Rotated about `axis` ("x", "y", "z" as vectors) through `pivot`, right-handed."""
        matrix, centre = rotation(axis, degrees), np.asarray(pivot, float)

        def sampler(u: Array) -> tuple[Array, Array]:
            points, normals = self.sampler(u)
            return (points - centre) @ matrix.T + centre, normals @ matrix.T

        return replace(self, sampler=sampler)

    def scaled(self, factor: float) -> Patch:
        """Enlarged about the origin."""

        def sampler(u: Array) -> tuple[Array, Array]:
            points, normals = self.sampler(u)
            return points * factor, normals

        return replace(self, sampler=sampler, area=self.area * factor**2)


X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def rotation(axis: ArrayLike, degrees: float) -> Array:
    """Right-handed rotation matrix [3, 3] about `axis` (Rodrigues)."""
    a = np.asarray(axis, float)
    x, y, z = a / np.linalg.norm(a)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def moved(patches: Iterable[Patch], x: float = 0.0, y: float = 0.0, z: float = 0.0) -> list[Patch]:
    """Every patch shifted."""
    return [p.moved(x, y, z) for p in patches]


def turned(
    patches: Iterable[Patch], axis: ArrayLike, degrees: float, pivot: ArrayLike = (0.0, 0.0, 0.0)
) -> list[Patch]:
    """Every patch rotated."""
    return [p.turned(axis, degrees, pivot) for p in patches]


def scaled(patches: Iterable[Patch], factor: float) -> list[Patch]:
    """Every patch enlarged about the origin."""
    return [p.scaled(factor) for p in patches]


def repeated(patches: Sequence[Patch], count: int, start: float = 0.0) -> list[Patch]:
    """`count` copies evenly turned about z, the first one by `start` degrees: legs, spokes, blades."""
    return [p.turned(Z, start + 360 * k / count) for k in range(count) for p in patches]


# --- primitives: each is centred on the origin unless its docstring says otherwise ---------------------------------


def quad(corners: ArrayLike, paint: Paint, part: str = "body") -> Patch:
    """Bilinear patch through four corners [4, 3] in order around its rim; two-sided when drawn."""
    a, b, c, d = np.asarray(corners, float)
    area = 0.5 * float(np.linalg.norm(np.cross(b - a, c - a)) + np.linalg.norm(np.cross(c - a, d - a)))
    normal = np.cross(c - a, d - b)
    normal = normal / max(float(np.linalg.norm(normal)), 1e-9)

    def sampler(u: Array) -> tuple[Array, Array]:
        s, t = u[:, :1], u[:, 1:]
        points = (1 - s) * (1 - t) * a + s * (1 - t) * b + s * t * c + (1 - s) * t * d
        return points, np.broadcast_to(normal, points.shape)

    return Patch(area, sampler, paint, part)


def rectangle(width: float, height: float, paint: Paint, part: str = "body") -> Patch:
    """Rectangle in the x-y plane, normal +z."""
    x, y = width / 2, height / 2
    return quad([(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)], paint, part)


def box(size: ArrayLike, paint: Paint, part: str = "body", taper: float = 1.0) -> list[Patch]:
    """Box of `size` (x, y, z); the top face is `taper` times as wide as the bottom one."""
    sx, sy, sz = np.asarray(size, float) / 2
    bottom = np.array([[-sx, -sy, -sz], [sx, -sy, -sz], [sx, sy, -sz], [-sx, sy, -sz]])
    top = bottom * [taper, taper, -1]
    sides = [quad([bottom[i], bottom[(i + 1) % 4], top[(i + 1) % 4], top[i]], paint, part) for i in range(4)]
    return [quad(bottom[::-1], paint, part), quad(top, paint, part), *sides]


def plate(outline: ArrayLike, thickness: float, paint: Paint, part: str = "body") -> list[Patch]:
    """Flat polygon [n, 2] in the x-z plane, extruded by `thickness` along y. The polygon must be star-shaped around
    the mean of its corners."""
    rim = np.asarray(outline, float)
    centre, half = rim.mean(0), thickness / 2
    patches = []
    for p, q in zip(rim, np.roll(rim, -1, axis=0), strict=True):
        for side in (-half, half):
            corners = [(v[0], side, v[1]) for v in (p, q, centre)]
            patches.append(triangle(corners, paint, part))
        patches.append(
            quad([(p[0], -half, p[1]), (q[0], -half, q[1]), (q[0], half, q[1]), (p[0], half, p[1])], paint, part)
        )
    return patches


def triangle(corners: ArrayLike, paint: Paint, part: str = "body") -> Patch:
    """Triangle through three corners [3, 3]."""
    a, b, c = np.asarray(corners, float)
    cross = np.cross(b - a, c - a)
    length = max(float(np.linalg.norm(cross)), 1e-9)

    def sampler(u: Array) -> tuple[Array, Array]:
        root, t = np.sqrt(u[:, :1]), u[:, 1:]
        points = (1 - root) * a + root * (1 - t) * b + root * t * c
        return points, np.broadcast_to(cross / length, points.shape)

    return Patch(length / 2, sampler, paint, part)


def ellipsoid(radii: ArrayLike, paint: Paint, part: str = "body") -> Patch:
    """Ellipsoid with three radii (x, y, z); sampled evenly enough for ratios up to about 5."""
    r = np.asarray(radii, float)
    p = 1.6075  # Knud Thomsen's approximation of the area
    a, b, c = r**p
    area = float(2 * TAU * ((a * b + a * c + b * c) / 3) ** (1 / p))

    def sampler(u: Array) -> tuple[Array, Array]:
        z, angle = 2 * u[:, 0] - 1, TAU * u[:, 1]
        ring = np.sqrt(np.clip(1 - z**2, 0, 1))
        unit = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)
        normals = unit / r
        return unit * r, normals / np.linalg.norm(normals, axis=1, keepdims=True)

    return Patch(area, sampler, paint, part)


def revolve(profile: ArrayLike, paint: Paint, part: str = "body", arc: float = 360.0) -> list[Patch]:
    """Surface of revolution about z of a polyline `profile` [n, 2] of (radius, z), one conical band a segment. A
    cylinder is [(r, 0), (r, h)]; its caps are segments from or to radius 0. `arc` in degrees."""
    patches = []
    turn = np.radians(arc)
    line = np.asarray(profile, float)
    for (r0, z0), (r1, z1) in pairwise(line):
        slant = float(np.hypot(r1 - r0, z1 - z0))
        if slant < 1e-9 or r0 + r1 < 1e-9:
            continue
        slope = np.array([z1 - z0, r0 - r1]) / slant  # outward (radial, z) normal of the segment

        def sampler(u: Array, r0=r0, r1=r1, z0=z0, z1=z1, slope=slope) -> tuple[Array, Array]:  # type: ignore[no-untyped-def]
            # s with density proportional to the radius: solve (r0 + (r1-r0) s / 2) s = u (r0 + r1) / 2
            d = r1 - r0
            s = u[:, 0] if abs(d) < 1e-9 else (np.sqrt(r0**2 + u[:, 0] * (r1**2 - r0**2)) - r0) / d
            angle = turn * u[:, 1]
            radius = r0 + d * s
            cos, sin = np.cos(angle), np.sin(angle)
            points = np.stack([radius * cos, radius * sin, z0 + (z1 - z0) * s], axis=1)
            normals = np.stack([slope[0] * cos, slope[0] * sin, np.full_like(cos, slope[1])], axis=1)
            return points, normals

        patches.append(Patch(0.5 * turn * (r0 + r1) * slant, sampler, paint, part))
    return patches


def cylinder(radius: float, height: float, paint: Paint, part: str = "body", top: float | None = None) -> list[Patch]:
    """Closed cylinder along z, centred; `top` is the radius at the upper end (a cone has 0)."""
    upper, h = radius if top is None else top, height / 2
    return revolve([(0, -h), (radius, -h), (upper, h), (0, h)], paint, part)


def disc(radius: float, paint: Paint, part: str = "body", hole: float = 0.0) -> Patch:
    """Flat ring or disc in the x-y plane, normal +z."""
    return revolve([(radius, 0), (hole, 0)], paint, part)[0]


def torus(ring: float, tube: float, paint: Paint, part: str = "body", arc: float = 360.0) -> Patch:
    """Torus around z: `ring` is the distance of the tube's middle from the axis; `arc` in degrees from +x."""
    turn = np.radians(arc)

    def sampler(u: Array) -> tuple[Array, Array]:
        angle, around = turn * u[:, 0], TAU * u[:, 1]
        outward = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)
        normals = np.cos(around)[:, None] * outward + np.sin(around)[:, None] * np.array(Z)
        return ring * outward + tube * normals, normals

    return Patch(turn * ring * TAU * tube, sampler, paint, part)


def tube(path: ArrayLike, radii: float | Sequence[float], paint: Paint, part: str = "body") -> list[Patch]:
    """Round rods along the polyline `path` [n, 3], with one radius or one for each corner, and a ball at every
    corner: limbs, frames, cables, handles."""
    corners = np.asarray(path, float)
    r = np.broadcast_to(np.asarray(radii, float), (len(corners),))
    patches = [ellipsoid((ri, ri, ri), paint, part).moved(*corner) for corner, ri in zip(corners, r, strict=True)]
    for start, end, r0, r1 in zip(corners[:-1], corners[1:], r[:-1], r[1:], strict=True):
        along = end - start
        length = float(np.linalg.norm(along))
        if length < 1e-9:
            continue
        axis = np.cross(Z, along / length)
        angle = np.degrees(np.arccos(np.clip(along[2] / length, -1, 1)))
        if np.linalg.norm(axis) < 1e-9:
            axis = np.array(X)
        for rod in revolve([(r0, 0), (r1, length)], paint, part):
            patches.append(rod.turned(axis, float(angle)).moved(*start))
    return patches


# --- sampling -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Surface:
    """Samples of a painted surface; every array has N rows."""

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
        """The given samples."""
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


def sample_surface(patches: Sequence[Patch], count: int, rng: np.random.Generator) -> Surface:
    """`count` area-weighted samples of `patches`, in random order, evenly spread within each patch (an R2 sequence).

    Raises ValueError where there is no area to sample.
    """
    areas = np.array([p.area for p in patches])
    if not areas.sum() > 0:
        raise ValueError("a surface without area cannot be sampled")
    edges = np.floor(np.concatenate([[0.0], np.cumsum(areas)]) / areas.sum() * count + rng.random())
    counts = np.diff(edges).astype(int)
    parts = tuple(dict.fromkeys(p.part for p in patches))
    step = np.array([0.7548776662466927, 0.5698402909980532])  # R2: inverse plastic number and its square
    points, normals = np.empty((counts.sum(), 3)), np.empty((counts.sum(), 3))
    offsets = rng.random((len(patches), 2))
    at = 0
    for patch, n, offset in zip(patches, counts, offsets, strict=True):
        if n:
            points[at : at + n], normals[at : at + n] = patch.sampler((offset + np.arange(n)[:, None] * step) % 1)
        at += n

    order = rng.permutation(at)
    owner = np.repeat(np.arange(len(patches)), counts)[order]
    paint = np.array([(*p.paint.rgb, p.paint.heat, p.paint.gloss, p.paint.glow, parts.index(p.part)) for p in patches])
    rows = paint[owner].astype(np.float32)
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
