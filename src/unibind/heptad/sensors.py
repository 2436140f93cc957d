"""The visual sensors: what a camera, a thermal camera, a video, an event camera and a depth scanner make of an object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from .model import Model
from .render import picture, posed, shadow, splat, viewed
from .scene import Scene, resized, smooth_noise
from .surface import Surface, rotation

IMAGE_SIZE, THERMAL_SIZE, VIDEO_SIZE = 128, 96, 96
FRAMES, FPS = 20, 10
POINTS = 2048
_VIDEO_SAMPLES, _THERMAL_SAMPLES = 9000, 14000
_HOTTEST = 380.0  # what 16 bits of centikelvin can hold


def photograph(surface: Surface, model: Model, scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Picture uint8 [128, 128, 3]: rendered at twice the size, averaged, with sensor noise and some blur."""
    double = 2 * IMAGE_SIZE
    points, normals = posed(surface, model.motions, float(rng.uniform(0, 1)))
    backdrop = resized(scene.backdrop, double)
    if scene.shadow:
        backdrop = backdrop * (1 - 0.45 * shadow(points, scene, double))
    fine = picture(surface, viewed(points, normals, scene), scene, backdrop, 3)
    small = fine.reshape(IMAGE_SIZE, 2, IMAGE_SIZE, 2, 3).mean(axis=(1, 3))
    small = (small - 0.5) * rng.uniform(0.8, 1.1) + 0.5 + rng.uniform(-0.08, 0.08)
    noisy = small + rng.normal(0, scene.noise, small.shape)
    image = Image.fromarray((np.clip(noisy, 0, 1) * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 0.7)))))


