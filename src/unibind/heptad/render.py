"""Splatting: surface samples, posed at many times at once, to pictures with a z-buffer and simple light.

Vectorised numpy, no GL. Shapes: N samples of a surface, T times (1 for a still), S pixels along a picture's edge.
Camera axes: x right, y away from the camera, z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import uniform_filter

from .model import Model, Motion
from .scene import Scene
from .surface import TAU, Array, Surface

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]

FOCAL = 1.95  # of the camera, in half picture widths
_SHININESS_DOUBLINGS = 5  # Blinn exponent 2 ** 5
_SHADOW_SAMPLES = 4000
_SHADOW_COARSENESS = 4  # pixels a shadow's cell is wide


@dataclass(frozen=True)
class Track:
    """Where object and camera are at T times, beyond the scene's own pose."""

    times: Array  # [T], seconds
    yaw: Array  # [T], degrees the object has turned, or the camera has gone around it
    offset: Array  # [T, 3], of the object, in camera axes before the camera is raised
    pan: Array  # [T, 2], of the camera, as a shift of the picture to the right and down, in half picture widths


def still(time: float) -> Track:
    """One moment of an object that stays where the scene puts it."""
    return Track(np.array([time]), np.zeros(1), np.zeros((1, 3)), np.zeros((1, 2)))


def travelling(model: Model, scene: Scene, times: Array, orbit: float, pan: Array) -> Track:
    """The object's own travel and bob, both centred on the middle of `times`, and a camera orbit (degrees a second)."""
    since = times - times.mean()
    path = np.clip(since[:, None] * np.asarray(model.travel), -0.8, 0.8)
    path[:, 2] += model.bob * np.sin(TAU * model.bob_hz * times)
    return Track(times, orbit * since, path @ _turns((0, 0, 1), scene.yaw)[:3, :3].T, pan)


# --- affine maps [..., 4, 4] ----------------------------------------------------------------------------------------


