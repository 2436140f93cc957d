"""A sound as a spectrogram: time to the right, frequency upwards on the mel scale, loud is light."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from ..preprocess.filterbank import log_mel
from .audio import Audio
from .colormap import inferno

ASPECT = 1.5
_BINS, _FLOOR = 96, 9.0  # nepers below the loudest that are shown
_LONGEST_S = 30.0


def draw(raw: Audio, size: tuple[int, int]) -> Picture.Image:
    """RGB picture of `size` (width, height) with seconds and kilohertz at its edges; the first 30 s of a long sound."""
    width, height = size
    left, bottom = 34, 18
    samples = raw.samples[: round(_LONGEST_S * raw.rate)]
    frame = round(raw.rate * 0.025)
    padded = np.pad(samples, (0, max(0, frame - len(samples))))
    energies = log_mel(torch.from_numpy(padded), raw.rate, bins=_BINS).numpy().T[::-1]  # [bins, T], high ones on top
    shown = inferno((energies - energies.max() + _FLOOR) / _FLOOR)
    sheet = Picture.new("RGB", size, "white")
    sheet.paste(Picture.fromarray(shown).resize((width - left, height - bottom)), (left, 0))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    seconds = len(samples) / raw.rate
    for share in (0, 0.25, 0.5, 0.75):
        pen.text((left + share * (width - left), height - bottom + 3), f"{share * seconds:.2g} s", "#333333", font)
    top = 1127 * np.log1p(raw.rate / 2 / 700)
    for kilohertz in (0.5, 1, 2, 4, 8, 16):
        place = 1127 * np.log1p(kilohertz * 1000 / 700) / top
        if place < 0.97:
            pen.text((2, (1 - place) * (height - bottom) - 6), f"{kilohertz:g} k", "#333333", font)
    return sheet
