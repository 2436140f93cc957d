"""Simulated visual sensors: camera, thermal camera, video camera and depth scanner."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from .model import Model
from .patches import rotation
from .render import Floats, fill_gaps, moving_track, project, render, shadow_coverage, splat, still_track
from .scene import Scene, resize_backdrop, smooth_noise
from .surface import Surface

IMAGE_SIZE, THERMAL_SIZE, VIDEO_SIZE = 128, 96, 96
FRAMES, FPS = 24, 12
POINTS = 2048
_VIDEO_SAMPLES, _THERMAL_SAMPLES = 9000, 14000
_SHADOW = 0.45  # share of the ground's brightness that a full shadow removes
_MARGIN = 24  # extra pixels around a video backdrop, for camera movement
_MAX_CELSIUS = 380.0  # 16-bit centikelvin end just above
ABSOLUTE_ZERO = -273.15


def photograph(surface: Surface, model: Model, scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Photograph uint8 [128, 128, 3]: rendered at twice the size and averaged, with exposure, sensor noise and blur."""
    double = 2 * IMAGE_SIZE
    track = still_track(float(rng.uniform(0, 1)))
    backdrop = resize_backdrop(scene.backdrop, double)[None]
    if scene.shadow:
        backdrop = backdrop * (1 - _SHADOW * shadow_coverage(surface, model.motions, scene, track, double)[..., None])
    view = project(surface, model.motions, scene, track)
    fine = render(view, scene, fill_gaps(splat(view, double, 3)), backdrop)
    image = fine.reshape(IMAGE_SIZE, 2, IMAGE_SIZE, 2, 3).mean(axis=(1, 3))
    image = (image - 0.5) * rng.uniform(0.8, 1.1) + 0.5 + rng.uniform(-0.08, 0.08)
    image += scene.noise * rng.standard_normal(image.shape, np.float32)
    blurred = Image.fromarray(_to_uint8(image)).filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 0.7))))
    return np.asarray(blurred)


def thermogram(surface: Surface, model: Model, scene: Scene, rng: np.random.Generator) -> Floats:
    """Temperatures float32 [96, 96] in degrees Celsius, rounded to hundredths.

    The heat of the object above its surroundings as a microbolometer measures it: with varying emissivity and drift,
    lens blur, sensor noise and column noise.
    """
    size = THERMAL_SIZE
    few = surface.take(np.arange(min(_THERMAL_SAMPLES, len(surface))))
    view = project(few, model.motions, scene, still_track(float(rng.uniform(0, 1))))
    nearest = fill_gaps(splat(view, size, 2))[0]
    field = scene.temperature + rng.uniform(0.5, 1.8) * smooth_noise((size, size), 5, rng)
    field -= np.linspace(rng.uniform(0, 5), 0, size)[:, None]  # the upper half is cooler
    seen = nearest >= 0
    emissivity, drift = rng.uniform(0.7, 1.2), rng.normal(0, 0.8)
    field[seen] = scene.temperature + drift + emissivity * view.surface.heat[nearest[seen]]
    field = gaussian_filter(np.minimum(field, _MAX_CELSIUS), float(rng.uniform(0.5, 1.1)))
    field += rng.normal(0, rng.uniform(0.05, 0.35), field.shape) + rng.normal(0, 0.12, (1, size))
    return np.round(np.clip(field, ABSOLUTE_ZERO, _MAX_CELSIUS), 2).astype(np.float32)


def scene_frames(surface: Surface, model: Model, scene: Scene, rng: np.random.Generator) -> Floats:
    """Two seconds of the scene without sensor noise, float32 [24, 96, 96, 3] in [0, 1].

    The camera orbits an object that does not move by itself. It always sways a little, so that an event camera also
    sees the outline of still objects (like the saccades of N-Caltech101).
    """
    few = surface.take(np.arange(min(_VIDEO_SAMPLES, len(surface))))
    is_moving = bool(model.motions) or any(model.travel) or model.bob > 0
    orbit = 0.0 if is_moving else float(rng.choice([-1, 1]) * rng.uniform(15, 32))
    times = np.arange(FRAMES) / FPS
    sway = _sway(times, rng)
    track = moving_track(model, scene, times, orbit, sway / (VIDEO_SIZE / 2))
    pan = -sway - np.stack([0.35 * orbit * (times - times.mean()), np.zeros(FRAMES)], axis=1)
    backdrop = _pan_backdrop(scene, pan)
    if scene.shadow:
        backdrop = backdrop * (1 - _SHADOW * shadow_coverage(few, model.motions, scene, track, VIDEO_SIZE)[..., None])
    view = project(few, model.motions, scene, track)
    return render(view, scene, fill_gaps(splat(view, VIDEO_SIZE, 2)), backdrop)


def _sway(times: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth image movement [T, 2] in pixels right and down, different in every recording."""
    rate, phase = rng.uniform(0.4, 1.2, 2), rng.random(2)
    return rng.uniform(0.4, 3.0) * np.sin(2 * np.pi * (rate * times[:, None] + phase))


def _pan_backdrop(scene: Scene, pan: NDArray[np.float64]) -> Floats:
    """The backdrop seen by a camera that pans by `pan` [T, 2] pixels right and down; [T or 1, S, S, 3]."""
    wide = resize_backdrop(scene.backdrop, 2 * (VIDEO_SIZE + 2 * _MARGIN))  # twice the size, to move by half pixels
    corner = np.clip(np.round(2 * (_MARGIN + pan)), 0, 4 * _MARGIN).astype(int)
    span = 2 * VIDEO_SIZE
    corners = corner if np.ptp(corner, axis=0).any() else corner[:1]
    return np.stack([wide[y : y + span : 2, x : x + span : 2] for x, y in corners])


def record_video(frames: Floats, scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Video frames uint8 [T, S, S, 3] of scene frames [T, S, S, 3], with exposure and luminance noise."""
    exposed = (frames - 0.5) * rng.uniform(0.85, 1.05) + 0.5 + rng.uniform(-0.06, 0.06)
    exposed += 0.6 * scene.noise * rng.standard_normal((*frames.shape[:3], 1), np.float32)
    return _to_uint8(exposed)


def scan(surface: Surface, scene: Scene, rng: np.random.Generator) -> Floats:
    """Point cloud float32 [2048, 3], y up and z toward the viewer.

    Surface samples seen mostly from one side, with range noise and a few outliers.
    """
    side = rng.standard_normal(3)
    side /= np.linalg.norm(side)
    far_share = float(rng.uniform(0.1, 1.0))  # share of the far side that is scanned as well
    rows = np.flatnonzero((surface.normals @ side > 0) | (rng.random(len(surface)) < far_share))
    rows = rng.choice(rows, POINTS, replace=len(rows) < POINTS)
    to_viewer = rotation((0, 0, 1), scene.yaw + float(rng.uniform(-60, 60)))
    right, away, up = (scene.size * surface.points[rows] @ to_viewer.T).T
    points = np.stack([right, up, -away], axis=1) + rng.normal(0, rng.uniform(0.004, 0.02), (POINTS, 3))
    outliers = rng.random(POINTS) < 0.01
    points[outliers] += rng.normal(0, 0.25, (int(outliers.sum()), 3))
    return points.astype(np.float32)


def _to_uint8(image: Floats) -> NDArray[np.uint8]:
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
