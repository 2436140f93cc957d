from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from unibind.errors import LimitError, UnibindError, UnreadableError
from unibind.modalities.limits import Limits
from unibind.modalities.reading import modality_of, read


def png(counts: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Picture.fromarray(counts).save(buffer, kind)
    return buffer.getvalue()


def tiff(values: np.ndarray, description: Any = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    text = json.dumps(description) if description is not None else None
    tifffile.imwrite(buffer, values, description=text, metadata=None, **options)
    return buffer.getvalue()


def values_of(data: bytes, **options: float) -> list[list[float]]:
    return np.round(read(data, "thermal", **options).values.astype(float), 4).tolist()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_eight_bits_are_counts_over_255(kind: str) -> None:
    thermal = read(png(np.array([[0, 51], [102, 255]], np.uint8), kind), "thermal")
    assert not thermal.celsius
    assert np.allclose(thermal.values, [[0, 0.2], [0.4, 1]])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_counts_over_65535(kind: str) -> None:
    thermal = read(png(np.array([[0, 13107, 65535]], np.uint16), kind), "thermal")
    assert not thermal.celsius
    assert np.allclose(thermal.values, [[0, 0.2, 1]])


def test_big_endian_counts() -> None:
    assert values_of(tiff(np.array([[0, 13107, 65535]], np.uint16), byteorder=">")) == [[0.0, 0.2, 1.0]]


@pytest.mark.parametrize("encode", [png, tiff])
def test_scale_and_offset_give_degrees(encode: Any) -> None:
    data = encode(np.array([[29315, 30315]], np.uint16))
    assert values_of(data, scale=0.01, offset=-273.15) == [[20.0, 30.0]]
    assert read(data, "thermal", scale=0.01, offset=-273.15).celsius


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        ("centikelvin", np.array([[27315, 31015]], np.uint16)),
        ("kelvin", np.array([[273.15, 310.15]], np.float32)),
        ("celsius", np.array([[0.0, 37.0]], np.float32)),
    ],
)
def test_a_description_names_the_unit(unit: str, values: np.ndarray) -> None:
    thermal = read(tiff(values, {"unit": unit}), "thermal")
    assert thermal.celsius
    assert np.allclose(thermal.values, [[0.0, 37.0]], atol=1e-3)


@pytest.mark.parametrize("description", [{"unit": "furlong"}, ["celsius"], {"unit": ["celsius"]}, 3, "celsius"])
def test_a_description_without_a_known_unit_is_ignored(description: Any) -> None:
    assert not read(tiff(np.array([[0, 65535]], np.uint16), description), "thermal").celsius


def test_options_override_the_description() -> None:
    data = tiff(np.array([[10.0, 20.0]], np.float32), {"unit": "celsius"})
    assert values_of(data, scale=2.0, offset=1.0) == [[21.0, 41.0]]


def test_a_scale_of_one_only_shifts() -> None:
    assert values_of(tiff(np.array([[273.15, 283.15]], np.float32)), scale=1.0, offset=-273.15) == [[0.0, 10.0]]


def test_real_numbers_without_a_unit_are_normalized_to_their_range() -> None:
    assert values_of(tiff(np.array([[5.0, 6.0, 9.0]], np.float32))) == [[0.0, 0.25, 1.0]]
    assert values_of(tiff(np.full((2, 2), 5.0, np.float32))) == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("dead", [np.nan, np.inf, -np.inf])
def test_dead_pixels_become_the_median(dead: float) -> None:
    values = np.array([[10.0, 20.0, 30.0, dead]], np.float32)
    assert values_of(tiff(values, {"unit": "celsius"})) == [[10.0, 20.0, 30.0, 20.0]]
    assert values_of(tiff(values)) == [[0.0, 0.5, 1.0, 0.5]]


@pytest.mark.parametrize("description", [None, {"unit": "celsius"}])
def test_a_mostly_dead_picture_is_refused(description: Any) -> None:
    values = np.array([[10.0, np.nan, np.nan]], np.float32)
    with pytest.raises(UnreadableError, match="more than half"):
        read(tiff(values, description), "thermal")
    with pytest.raises(UnreadableError, match="more than half"):
        read(tiff(np.full((2, 2), np.nan, np.float32), description), "thermal")


def test_colors_become_gray() -> None:
    rgb = np.zeros((1, 2, 3), np.uint8)
    rgb[0, 1] = 255
    assert values_of(tiff(rgb, photometric="rgb")) == [[0.0, 1.0]]
    assert values_of(png(rgb)) == [[0.0, 1.0]]


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_picture_is_rotated_by_its_exif_tag(depth: type) -> None:
    exif = Picture.Exif()
    exif[0x0112] = 6  # shown a quarter clockwise
    full = np.iinfo(depth).max
    buffer = io.BytesIO()
    Picture.fromarray(np.array([[0, full, full]], depth)).save(buffer, "PNG", exif=exif)
    assert values_of(buffer.getvalue()) == [[0.0], [1.0], [1.0]]


