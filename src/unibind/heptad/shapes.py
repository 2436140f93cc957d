"""Primitive shapes as painted patches, centered on the origin unless a docstring says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from .patches import TAU, Array, Paint, Patch, X, Z


def quad(corners: ArrayLike, paint: Paint, part: str = "body") -> Patch:
    """Bilinear patch through four corners [4, 3] in order around its rim; rendered two-sided."""
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
    """Box of `size` (x, y, z); the top face is `taper` times as wide as the bottom face."""
    sx, sy, sz = np.asarray(size, float) / 2
    bottom = np.array([[-sx, -sy, -sz], [sx, -sy, -sz], [sx, sy, -sz], [-sx, sy, -sz]])
    top = bottom * [taper, taper, -1]
    sides = [quad([bottom[i], bottom[(i + 1) % 4], top[(i + 1) % 4], top[i]], paint, part) for i in range(4)]
    return [quad(bottom[::-1], paint, part), quad(top, paint, part), *sides]


def plate(outline: ArrayLike, thickness: float, paint: Paint, part: str = "body") -> list[Patch]:
    """Flat polygon [n, 2] in the x-z plane, extruded by `thickness` along y.

    The polygon must be star-shaped around the mean of its corners.
    """
    rim = np.asarray(outline, float)
    center, half = rim.mean(0), thickness / 2
    patches = []
    for p, q in zip(rim, np.roll(rim, -1, axis=0), strict=True):
        for side in (-half, half):
            corners = [(v[0], side, v[1]) for v in (p, q, center)]
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
    """Ellipsoid with three radii (x, y, z); samples are close to uniform for ratios up to about 5."""
    r = np.asarray(radii, float)
    p = 1.6075  # Thomsen's approximation of the area
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
    """Surface of revolution of a polyline `profile` [n, 2] of (radius, z) about z: one conical band per segment.

    A cylinder is [(r, 0), (r, h)]; its caps are segments from or to radius 0. `arc` is in degrees from +x.
    """
    segments = pairwise(np.asarray(profile, float))
    bands = [_conical_band(start, end, np.radians(arc), paint, part) for start, end in segments]
    return [band for band in bands if band is not None]


def _conical_band(start: Array, end: Array, arc: float, paint: Paint, part: str) -> Patch | None:
    """Surface of revolution of one segment of (radius, z), over `arc` radians; None if it has no area."""
    (r0, z0), (r1, z1) = start, end
    slant = float(np.hypot(r1 - r0, z1 - z0))
    if slant < 1e-9 or r0 + r1 < 1e-9:
        return None
    slope = np.array([z1 - z0, r0 - r1]) / slant  # outward (radial, z) normal of the segment

    def sampler(u: Array) -> tuple[Array, Array]:
        # s has a density proportional to the radius: solve (r0 + (r1 - r0) s / 2) s = u (r0 + r1) / 2
        d = r1 - r0
        s = u[:, 0] if abs(d) < 1e-9 else (np.sqrt(r0**2 + u[:, 0] * (r1**2 - r0**2)) - r0) / d
        angle = arc * u[:, 1]
        radius = r0 + d * s
        cos, sin = np.cos(angle), np.sin(angle)
        points = np.stack([radius * cos, radius * sin, z0 + (z1 - z0) * s], axis=1)
        normals = np.stack([slope[0] * cos, slope[0] * sin, np.full_like(cos, slope[1])], axis=1)
        return points, normals

    return Patch(0.5 * arc * (r0 + r1) * slant, sampler, paint, part)


def cylinder(radius: float, height: float, paint: Paint, part: str = "body", top: float | None = None) -> list[Patch]:
    """Closed cylinder along z; `top` is the radius at the upper end (0 for a cone)."""
    upper, h = radius if top is None else top, height / 2
    return revolve([(0, -h), (radius, -h), (upper, h), (0, h)], paint, part)


def disc(radius: float, paint: Paint, part: str = "body", hole: float = 0.0) -> Patch:
    """Flat ring or disc in the x-y plane, normal +z."""
    return revolve([(radius, 0), (hole, 0)], paint, part)[0]


def torus(ring: float, tube: float, paint: Paint, part: str = "body", arc: float = 360.0) -> Patch:
    """Torus about z; `ring` is the distance from the axis to the center of the tube, `arc` is in degrees from +x."""
    turn = np.radians(arc)

    def sampler(u: Array) -> tuple[Array, Array]:
        angle, around = turn * u[:, 0], TAU * u[:, 1]
        outward = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)
        normals = np.cos(around)[:, None] * outward + np.sin(around)[:, None] * np.array(Z)
        return ring * outward + tube * normals, normals

    return Patch(turn * ring * TAU * tube, sampler, paint, part)


def tube(path: ArrayLike, radii: float | Sequence[float], paint: Paint, part: str = "body") -> list[Patch]:
    """Round rods along the polyline `path` [n, 3] with a ball at every corner: limbs, frames, cables, handles.

    `radii` is one radius, or one per corner.
    """
    corners = np.asarray(path, float)
    r = np.broadcast_to(np.asarray(radii, float), (len(corners),))
    patches = [ellipsoid((ri, ri, ri), paint, part).moved(*corner) for corner, ri in zip(corners, r, strict=True)]
    for start, end, r0, r1 in zip(corners[:-1], corners[1:], r[:-1], r[1:], strict=True):
        patches += _rod(start, end, r0, r1, paint, part)
    return patches


def _rod(start: Array, end: Array, r0: float, r1: float, paint: Paint, part: str) -> list[Patch]:
    """Open round rod between two points, with a radius at each end."""
    along = end - start
    length = float(np.linalg.norm(along))
    if length < 1e-9:
        return []
    axis = np.cross(Z, along / length)
    angle = np.degrees(np.arccos(np.clip(along[2] / length, -1, 1)))
    if np.linalg.norm(axis) < 1e-9:
        axis = np.array(X)
    return [rod.turned(axis, float(angle)).moved(*start) for rod in revolve([(r0, 0), (r1, length)], paint, part)]
