"""Renderer: splats surface samples into images with a z-buffer and simple lighting, for many times at once.

Vectorized NumPy, no OpenGL. Shapes: N surface samples, T times (1 for a still image), S pixels per image edge.
Camera axes: x right, y away from the camera, z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import uniform_filter

from .model import Model, Motion
from .patches import TAU, Array
from .scene import Scene
from .surface import Surface

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]

FOCAL = 1.95  # focal length, in half image widths
_SHININESS_DOUBLINGS = 5  # Blinn exponent 2 ** 5
_SHADOW_SAMPLES = 4000
_SHADOW_CELL = 4  # pixels


@dataclass(frozen=True)
class Track:
    """Motion of the object and the camera at T times, relative to the pose given by the scene."""

    times: Array  # [T], seconds
    yaw: Array  # [T], degrees: rotation of the object, or orbit of the camera
    offset: Array  # [T, 3], of the object, in the axes of a level camera
    pan: Array  # [T, 2], camera pan as an image shift right and down, in half image widths


def still_track(time: float) -> Track:
    """The track of one moment, with the object at the pose given by the scene."""
    return Track(np.array([time]), np.zeros(1), np.zeros((1, 3)), np.zeros((1, 2)))


def moving_track(model: Model, scene: Scene, times: Array, orbit: float, pan: Array) -> Track:
    """The object's travel and bob, centered on the middle of `times`, and a camera orbit in degrees per second."""
    elapsed = times - times.mean()
    path = np.clip(elapsed[:, None] * np.asarray(model.travel), -0.8, 0.8)
    path[:, 2] += model.bob * np.sin(TAU * model.bob_hz * times)
    return Track(times, orbit * elapsed, path @ _rotations((0, 0, 1), scene.yaw)[:3, :3].T, pan)


# --- affine maps [..., 4, 4] ----------------------------------------------------------------------------------------


