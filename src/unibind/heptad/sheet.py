"""A contact sheet: one row per category with every modality of a test object, to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..errors import UnknownNameError
from ..extras import import_extra
from .categories import CATEGORIES
from .sample import Sample, sample_object
from .sensors import FPS, FRAMES, VIDEO_SIZE

Panel = NDArray[np.uint8]  # [h, w, 3]

_PANEL = 128  # pixels
_NAME_WIDTH = 84  # pixels
_BRIGHTER, _DARKER = (214, 47, 39), (49, 84, 180)  # sRGB of events by polarity
_WINDOW, _HOP = 512, 246  # of the spectrogram, in samples of 16 kHz: 32000 samples make 128 columns
_FLOOR_DB = -70.0


def _image(sample: Sample) -> list[Panel]:
    return [sample.image()]


def _thermal(sample: Sample) -> list[Panel]:
    values = sample.thermal()
    coldest, hottest = np.percentile(values, [1, 99.5])
    return [_colorize((values - coldest) / max(hottest - coldest, 4.0), "inferno")]


def _video(sample: Sample) -> list[Panel]:
    return list(sample.video()[[0, FRAMES // 3, 2 * FRAMES // 3]])


def _point_cloud(sample: Sample) -> list[Panel]:
    points = sample.point_cloud()
    x, y, depth = points[np.argsort(points[:, 2])].T  # far to near: the nearest points go on top
    panel = np.full((_PANEL, _PANEL, 3), 255, np.uint8)
    column, row = (np.clip((axis + 1.1) / 2.2 * _PANEL, 0, _PANEL - 2).astype(int) for axis in (x, -y))
    shade = np.clip(110 - 100 * depth, 10, 215).astype(np.uint8)[:, None]
    for dot in ((0, 0), (0, 1), (1, 0), (1, 1)):
        panel[row + dot[0], column + dot[1]] = shade
    return [panel]


def _event(sample: Sample) -> list[Panel]:
    t, x, y, polarity = sample.event().T
    middle = 1e6 * FRAMES / FPS / 2
    recent = np.abs(t - middle) < 1.5e6 / FPS  # the duration of three frames shows a shape
    panel = np.full((VIDEO_SIZE, VIDEO_SIZE, 3), 255, np.uint8)
    panel[y[recent], x[recent]] = np.where(polarity[recent, None] > 0, _BRIGHTER, _DARKER)
    return [panel]


def _audio(sample: Sample) -> list[Panel]:
    frames = np.lib.stride_tricks.sliding_window_view(sample.audio(), _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW))).T[::-1] ** 2
    level = 10 * np.log10(power / power.max() + 1e-12)
    return [_colorize(1 - level / _FLOOR_DB, "magma")]


_COLUMNS: tuple[Callable[[Sample], list[Panel]], ...] = (_image, _thermal, _video, _point_cloud, _event, _audio)


def contact_sheet(seed: int = 0, categories: Sequence[str] | None = None) -> Image.Image:
    """Render one row per category (default: all): an image of one test object, then all modalities of another.

    Raises UnknownNameError for an unknown category.
    """
    rows = []
    for category in categories or CATEGORIES:
        if category not in CATEGORIES:
            raise UnknownNameError("Heptad category", category, CATEGORIES)
        rows.append([_name_panel(category), *_panels(category, seed)])
    return Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows]))


def _panels(category: str, seed: int) -> Iterator[Panel]:
    yield _resize_panel(sample_object(category, 1, seed=seed).image())
    sample = sample_object(category, 0, seed=seed)
    for panels in _COLUMNS:
        yield from map(_resize_panel, panels(sample))


def _name_panel(category: str) -> Panel:
    label = Image.new("RGB", (_NAME_WIDTH, _PANEL), "white")
    ImageDraw.Draw(label).text((6, _PANEL // 2 - 6), category, fill="black")
    return np.asarray(label)


def _resize_panel(panel: Panel) -> Panel:
    return np.asarray(Image.fromarray(panel).resize((_PANEL, _PANEL), Image.Resampling.BILINEAR))


def _colorize(values: NDArray[np.floating], name: str) -> Panel:
    """Map values in [0, 1] to a Matplotlib color map."""
    colormaps = import_extra("matplotlib", "the contact sheet").colormaps
    return (colormaps[name](np.clip(values, 0, 1))[..., :3] * 255).astype(np.uint8)
