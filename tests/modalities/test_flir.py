"""FLIR's radiometric JPEG against its equation worked by hand, and against a second reader's values of a real file."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from tests.fuzz.seeds import COUNTS, fff, flir, radiometric
from tests.helpers.reference import SAMPLES
from unibind.errors import LimitError, UnreadableError
from unibind.modalities.limits import Limits
from unibind.modalities.reading import modality_of, read

R1, B, F, OFFSET, R2 = 15000.0, 1400.0, 1.0, -5000, 0.0125


def camera(order: str = "<", **values: float) -> bytes:
    """A record of calibration: a black body without air or window between, unless told otherwise."""
    stated = {
        "emissivity": (0x20, 1.0), "distance": (0x24, 0.0), "reflected": (0x28, 293.15), "air": (0x2C, 293.15),
        "window": (0x30, 293.15), "transmission": (0x34, 1.0), "humidity": (0x3C, 0.5), "r1": (0x58, R1),
        "b": (0x5C, B), "f": (0x60, F), "alpha1": (0x70, 0.006569), "alpha2": (0x74, 0.01262),
        "beta1": (0x78, -0.002276), "beta2": (0x7C, -0.00667), "x": (0x80, 1.9), "r2": (0x30C, R2),
    }  # fmt: skip
    record = bytearray(0x400)
    struct.pack_into(f"{order}H", record, 0, 2)
    for name, (place, default) in stated.items():
        struct.pack_into(f"{order}f", record, place, values.get(name, default))
    struct.pack_into(f"{order}i", record, 0x308, OFFSET)
    return bytes(record)


def raw(counts: np.ndarray, order: str = "<") -> bytes:
    head = struct.pack(f"{order}HHH", 2, counts.shape[1], counts.shape[0])
    return head.ljust(32, b"\0") + counts.astype(f"{order}u2").tobytes()


def picture(calibration: bytes, counts: bytes) -> bytes:
    return radiometric(fff([(1, counts), (0x20, calibration)]))


def celsius(data: bytes) -> np.ndarray:
    thermal = read(data, "thermal")
    assert thermal.celsius
    return thermal.values


def black_body(count: float) -> float:
    """Planck's function, inverted: the temperature of a black body that gives `count`."""
    return B / math.log(R1 / (R2 * (count + OFFSET)) + F) - 273.15


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_black_body_in_front_of_the_camera(order: str) -> None:
    counts = np.array([[13_000, 20_000, 30_000], [14_000, 15_000, 16_000]])
    expected = [[black_body(count) for count in row] for row in counts.tolist()]
    np.testing.assert_allclose(celsius(picture(camera(order), raw(counts, order))), expected, rtol=1e-5)


def test_half_of_a_gray_surface_is_a_reflection() -> None:
    """Emissivity 0.5 without air: count = 0.5 * count of the object + 0.5 * count of what it reflects."""

    def count_of(kelvin: float) -> float:
        return R1 / (R2 * (math.exp(B / kelvin) - F)) - OFFSET

    seen = 0.5 * count_of(350.0) + 0.5 * count_of(280.0)
    data = picture(camera(emissivity=0.5, reflected=280.0), raw(np.full((2, 2), round(seen))))
    np.testing.assert_allclose(celsius(data), 350.0 - 273.15, atol=0.05)


def test_air_dims_what_is_far_away() -> None:
    """What is as warm as the air and the window looks the same from any distance."""
    kelvin = 293.15
    count = round(R1 / (R2 * (math.exp(B / kelvin) - F)) - OFFSET)
    far = camera(distance=50.0, emissivity=0.9, transmission=0.8)
    np.testing.assert_allclose(celsius(picture(far, raw(np.full((2, 2), count)))), kelvin - 273.15, atol=0.05)
    hot = raw(np.full((2, 2), 30_000))
    assert celsius(picture(camera(distance=50.0), hot)).min() > celsius(picture(camera(), hot)).max() + 1


def test_png_counts_in_several_segments() -> None:
    counts = np.random.default_rng(2).integers(15_000, 25_000, (240, 320), np.uint16)
    np.testing.assert_array_equal(celsius(flir(counts, png=True)), celsius(flir(counts)))
    assert flir(counts).count(b"FLIR\0") == 3


def test_the_ending_and_the_first_bytes_tell_it(tmp_path: Path) -> None:
    path = tmp_path / "camera.jpg"
    path.write_bytes(flir())
    assert modality_of(path) == "thermal"
    assert read(path).values.shape == COUNTS.shape
    assert read(path, "image").pixels.shape == (24, 32, 3)


WHOLE = flir(np.full((200, 300), 16_000))
DAMAGED = {
    "no counts": (radiometric(fff([(0x20, camera())])), "no counts"),
    "no calibration": (radiometric(fff([(1, raw(COUNTS))])), "no calibration"),
    "fewer counts": (picture(camera(), raw(COUNTS)[:-2]), "cut short"),
    "a lost segment": (WHOLE.replace(b"FLIR\0\x01\x01", b"LOST\0\x01\x01"), "2 of 3 parts"),
    "no distance at all": (picture(camera(b=float("nan")), raw(COUNTS)), "impossible"),
    "zero emissivity": (picture(camera(emissivity=0), raw(COUNTS)), "impossible"),
    "not a record file": (radiometric(b"GIF89a" + bytes(100)), "no FLIR file"),
    "directory beyond the end": (radiometric(fff([(1, raw(COUNTS))], count=4000)), "beyond its end"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damage_is_told(what: str) -> None:
    data, message = DAMAGED[what]
    with pytest.raises(UnreadableError, match=message):
        read(data, "thermal")


def test_limits() -> None:
    with pytest.raises(LimitError, match="FLIR records"):
        read(flir(), "thermal", limits=Limits(max_parts=1))
    with pytest.raises(LimitError, match="32 x 24"):
        read(flir(), "thermal", limits=Limits(max_pixels=100))


def test_the_visible_picture_is_still_there() -> None:
    data = WHOLE
    assert Picture.open(io.BytesIO(data)).size == (32, 24)


@pytest.mark.reference
def test_a_real_file_has_the_values_of_flyr() -> None:
    """Four pixels, the mean and the range as flyr 5.1.0 computes them."""
    values = celsius((SAMPLES / "thermal" / "Flir_E40.jpg").read_bytes())
    assert values.shape == (120, 160)
    np.testing.assert_allclose(values[[0, 30, 60, 119], [0, 40, 80, 159]], REAL_PIXELS, atol=2e-4)
    np.testing.assert_allclose([values.min(), values.mean(), values.max()], REAL_RANGE, atol=2e-4)


REAL_PIXELS = [22.9395, 21.5557, 20.9164, 19.8556]
REAL_RANGE = [17.8759, 21.0894, 24.7004]
