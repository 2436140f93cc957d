"""Files of ten classes, generated from a seed, for the benchmarks that read files."""

from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

CLASSES = ("red", "orange", "yellow", "green", "cyan", "blue", "violet", "pink", "brown", "gray")
_COLORS = np.array(
    [
        *((220, 40, 40), (235, 140, 40), (230, 220, 50), (50, 180, 60), (50, 200, 210)),
        *((50, 80, 220), (140, 60, 200), (240, 150, 190), (130, 90, 50), (130, 130, 130)),
    ],
    float,
)
_RATE = 16_000


def write_pictures(folder: Path, count: int, size: tuple[int, int] = (640, 480)) -> None:
    """JPEG files `folder/class/number.jpg`: soft blobs around the color of the class."""
    rng = np.random.default_rng(0)
    for i in range(count):
        kind = i % len(CLASSES)
        small = (_COLORS[kind] + rng.normal(0, 50, (12, 16, 3))).clip(0, 255).astype(np.uint8)
        path = _path(folder, i, "jpg")
        Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(path, quality=90)


def write_recordings(folder: Path, count: int, seconds: float = 3.0) -> None:
    """WAV files `folder/class/number.wav`: a tone of the class in noise."""
    rng = np.random.default_rng(0)
    t = np.arange(int(_RATE * seconds)) / _RATE
    for i in range(count):
        tone = np.sin(2 * np.pi * 200 * 1.35 ** (i % len(CLASSES)) * t)
        soundfile.write(_path(folder, i, "wav"), 0.3 * tone + 0.05 * rng.standard_normal(len(t)), _RATE)


def _path(folder: Path, number: int, suffix: str) -> Path:
    path = folder / CLASSES[number % len(CLASSES)] / f"{number}.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