def thermogram(surface: Surface, model: Model, scene: Scene, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Temperatures uint16 [96, 96] in centikelvin: heat above the surroundings, lens blur, sensor and pattern noise."""
    size = THERMAL_SIZE
    chosen = surface.take(np.arange(min(_THERMAL_SAMPLES, len(surface))))
    points, normals = posed(chosen, model.motions, float(rng.uniform(0, 1)))
    nearest = splat(viewed(points, normals, scene, yaw=float(rng.normal(0, 6))), size, 3)
    field = scene.temperature + rng.uniform(0.5, 1.8) * smooth_noise((size, size), 5, rng)
    field = field - np.linspace(rng.uniform(0, 5), 0, size, dtype=np.float32)[:, None]  # a cooler upper half
    seen = nearest >= 0
    strength, drift = rng.uniform(0.7, 1.2), rng.normal(0, 0.8)
    field[seen] = scene.temperature + drift + strength * chosen.heat[nearest[seen]]
    field = gaussian_filter(np.minimum(field, _HOTTEST), float(rng.uniform(0.5, 1.1)))
    field = field + rng.normal(0, rng.uniform(0.05, 0.35), field.shape) + rng.normal(0, 0.12, (1, size))
    return np.clip(np.round((field + 273.15) * 100), 0, 65535).astype(np.uint16)


def film(surface: Surface, model: Model, scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Two seconds of video, uint8 [20, 96, 96, 3]: the object's own motion, or a camera moving around a still one."""
    chosen = surface.take(np.arange(min(_VIDEO_SAMPLES, len(surface))))
    backdrop = resized(scene.backdrop, VIDEO_SIZE + 24)
    orbit = 0.0 if model.motions or any(model.travel) else float(rng.choice([-1, 1]) * rng.uniform(15, 32))
    shake = np.cumsum(rng.normal(0, 0.35, (FRAMES, 2)), axis=0)
    frames = np.empty((FRAMES, VIDEO_SIZE, VIDEO_SIZE, 3), np.uint8)
    for i in range(FRAMES):
        t = i / FPS
        points, normals = posed(chosen, model.motions, t)
        shift = np.clip(np.array(model.travel) * (t - 1), -0.8, 0.8)
        shift[2] += model.bob * np.sin(2 * np.pi * model.bob_hz * t)
        world = rotation((0, 0, 1), scene.yaw) @ shift
        view = viewed(points, normals, scene, yaw=orbit * (t - 1), offset=world)
        pan = np.clip(np.round(12 + shake[i] + (0.35 * orbit * (t - 1), 0)), 0, 24).astype(int)
        behind = backdrop[pan[1] : pan[1] + VIDEO_SIZE, pan[0] : pan[0] + VIDEO_SIZE]
        frame = picture(chosen, view, scene, behind, 2)
        frames[i] = (np.clip(frame + rng.normal(0, scene.noise / 6, frame.shape), 0, 1) * 255).astype(np.uint8)
    return frames


@dataclass(frozen=True)
class EventStream:
    """Events sorted by time: microseconds `t`, columns `x`, rows `y`, polarity `p` (True: brighter)."""

    t: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    p: NDArray[np.bool_]


def events_of(
    frames: NDArray[np.uint8],
    fps: float,
    rng: np.random.Generator,
    *,
    threshold: float = 0.22,
    threshold_spread: float = 0.03,
    refractory_us: int = 1000,
    noise_hz: float = 0.4,
    most_per_interval: int = 6,
) -> EventStream:
    """Simulate an event camera watching frames uint8 [T, H, W, 3] (after ESIM, Rebecq et al. 2018).

    Log intensity is taken to run straight between frames. A pixel fires whenever it has moved by its threshold from
    the level of its last event, unless that was less than `refractory_us` ago; `noise_hz` events a second and pixel
    are added at random.
    """
    grey = frames.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    log = np.log(grey / 255 + 0.03).reshape(len(frames), -1)  # [T, H * W]
    pixels, width = log.shape[1], frames.shape[2]
    step = np.clip(rng.normal(threshold, threshold_spread, pixels), 0.3 * threshold, None).astype(np.float32)
    level, last = log[0].copy(), np.full(pixels, -(10**9), np.int64)
    interval = 1e6 / fps
    times, places, signs = [], [], []
    for i in range(len(log) - 1):
        change = log[i + 1] - log[i]
        away = log[i + 1] - level
        count = np.minimum(np.floor(np.abs(away) / step), most_per_interval).astype(int)
        sign = np.sign(away).astype(np.float32)
        for k in range(1, int(count.max(initial=0)) + 1):
            fired = np.flatnonzero(count >= k)
            goal = level[fired] + k * sign[fired] * step[fired]
            slope = np.where(np.abs(change[fired]) < 1e-6, 1e-6, change[fired])
            part = np.clip((goal - log[i][fired]) / slope, 0, 1)
            t = (interval * (i + part)).astype(np.int64)
            awake = t - last[fired] >= refractory_us
            fired, t = fired[awake], t[awake]
            last[fired] = t
            times.append(t)
            places.append(fired)
            signs.append(sign[fired] > 0)
        level += count * sign * step
    duration = interval * (len(log) - 1)
    background = rng.poisson(noise_hz * pixels * duration / 1e6)
    times.append(rng.integers(0, int(duration), background))
    places.append(rng.integers(0, pixels, background))
    signs.append(rng.random(background) < 0.5)
    t, place, p = np.concatenate(times), np.concatenate(places), np.concatenate(signs)
    order = np.argsort(t, kind="stable")
    return EventStream(t[order], place[order] % width, place[order] // width, p[order])


def scan(surface: Surface, scene: Scene, rng: np.random.Generator) -> NDArray[np.float32]:
    """Point cloud float32 [2048, 3]: samples seen mostly from one side, with range noise and a few strays."""
    turned = rotation((0, 0, 1), scene.yaw + float(rng.uniform(-60, 60))).astype(np.float32)
    side = rng.normal(size=3).astype(np.float32)
    side /= np.linalg.norm(side)
    hidden = float(rng.uniform(0.1, 1.0))  # share of the far side that is seen all the same
    seen = (surface.normals @ side > 0) | (rng.random(len(surface)) < hidden)
    rows = np.flatnonzero(seen)
    rows = rows[rng.choice(len(rows), POINTS, replace=len(rows) < POINTS)]
    points = surface.points[rows] @ turned.T + rng.normal(0, rng.uniform(0.004, 0.02), (POINTS, 3))
    strays = rng.random(POINTS) < 0.01
    points[strays] += rng.normal(0, 0.25, (int(strays.sum()), 3))
    return points.astype(np.float32)
