"""The visual sensors: what a camera, a thermal camera, a video camera and a depth scanner make of an object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from .model import Model
from .render import Floats, closed, painted, shadows, splat, still, travelling, viewed
from .scene import Scene, resized, smooth_noise
from .surface import Surface, rotation

IMAGE_SIZE, THERMAL_SIZE, VIDEO_SIZE = 128, 96, 96
FRAMES, FPS = 24, 12
POINTS = 2048
_VIDEO_SAMPLES, _THERMAL_SAMPLES = 9000, 14000
_SHADOW = 0.45  # what a shadow takes from the ground's brightness
_MARGIN = 24  # pixels around a video's backdrop that a moving camera may show
_HOTTEST = 380.0  # degrees Celsius that 16 bits of centikelvin can hold
ABSOLUTE_ZERO = -273.15


def photograph(surface: Surface, model: Model, scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Picture uint8 [128, 128, 3]: rendered at twice the size, averaged, with exposure, sensor noise and some blur."""
    double = 2 * IMAGE_SIZE
    track = still(float(rng.uniform(0, 1)))
    backdrop = resized(scene.backdrop, double)[None]
    if scene.shadow:
        backdrop = backdrop * (1 - _SHADOW * shadows(surface, model.motions, scene, track, double)[..., None])
    view = viewed(surface, model.motions, scene, track)
    fine = painted(view, scene, closed(splat(view, double, 3)), backdrop)
    picture = fine.reshape(IMAGE_SIZE, 2, IMAGE_SIZE, 2, 3).mean(axis=(1, 3))
    picture = (picture - 0.5) * rng.uniform(0.8, 1.1) + 0.5 + rng.uniform(-0.08, 0.08)
    picture += scene.noise * rng.standard_normal(picture.shape, np.float32)
    blurred = Image.fromarray(_bytes(picture)).filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 0.7))))
    return np.asarray(blurred)


def thermogram(surface: Surface, model: Model, scene: Scene, rng: np.random.Generator) -> Floats:
    """Temperatures float32 [96, 96] in degrees Celsius, a hundredth exact: the object's heat above its surroundings
    as a microbolometer sees it, with lens blur, sensor noise and column pattern."""
    size = THERMAL_SIZE
    few = surface.take(np.arange(min(_THERMAL_SAMPLES, len(surface))))
    view = viewed(few, model.motions, scene, still(float(rng.uniform(0, 1))))
    nearest = closed(splat(view, size, 2))[0]
    field = scene.temperature + rng.uniform(0.5, 1.8) * smooth_noise((size, size), 5, rng)
    field -= np.linspace(rng.uniform(0, 5), 0, size)[:, None]  # a cooler upper half
    seen = nearest >= 0
    strength, drift = rng.uniform(0.7, 1.2), rng.normal(0, 0.8)
    field[seen] = scene.temperature + drift + strength * view.surface.heat[nearest[seen]]
    field = gaussian_filter(np.minimum(field, _HOTTEST), float(rng.uniform(0.5, 1.1)))
    field += rng.normal(0, rng.uniform(0.05, 0.35), field.shape) + rng.normal(0, 0.12, (1, size))
    return np.round(np.clip(field, ABSOLUTE_ZERO, _HOTTEST), 2).astype(np.float32)


def scene_frames(surface: Surface, model: Model, scene: Scene, rng: np.random.Generator) -> Floats:
    """Two seconds as they are, without a sensor's noise, float32 [24, 96, 96, 3] in [0, 1].

    The object moves by itself; the camera goes around one that does not, and it always sways a little, so that an
    event camera sees the outline of what stands still (as the saccades of N-Caltech101 make it do).
    """
    few = surface.take(np.arange(min(_VIDEO_SAMPLES, len(surface))))
    moving = bool(model.motions) or any(model.travel) or model.bob > 0
    orbit = 0.0 if moving else float(rng.choice([-1, 1]) * rng.uniform(15, 32))
    times = np.arange(FRAMES) / FPS
    sway = _sway(times, rng)
    track = travelling(model, scene, times, orbit, sway / (VIDEO_SIZE / 2))
    pan = -sway - np.stack([0.35 * orbit * (times - times.mean()), np.zeros(FRAMES)], axis=1)
    backdrop = _panned(scene, pan)
    if scene.shadow:
        backdrop = backdrop * (1 - _SHADOW * shadows(few, model.motions, scene, track, VIDEO_SIZE)[..., None])
    view = viewed(few, model.motions, scene, track)
    return painted(view, scene, closed(splat(view, VIDEO_SIZE, 2)), backdrop)


def _sway(times: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth movement of the picture [T, 2], in pixels right and down: a loop of its own for every recording."""
    rate, phase = rng.uniform(0.4, 1.2, 2), rng.random(2)
    return rng.uniform(0.4, 3.0) * np.sin(2 * np.pi * (rate * times[:, None] + phase))


def _panned(scene: Scene, pan: NDArray[np.float64]) -> Floats:
    """The backdrop as a camera sees it that has turned by `pan` [T, 2] pixels right and down; [T or 1, S, S, 3]."""
    wide = resized(scene.backdrop, 2 * (VIDEO_SIZE + 2 * _MARGIN))  # half pixels, for smoother movement
    corner = np.clip(np.round(2 * (_MARGIN + pan)), 0, 4 * _MARGIN).astype(int)
    span = 2 * VIDEO_SIZE
    corners = corner if np.ptp(corner, axis=0).any() else corner[:1]
    return np.stack([wide[y : y + span : 2, x : x + span : 2] for x, y in corners])


def filmed(frames: Floats, scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Video frames uint8 [T, S, S, 3] of what there was to see: with exposure and noise in brightness."""
    exposed = (frames - 0.5) * rng.uniform(0.85, 1.05) + 0.5 + rng.uniform(-0.06, 0.06)
    exposed += 0.6 * scene.noise * rng.standard_normal((*frames.shape[:3], 1), np.float32)
    return _bytes(exposed)


def scan(surface: Surface, scene: Scene, rng: np.random.Generator) -> Floats:
    """Point cloud float32 [2048, 3], y up and z towards the viewer: samples seen mostly from one side, with range
    noise and a few strays."""
    side = rng.standard_normal(3)
    side /= np.linalg.norm(side)
    through = float(rng.uniform(0.1, 1.0))  # share of the far side that is seen all the same
    rows = np.flatnonzero((surface.normals @ side > 0) | (rng.random(len(surface)) < through))
    rows = rng.choice(rows, POINTS, replace=len(rows) < POINTS)
    turn = rotation((0, 0, 1), scene.yaw + float(rng.uniform(-60, 60)))
    right, away, up = (scene.size * surface.points[rows] @ turn.T).T
    points = np.stack([right, up, -away], axis=1) + rng.normal(0, rng.uniform(0.004, 0.02), (POINTS, 3))
    strays = rng.random(POINTS) < 0.01
    points[strays] += rng.normal(0, 0.25, (int(strays.sum()), 3))
    return points.astype(np.float32)


def _bytes(picture: Floats) -> NDArray[np.uint8]:
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
