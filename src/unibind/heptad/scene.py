"""The scene around an object: place, camera pose, light, background and temperature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .model import Model

Backdrop = NDArray[np.float32]  # [H, W, 3], sRGB in [0, 1]

_SIZE = 160  # pixels; backdrops are painted at this size and resized per sensor


@dataclass(frozen=True)
class Scene:
    """One place with its camera and light. Angles are in degrees, temperature in degrees Celsius."""

    place: str
    phrase: str  # the place in words: "in a dim room"
    yaw: float  # of the object; 0: its front points right
    pitch: float
    elevation: float  # of the camera
    distance: float
    size: float  # of the object; 1 is usual
    shift: tuple[float, float]  # of the object, right and up, in object units
    light: NDArray[np.float32]  # [3], unit vector toward the light
    ambient_light: float
    noise: float  # of the camera: standard deviation of intensities in [0, 1]
    temperature: float
    shadow: bool
    backdrop: Backdrop  # [_SIZE, _SIZE, 3]


PLACES: dict[str, tuple[str, ...]] = {
    "sky": ("under a cloudy sky", "high in a pale sky", "against the evening sky"),
    "field": ("on a green meadow", "out in the open country", "in a grassy field"),
    "street": ("on a grey street", "between city buildings", "on an asphalt road"),
    "water": ("on open water", "by the sea", "on a rippled lake"),
    "room": ("in a plain room", "in front of a papered wall", "on the floor of a bright room"),
    "studio": ("in a photo studio", "against a plain backdrop", "in a dim room"),
}
_USUAL_PLACES = {
    "air": ("sky", "field", "sky"),
    "ground": ("street", "field", "street"),
    "water": ("water",),
    "indoor": ("room", "studio", "room"),
}
_TEMPERATURES = {  # range in degrees Celsius per place
    "sky": (2, 16),
    "field": (8, 26),
    "street": (8, 28),
    "water": (8, 22),
    "room": (18, 24),
    "studio": (18, 24),
}


def sample_scene(model: Model, rng: np.random.Generator) -> Scene:
    """Sample a random scene.

    About 7 in 10 suit the habitat of the object; the rest are random, so that the place alone does not reveal the
    category.
    """
    usual = _USUAL_PLACES[model.habitat]
    place = str(rng.choice(usual if rng.random() < 0.7 else tuple(PLACES)))
    light = np.array([rng.uniform(-0.8, 0.8), rng.uniform(-1.0, -0.4), rng.uniform(0.5, 1.1)], np.float32)
    low, high = _TEMPERATURES[place]
    return Scene(
        place=place,
        phrase=str(rng.choice(PLACES[place])),
        yaw=_sample_yaw(model, rng),
        pitch=float(rng.uniform(-model.pitch, model.pitch)),
        elevation=float(rng.uniform(4, 28)),
        distance=float(rng.uniform(2.6, 3.7)),
        size=float(model.look.size**0.6),  # dampened: distance and perspective add to it
        shift=(float(rng.normal(0, 0.13)), float(rng.normal(0, 0.08))),
        light=light / np.linalg.norm(light),
        ambient_light=float(rng.uniform(0.38, 0.6)),
        noise=float(rng.uniform(0.005, 0.035)),
        temperature=float(rng.uniform(low, high)),
        shadow=place not in ("sky", "water") and model.habitat != "air",
        backdrop=_clutter(_BACKDROPS[place](rng), rng),
    )


def _sample_yaw(model: Model, rng: np.random.Generator) -> float:
    """Mostly seen from the front right; some outdoor objects face the other way. Furniture is not seen from behind."""
    return float(rng.normal(-20, 28) + 180 * (model.habitat != "indoor" and rng.random() < 0.3))


# --- backdrops -----------------------------------------------------------------------------------------------------

_ROWS = np.linspace(0, 1, _SIZE, dtype=np.float32)[:, None, None]


def smooth_noise(size: tuple[int, int], cells: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth noise of about unit variance, [H, W], with `cells` bumps along an edge."""
    coarse = rng.standard_normal((cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def _color(rng: np.random.Generator, base: tuple[float, float, float], spread: float) -> NDArray[np.float32]:
    return np.clip(np.array(base, np.float32) + rng.normal(0, spread, 3).astype(np.float32), 0, 1)


def _ramp(top: NDArray[np.float32], bottom: NDArray[np.float32]) -> Backdrop:
    return np.broadcast_to(top * (1 - _ROWS) + bottom * _ROWS, (_SIZE, _SIZE, 3)).copy()


def _sky(rng: np.random.Generator) -> Backdrop:
    high = [(0.35, 0.55, 0.85), (0.62, 0.68, 0.76), (0.85, 0.55, 0.42)][rng.integers(3)]
    image = _ramp(_color(rng, high, 0.05), _color(rng, (0.82, 0.86, 0.9), 0.05))
    clouds = np.clip(smooth_noise((_SIZE, _SIZE), int(rng.integers(4, 9)), rng) * 0.5, 0, 1)[..., None]
    return image * (1 - clouds * 0.6) + clouds * 0.6 * 0.95


def _ground(rng: np.random.Generator, base: tuple[float, float, float], grain: float) -> tuple[Backdrop, int]:
    """Sky above a textured ground, and the row of the horizon."""
    horizon = int(_SIZE * rng.uniform(0.35, 0.6))
    image = _sky(rng)
    rows = _SIZE - horizon
    texture = 1 + grain * smooth_noise((rows, _SIZE), 40, rng)[..., None]
    image[horizon:] = _color(rng, base, 0.05) * texture * np.linspace(0.85, 1.1, rows, dtype=np.float32)[:, None, None]
    return image, horizon


def _field(rng: np.random.Generator) -> Backdrop:
    base = [(0.32, 0.5, 0.22), (0.55, 0.55, 0.3), (0.42, 0.45, 0.3)][rng.integers(3)]
    return _ground(rng, base, 0.12)[0]


def _street(rng: np.random.Generator) -> Backdrop:
    image, horizon = _ground(rng, (0.42, 0.42, 0.44), 0.05)
    left = 0
    while left < _SIZE:
        width = int(rng.integers(14, 42))
        top = int(horizon * rng.uniform(0.25, 0.9))
        image[top:horizon, left : left + width] = _color(rng, (0.55, 0.5, 0.48), 0.12)
        image[top + 3 : horizon : 9, left + 3 : left + width - 2] *= 0.75
        left += width
    return image


def _water(rng: np.random.Generator) -> Backdrop:
    image, horizon = _ground(rng, (0.2, 0.38, 0.5), 0.04)
    rows = _SIZE - horizon
    phase = np.cumsum(np.linspace(1.6, 0.5, rows))[:, None] + 0.6 * smooth_noise((rows, _SIZE), 12, rng)
    image[horizon:] += 0.05 * np.sin(phase).astype(np.float32)[..., None]
    return image


def _room(rng: np.random.Generator) -> Backdrop:
    wall, floor = _color(rng, (0.78, 0.74, 0.68), 0.12), _color(rng, (0.5, 0.4, 0.32), 0.1)
    image = _ramp(wall * 1.03, wall * 0.92)
    if rng.random() < 0.4:
        image[:, :: int(rng.integers(8, 18))] *= 0.93  # wallpaper
    horizon = int(_SIZE * rng.uniform(0.6, 0.78))
    image[horizon:] = floor * np.linspace(0.9, 1.1, _SIZE - horizon, dtype=np.float32)[:, None, None]
    image[horizon - 3 : horizon] = wall * 0.7
    if rng.random() < 0.4:
        top, left = rng.integers(8, 40), rng.integers(5, 110)
        image[top : top + 40, left : left + 34] = _color(rng, (0.75, 0.85, 0.95), 0.05)  # a window or a framed picture
    return image


def _studio(rng: np.random.Generator) -> Backdrop:
    y, x = np.mgrid[-1 : 1 : _SIZE * 1j, -1 : 1 : _SIZE * 1j].astype(np.float32)
    glow = np.exp(-(x**2 + y**2) * rng.uniform(0.4, 1.2))[..., None].astype(np.float32)
    return _color(rng, (0.5, 0.5, 0.52), 0.12) * (0.55 + 0.5 * glow)


_BACKDROPS: dict[str, Callable[[np.random.Generator], Backdrop]] = {
    "sky": _sky,
    "field": _field,
    "street": _street,
    "water": _water,
    "room": _room,
    "studio": _studio,
}


def _clutter(image: Backdrop, rng: np.random.Generator) -> Backdrop:
    """Add up to four blurred distractors: boxes, blobs and poles."""
    y, x = np.mgrid[0:_SIZE, 0:_SIZE].astype(np.float32)
    for _ in range(int(rng.integers(0, 5))):
        cx, cy = rng.uniform(0, _SIZE), rng.uniform(_SIZE * 0.25, _SIZE)
        width, height = rng.uniform(4, 26), rng.uniform(6, 34)
        power = 2.0 if rng.random() < 0.5 else 8.0  # ellipse or rounded box
        inside = (np.abs(x - cx) / width) ** power + (np.abs(y - cy) / height) ** power < 1
        mask = np.asarray(Image.fromarray((inside * 255).astype(np.uint8)).resize((40, 40)).resize((_SIZE, _SIZE)))
        cover = (mask / 255.0 * 0.85).astype(np.float32)[..., None]
        image = image * (1 - cover) + cover * _color(rng, (0.5, 0.45, 0.42), 0.14)
    return np.clip(image, 0, 1).astype(np.float32)


def resize_backdrop(backdrop: Backdrop, size: int) -> Backdrop:
    """Resize a backdrop to size x size pixels."""
    small = Image.fromarray((backdrop * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32) / np.float32(255)