def _rotations(axis: ArrayLike, degrees: ArrayLike) -> Array:
    """Right-handed rotations [..., 4, 4] about an axis by angles [...] (Rodrigues)."""
    a = np.asarray(axis, float)
    x, y, z = a / np.linalg.norm(a)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)[..., None, None]
    maps = np.broadcast_to(np.eye(4), (*np.shape(degrees), 4, 4)).copy()
    maps[..., :3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return maps


def _translations(offset: ArrayLike) -> Array:
    """Translations [..., 4, 4] by offsets [..., 3]."""
    shift = np.asarray(offset, float)
    maps = np.broadcast_to(np.eye(4), (*shift.shape[:-1], 4, 4)).copy()
    maps[..., :3, 3] = shift
    return maps


def _motion_maps(motion: Motion, times: Array) -> Array:
    """Maps [T, 4, 4] that a motion applies to its part."""
    turn = motion.rate_hz * times + motion.phase
    wave = np.sin(TAU * turn)
    if motion.kind == "slide":
        return _translations(motion.amount * wave[:, None] * np.asarray(motion.axis))
    if motion.kind == "spin":
        inner = _rotations(motion.axis, 360 * turn)
    elif motion.kind == "swing":
        inner = _rotations(motion.axis, motion.amount * wave)
    else:  # flicker: two incommensurate waves stretch the part, a third tilts it
        inner = _translations(np.zeros((len(times), 3)))
        inner[:, 2, 2] += motion.amount * (0.6 * wave + 0.4 * np.sin(4.7 * turn))
        inner[:, 0, 2] += 0.5 * motion.amount * np.sin(2.6 * turn + 1)
    pivot = np.asarray(motion.pivot)
    return _translations(pivot) @ inner @ _translations(-pivot)


def _camera_tilt(scene: Scene) -> Array:
    """Map [4, 4] from the axes of a level camera to those of the elevated camera, which looks down."""
    return _rotations((1, 0, 0), scene.elevation)


def _object_to_camera(scene: Scene, track: Track) -> Array:
    """Maps [T, 4, 4] from object axes to those of a level camera at the origin of the scene."""
    shift = np.array([scene.shift[0], 0, scene.shift[1]])
    size = np.diag([scene.size, scene.size, scene.size, 1.0])
    turned = _translations(track.offset + shift) @ _rotations((0, 0, 1), scene.yaw + track.yaw)
    return turned @ _rotations((0, 1, 0), scene.pitch) @ size


def _shadow_projection(scene: Scene, ground: float) -> Array:
    """Map [4, 4] that projects points along the light onto the plane z = `ground`, in the axes of a level camera."""
    light = _rotations((1, 0, 0), -scene.elevation)[:3, :3] @ scene.light
    slope = light[:2] / max(light[2], 0.5)
    flat = np.eye(4)
    flat[:2, 2], flat[:2, 3] = -slope, slope * ground
    flat[2, 2], flat[2, 3] = 0, ground
    return flat


# --- projection ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """Samples projected into the camera at T times: columns and rows in [-1, 1] (right, down), and inverse depth."""

    surface: Surface  # samples sorted by part
    column: Floats  # [T, N]
    row: Floats  # [T, N]
    inverse_depth: Floats  # [T, N]
    parts: list[tuple[slice, Array]]  # per part: its rows, and maps [T, 4, 4] from part axes to camera axes


def project(surface: Surface, motions: Sequence[Motion], scene: Scene, track: Track) -> View:
    """Project a surface with moving parts into the camera of a scene."""
    return _project_under(surface, motions, _camera_tilt(scene) @ _object_to_camera(scene, track), scene, track)


def shadow_coverage(surface: Surface, motions: Sequence[Motion], scene: Scene, track: Track, size: int) -> Floats:
    """Coverage [T, S, S] in [0, 1] of each pixel by the object's soft shadow on the ground below it."""
    few = surface.take(np.arange(min(_SHADOW_SAMPLES, len(surface))))
    to_camera = _object_to_camera(scene, track)
    ground = float((few.points @ to_camera[0, 2, :3]).min() + to_camera[0, 2, 3])
    maps = _camera_tilt(scene) @ _shadow_projection(scene, ground) @ to_camera
    covered = splat(_project_under(few, motions, maps, scene, track), size // _SHADOW_CELL, 2) >= 0
    soft = uniform_filter(covered.astype(np.float32), (0, 3, 3), mode="nearest")
    fine = soft.repeat(_SHADOW_CELL, axis=1).repeat(_SHADOW_CELL, axis=2)
    return uniform_filter(fine, (0, _SHADOW_CELL + 1, _SHADOW_CELL + 1), mode="nearest")


def _project_under(surface: Surface, motions: Sequence[Motion], maps: Array, scene: Scene, track: Track) -> View:
    """Perspective projection of samples [N] under maps [T, 4, 4] to camera axes; parts also follow their motions."""
    surface = surface.take(np.argsort(surface.part, kind="stable"))
    edges = np.searchsorted(surface.part, np.arange(len(surface.parts) + 1))
    camera_points = np.empty((len(maps), 3, len(surface)), np.float32)
    parts = []
    for part, start, end in zip(surface.parts, edges[:-1], edges[1:], strict=True):
        part_maps = maps
        for motion in motions:
            if motion.part == part:
                part_maps = part_maps @ _motion_maps(motion, track.times)
        linear, offset = np.split(part_maps[:, :3].astype(np.float32), [3], axis=2)
        camera_points[:, :, start:end] = linear @ surface.points[start:end].T + offset
        parts.append((slice(start, end), part_maps))
    right, away, up = np.moveaxis(camera_points, 1, 0)
    inverse_depth = 1 / np.maximum(away + np.float32(scene.distance), np.float32(0.2))
    pan = track.pan.astype(np.float32)
    column = FOCAL * right * inverse_depth + pan[:, :1]
    row = -FOCAL * up * inverse_depth + pan[:, 1:]
    return View(surface, column, row, inverse_depth, parts)


def splat(view: View, size: int, footprint: int) -> Indices:
    """Index of the nearest sample at every pixel, [T, S, S] into the surface of the view; -1 for background.

    Each sample covers footprint x footprint pixels. Inverse depth and index are packed into one integer, so the
    z-buffer is a single scattered maximum.
    """
    count, samples = view.column.shape
    edge = size + 2 * footprint  # samples outside the image are clamped into a margin that is cropped below
    column, row = (
        np.clip((axis + 1) * (size / 2) + footprint / 2 + 0.5, 0, size + footprint).astype(np.int64)
        for axis in (view.column, view.row)
    )
    moment = np.arange(count)[:, None] * edge * edge
    corner = (moment + row * edge + column).ravel()
    key = ((view.inverse_depth * (1 << 24)).astype(np.int64) << 32) + np.arange(1, samples + 1)
    key = key.ravel()
    nearest = np.zeros(count * edge * edge, np.int64)
    for dy in range(footprint):
        for dx in range(footprint):
            np.maximum.at(nearest, corner + (dy * edge + dx), key)
    inner = nearest.reshape(count, edge, edge)[:, footprint:-footprint, footprint:-footprint]
    return inner.astype(np.int32) - 1  # the lower half of each integer


def fill_gaps(nearest: Indices) -> Indices:
    """Fill one-pixel gaps between two covered neighbors in index images [T, S, S]."""
    filled = nearest.copy()
    for axis in (1, 2):
        before, gap, after = (filled.swapaxes(1, axis)[:, start : start - 2 or None] for start in (0, 1, 2))
        np.copyto(gap, before, where=(gap < 0) & (before >= 0) & (after >= 0))
    return filled


# --- lighting --------------------------------------------------------------------------------------------------------


def _lighting(view: View, scene: Scene) -> tuple[Floats, Floats]:
    """Brightness (ambient and two-sided Lambert) and highlight (Blinn) of every sample at every time, each [T, N]."""
    viewer = np.array([0.0, -1.0, 0.0])
    halfway = scene.light + viewer
    directions = np.stack([scene.light, halfway / np.linalg.norm(halfway), viewer])  # [3, 3]
    surface = view.surface
    cosines = np.empty((3, *view.column.shape), np.float32)
    for rows, maps in view.parts:
        rotation = maps[:, :3, :3] / np.cbrt(np.linalg.det(maps[:, :3, :3]))[:, None, None]
        local = (directions @ rotation).astype(np.float32)  # [T, 3, 3], in part axes
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


def render(view: View, scene: Scene, nearest: Indices, backdrop: Floats) -> Floats:
    """Shade the object and composite it over `backdrop` [T or 1, S, S, 3]; images [T, S, S, 3] in [0, 1]."""
    images = np.broadcast_to(backdrop, (*nearest.shape, 3)).reshape(-1, 3).copy()
    pixels = np.flatnonzero(nearest.ravel() >= 0)
    sample = nearest.ravel()[pixels]
    moment = pixels // (nearest.shape[1] * nearest.shape[2])
    shade, highlight = _lighting(view, scene)
    flat = moment * shade.shape[1] + sample
    color = view.surface.rgb[sample] * shade.ravel()[flat][:, None] + highlight.ravel()[flat][:, None]
    images[pixels] = np.clip(color, 0, 1)
    return images.reshape(*nearest.shape, 3)