def test_several_planes_are_refused() -> None:
    with pytest.raises(UnreadableError, match=r"one picture \[H, W\]"):
        read(tiff(np.zeros((2, 3, 5), np.uint16), photometric="minisblack", planarconfig="separate"), "thermal")


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(UnreadableError, match="complex64"):
        read(tiff(np.zeros((4, 4), np.complex64)), "thermal")


@pytest.mark.parametrize("data", [png(np.zeros((8, 8), np.uint8)), tiff(np.zeros((8, 8), np.uint16))])
def test_pixels_are_limited(data: bytes) -> None:
    with pytest.raises(LimitError, match="limits allow"):
        read(data, "thermal", limits=Limits(max_pixels=63))
    assert read(data, "thermal", limits=Limits(max_pixels=64)).values.shape == (8, 8)


def test_an_absurd_size_is_refused_by_its_header() -> None:
    data = bytearray(tiff(np.zeros((8, 8), np.uint16)))
    for tag in (256, 257):  # width and height, 32-bit numbers: their product does not fit in 64 bits
        at = next(i for i in range(8, 200) if data[i : i + 2] == tag.to_bytes(2, "little") and data[i + 4] == 1)
        data[at + 2 : at + 12] = b"\x04\0\x01\0\0\0\xff\xff\xff\xff"
    with pytest.raises(LimitError, match="limits allow"):
        read(bytes(data), "thermal")


def test_a_radiometric_jpeg_without_temperatures_is_refused() -> None:
    jpeg = png(np.zeros((8, 8), np.uint8), "JPEG")
    payload = b"FLIR\x00\x01\x00\x00" + b"\0" * 20
    forged = jpeg[:2] + b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + jpeg[2:]
    with pytest.raises(UnreadableError, match="FLIR temperatures"):
        read(forged, "thermal")


@pytest.mark.parametrize(
    ("name", "data", "modality"),
    [
        ("a.tif", tiff(np.zeros((8, 8), np.uint16)), "thermal"),
        ("a.tiff", tiff(np.zeros((400, 400), np.uint16)), "thermal"),
        ("b.tiff", tiff(np.zeros((8, 8), np.float32), {"unit": "celsius"}), "thermal"),
        ("c.tif", tiff(np.zeros((8, 8, 3), np.uint8), photometric="rgb"), "image"),
        ("d.tif", tiff(np.zeros((8, 8), np.uint8)), "image"),
        ("e.jpg", png(np.zeros((8, 8, 3), np.uint8), "JPEG"), "image"),
        ("f.png", png(np.zeros((8, 8, 3), np.uint8)), "image"),
    ],
)
def test_which_pictures_are_thermal(name: str, data: bytes, modality: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    assert modality_of(tmp_path / name) == modality
    assert read(tmp_path / name).modality == modality


@pytest.mark.parametrize("directory", [0, 1 << 20])
def test_a_tiff_with_a_distant_directory_is_recognized_without_warnings(
    directory: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "far.tif").write_bytes(b"II*\0" + directory.to_bytes(4, "little") + bytes(100))
    assert modality_of(tmp_path / "far.tif") == "image"
    assert not caplog.records


@settings(deadline=None, max_examples=25)
@given(
    data=st.sampled_from(
        [
            tiff(np.arange(256, dtype=np.uint16).reshape(16, 16), {"unit": "centikelvin"}),
            tiff(np.arange(256, dtype=np.float32).reshape(16, 16), compression="zlib"),
            png(np.arange(256, dtype=np.uint16).reshape(16, 16)),
        ]
    ),
    place=st.floats(0, 1, exclude_max=True),
    patch=st.binary(min_size=1, max_size=12),
)
def test_damaged_files_raise_only_our_error(data: bytes, place: float, patch: bytes) -> None:
    damaged = bytearray(data)
    at = int(place * len(damaged))
    damaged[at : at + len(patch)] = patch
    try:
        thermal = read(bytes(damaged), "thermal", limits=Limits(max_pixels=1_000_000))
    except UnibindError as error:
        assert "the given bytes" in str(error) or "Thermal" in str(error)
    else:
        assert np.isfinite(thermal.values).all()


def test_damaged_tags_print_nothing(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (None, "tifffile"):  # as in a program that has not set up logging
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
    data = bytearray(tiff(np.array([[0, 65535]], np.uint16)))
    directory = int.from_bytes(data[4:8], "little")
    place = next(at for at in range(directory + 2, len(data), 12) if int.from_bytes(data[at : at + 2], "little") == 282)
    data[place + 8 : place + 12] = (0x7FFFFFFF).to_bytes(4, "little")  # the resolution lies beyond the end
    assert read(bytes(data), "thermal").values.shape == (1, 2)
    assert capsys.readouterr().err == ""