def _turns(axis: ArrayLike, degrees: ArrayLike) -> Array:
    """Right-handed rotations about an axis, [..., 4, 4] for angles [...] (Rodrigues)."""
    a = np.asarray(axis, float)
    x, y, z = a / np.linalg.norm(a)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)[..., None, None]
    maps = np.broadcast_to(np.eye(4), (*np.shape(degrees), 4, 4)).copy()
    maps[..., :3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return maps


def _shifts(offset: ArrayLike) -> Array:
    """Translations [..., 4, 4] by offsets [..., 3]."""
    moved = np.asarray(offset, float)
    maps = np.broadcast_to(np.eye(4), (*moved.shape[:-1], 4, 4)).copy()
    maps[..., :3, 3] = moved
    return maps


def _moved(motion: Motion, times: Array) -> Array:
    """Maps [T, 4, 4] of the part that a motion moves."""
    turn = motion.rate_hz * times + motion.phase
    wave = np.sin(TAU * turn)
    if motion.kind == "slide":
        return _shifts(motion.amount * wave[:, None] * np.asarray(motion.axis))
    if motion.kind == "spin":
        inner = _turns(motion.axis, 360 * turn)
    elif motion.kind == "swing":
        inner = _turns(motion.axis, motion.amount * wave)
    else:  # flicker: two waves that never meet again stretch the part, a third makes it lean
        inner = _shifts(np.zeros((len(times), 3)))
        inner[:, 2, 2] += motion.amount * (0.6 * wave + 0.4 * np.sin(4.7 * turn))
        inner[:, 0, 2] += 0.5 * motion.amount * np.sin(2.6 * turn + 1)
    pivot = np.asarray(motion.pivot)
    return _shifts(pivot) @ inner @ _shifts(-pivot)


def _raised(scene: Scene) -> Array:
    """Map [4, 4] from a level camera to one that has been raised and looks down."""
    return _turns((1, 0, 0), scene.elevation)


def _placed(scene: Scene, track: Track) -> Array:
    """Maps [T, 4, 4] from the object's axes to those of a level camera at the origin of the scene."""
    shift = np.array([scene.shift[0], 0, scene.shift[1]])
    size = np.diag([scene.size, scene.size, scene.size, 1.0])
    return (
        _shifts(track.offset + shift) @ _turns((0, 0, 1), scene.yaw + track.yaw) @ _turns((0, 1, 0), scene.pitch) @ size
    )


def _flattened(scene: Scene, ground: float) -> Array:
    """Map [4, 4] that casts what is above the plane z = `ground` onto it, along the light of a level camera."""
    light = _turns((1, 0, 0), -scene.elevation)[:3, :3] @ scene.light
    slope = light[:2] / max(light[2], 0.5)
    flat = np.eye(4)
    flat[:2, 2], flat[:2, 3] = -slope, slope * ground
    flat[2, 2], flat[2, 3] = 0, ground
    return flat


# --- projection ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """Samples as the camera sees them at T times: columns and rows in [-1, 1] (right, down), and nearness."""

    surface: Surface  # sorted by part
    column: Floats  # [T, N]
    row: Floats  # [T, N]
    nearness: Floats  # [T, N], 1 / depth
    parts: list[tuple[slice, Array]]  # rows of each part, and maps [T, 4, 4] from its own axes to camera axes


def viewed(surface: Surface, motions: Sequence[Motion], scene: Scene, track: Track) -> View:
    """A surface with moving parts in the camera of a scene."""
    return _projected(surface, motions, _raised(scene) @ _placed(scene, track), scene, track)


def shadows(surface: Surface, motions: Sequence[Motion], scene: Scene, track: Track, size: int) -> Floats:
    """How much a soft shadow on the ground below the object covers each pixel, [T, S, S] in [0, 1]."""
    few = surface.take(np.arange(min(_SHADOW_SAMPLES, len(surface))))
    placed = _placed(scene, track)
    ground = float((few.points @ placed[0, 2, :3]).min() + placed[0, 2, 3])
    caster = _raised(scene) @ _flattened(scene, ground) @ placed
    covered = splat(_projected(few, motions, caster, scene, track), size // _SHADOW_COARSENESS, 2) >= 0
    soft = uniform_filter(covered.astype(np.float32), (0, 3, 3), mode="nearest")
    fine = soft.repeat(_SHADOW_COARSENESS, axis=1).repeat(_SHADOW_COARSENESS, axis=2)
    return uniform_filter(fine, (0, _SHADOW_COARSENESS + 1, _SHADOW_COARSENESS + 1), mode="nearest")


def _projected(surface: Surface, motions: Sequence[Motion], maps: Array, scene: Scene, track: Track) -> View:
    """Perspective of the samples [N] under maps [T, 4, 4] to camera axes; each part also follows its own motions."""
    surface = surface.take(np.argsort(surface.part, kind="stable"))
    edges = np.searchsorted(surface.part, np.arange(len(surface.parts) + 1))
    placed = np.empty((len(maps), 3, len(surface)), np.float32)
    parts = []
    for part, start, end in zip(surface.parts, edges[:-1], edges[1:], strict=True):
        whole = maps
        for motion in motions:
            if motion.part == part:
                whole = whole @ _moved(motion, track.times)
        linear, offset = np.split(whole[:, :3].astype(np.float32), [3], axis=2)
        placed[:, :, start:end] = linear @ surface.points[start:end].T + offset
        parts.append((slice(start, end), whole))
    right, away, up = np.moveaxis(placed, 1, 0)
    nearness = 1 / np.maximum(away + np.float32(scene.distance), np.float32(0.2))
    pan = track.pan.astype(np.float32)
    column = FOCAL * right * nearness + pan[:, :1]
    row = -FOCAL * up * nearness + pan[:, 1:]
    return View(surface, column, row, nearness, parts)


def splat(view: View, size: int, footprint: int) -> Indices:
    """Index (into the view's surface) of the nearest sample at every pixel, [T, S, S], -1 where there is none.

    Each sample covers footprint x footprint pixels. Nearness and index share one integer, so that a z-buffer is a
    single scattered maximum.
    """
    count, samples = view.column.shape
    edge = size + 2 * footprint  # samples outside the picture are clamped into a margin, which is then cut off
    column, row = (
        np.clip((axis + 1) * (size / 2) + footprint / 2 + 0.5, 0, size + footprint).astype(np.int64)
        for axis in (view.column, view.row)
    )
    moment = np.arange(count)[:, None] * edge * edge
    corner = (moment + row * edge + column).ravel()
    key = ((view.nearness * (1 << 24)).astype(np.int64) << 32) + np.arange(1, samples + 1)
    key = key.ravel()
    nearest = np.zeros(count * edge * edge, np.int64)
    for dy in range(footprint):
        for dx in range(footprint):
            np.maximum.at(nearest, corner + (dy * edge + dx), key)
    inner = nearest.reshape(count, edge, edge)[:, footprint:-footprint, footprint:-footprint]
    return inner.astype(np.int32) - 1  # the lower half of each integer


def closed(nearest: Indices) -> Indices:
    """Index pictures [T, S, S] whose one-pixel gaps between two covered neighbours are filled."""
    filled = nearest.copy()
    for axis in (1, 2):
        before, gap, after = (filled.swapaxes(1, axis)[:, start : start - 2 or None] for start in (0, 1, 2))
        np.copyto(gap, before, where=(gap < 0) & (before >= 0) & (after >= 0))
    return filled


# --- light -----------------------------------------------------------------------------------------------------------


def _lit(view: View, scene: Scene) -> tuple[Floats, Floats]:
    """Brightness and highlight of every sample at every time, each [T, N]: ambient and two-sided Lambert; Blinn."""
    towards = np.array([0.0, -1.0, 0.0])
    halfway = scene.light + towards
    directions = np.stack([scene.light, halfway / np.linalg.norm(halfway), towards])  # [3, 3]
    surface = view.surface
    cosines = np.empty((3, *view.column.shape), np.float32)
    for rows, maps in view.parts:
        turn = maps[:, :3, :3] / np.cbrt(np.linalg.det(maps[:, :3, :3]))[:, None, None]
        local = (directions @ turn).astype(np.float32)  # [T, 3, 3]: light seen from the part
        cosines[:, :, rows] = np.moveaxis(local @ surface.normals[rows].T, 1, 0)
    lambert, highlight, facing = cosines
    side = np.where(facing < 0, np.float32(-1), np.float32(1))
    lambert = np.clip(lambert * side, 0, 1)
    highlight = np.clip(highlight * side, 0, 1)
    for _ in range(_SHININESS_DOUBLINGS):
        highlight *= highlight
    shade = np.float32(scene.ambient_light) + np.float32(0.75) * lambert
    shade += surface.glow * (1 - shade)
    return shade, np.float32(0.55) * surface.gloss * (1 - surface.glow) * highlight


def painted(view: View, scene: Scene, nearest: Indices, backdrop: Floats) -> Floats:
    """The lit object before its backdrop: [T, S, S, 3] in [0, 1]; `backdrop` [T or 1, S, S, 3]."""
    pictures = np.broadcast_to(backdrop, (*nearest.shape, 3)).reshape(-1, 3).copy()
    pixels = np.flatnonzero(nearest.ravel() >= 0)
    seen = nearest.ravel()[pixels]
    moment = pixels // (nearest.shape[1] * nearest.shape[2])
    shade, highlight = _lit(view, scene)
    flat = moment * shade.shape[1] + seen
    colour = view.surface.rgb[seen] * shade.ravel()[flat][:, None] + highlight.ravel()[flat][:, None]
    pictures[pixels] = np.clip(colour, 0, 1)
    return pictures.reshape(*nearest.shape, 3)
