from collections.abc import Callable

import numpy as np
import pytest

from unibind.errors import UnknownNameError
from unibind.heptad import CATEGORIES
from unibind.heptad.model import MATERIALS, Look, Model
from unibind.heptad.sounds import SOUNDS, synthesise, toolkit
from unibind.heptad.sounds.recording import recorded
from unibind.heptad.sounds.toolkit import COUNT, RATE, TIME

EXTRAS = (
    {},
    {"jet": 1.0, "bell": 1.0, "horn": 1.0, "ringing": 1.0, "strike": 0.0, "rattle": 1.0, "strings": 4.0, "creak": 0.0},
    {"steam": 1.0, "strike": 1.0, "boiling": 0.0, "lit": 0.0, "walking": 1.0, "weight": 1.4, "creak": 1.0, "grand": 1.0},
    {"cuckoo": 1.0, "blades": 6.0, "masts": 2.0, "stout": 0.8, "tick_hz": 2.0},
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def model(size: float = 1.0, material: str = "metal", **extra: float) -> Model:
    return Model(Look("red", "blue", material, size), [], ("a flat side",), "indoor", extra=extra)


def spectrum(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz and power."""
    return np.fft.rfftfreq(len(sound), 1 / RATE), np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2


def peak_hz(sound: np.ndarray) -> float:
    frequencies, power = spectrum(sound)
    return float(frequencies[power.argmax()])


def share_between(sound: np.ndarray, low: float, high: float) -> float:
    frequencies, power = spectrum(sound)
    return float(power[(low <= frequencies) & (frequencies <= high)].sum() / power.sum())


# --- clips -----------------------------------------------------------------------------------------------------------


def test_every_category_has_a_sound():
    assert tuple(SOUNDS) == CATEGORIES


@pytest.mark.parametrize("category", CATEGORIES)
def test_clips_are_two_seconds_within_bounds_whatever_the_object(category):
    for seed, extra in enumerate(EXTRAS):
        for material in MATERIALS:
            clip = synthesise(category, model(0.75 + 0.25 * (seed % 3), material, **extra), rng(seed))
            assert clip.shape == (32000,) and clip.dtype == np.float32
            assert np.isfinite(clip).all() and 0.19 < np.abs(clip).max() <= 0.95
            assert np.count_nonzero(clip) > 31000  # no recording is silent anywhere


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_random_numbers_decide_the_clip(category):
    clip = synthesise(category, model(), rng(5))
    assert np.array_equal(clip, synthesise(category, model(), rng(5)))
    assert np.abs(clip - synthesise(category, model(), rng(6))).max() > 0.05


@pytest.mark.parametrize(
    "category", ["airplane", "helicopter", "rocket", "car", "drum", "bell", "clock", "guitar", "bottle", "mug", "table",
                 "dog", "bird", "fan"]
)
def test_big_objects_sound_lower(category):
    def mean_octave(size: float) -> float:
        octaves = []
        for seed in range(12):
            frequencies, power = spectrum(SOUNDS[category](model(size), rng(seed)))
            octaves.append(np.average(np.log2(frequencies[1:]), weights=np.sqrt(power[1:])))
        return float(np.mean(octaves))

    assert mean_octave(1.25) < mean_octave(0.75) - 0.05


@pytest.mark.parametrize("category, heard, missing", [("train", "steam", ""), ("drum", "rattle", ""), ("lamp", "", "")])
def test_unknown(category, heard, missing):
    pass


def test_an_unknown_category_is_refused():
    with pytest.raises(UnknownNameError, match="unknown Heptad category 'cow'"):
        synthesise("cow", model(), rng())
