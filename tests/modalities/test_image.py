from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture
from PIL import ImageOps

from unibind.errors import LimitError, UnibindError, UnreadableError
from unibind.modalities.image import Image
from unibind.modalities.limits import Limits
from unibind.modalities.reading import read

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
ORIENTATION = 0x0112  # EXIF tag


def quarters() -> Picture.Image:
    """48 x 32 pixels: red and green above, blue and white below."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :24], pixels[:16, 24:], pixels[16:, :24], pixels[16:, 24:] = RED, GREEN, BLUE, WHITE
    return Picture.fromarray(pixels)


def corners(image: Image) -> list[str]:
    """Names of the colors near the corners: top left, top right, bottom left, bottom right."""
    names = {RED: "red", GREEN: "green", BLUE: "blue", WHITE: "white"}
    near = [image.pixels[y, x].astype(int) for y in (4, -5) for x in (4, -5)]
    return [min(names.items(), key=lambda pair: abs(np.subtract(pair[0], pixel)).sum())[1] for pixel in near]


def encoded(picture: Picture.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and contains almost nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_format_gives_the_same_picture(kind: str) -> None:
    image = read(encoded(quarters(), kind), "image")
    assert image.summary() == {"width": 48, "height": 32}
    assert corners(image) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize(
    ("orientation", "seen"),
    [
        (1, ["red", "green", "blue", "white"]),
        (2, ["green", "red", "white", "blue"]),
        (3, ["white", "blue", "green", "red"]),
        (4, ["blue", "white", "red", "green"]),
        (5, ["red", "blue", "green", "white"]),
        (6, ["blue", "red", "white", "green"]),
        (7, ["white", "green", "blue", "red"]),
        (8, ["green", "white", "red", "blue"]),
    ],
)
def test_a_photograph_is_rotated_by_its_exif_tag(orientation: int, seen: list[str], tmp_path: Path) -> None:
    exif = Picture.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / "photo.jpg"
    quarters().save(path, exif=exif, quality=95)
    image = read(path)
    assert image.pixels.shape == ((48, 32, 3) if orientation >= 5 else (32, 48, 3))
    assert corners(image) == seen


def test_a_palette_is_resolved_to_its_colors() -> None:
    picture = Picture.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    assert read(encoded(picture, "PNG"), "image").pixels.tolist() == [[[10, 20, 30], [200, 100, 50]]]


def test_a_transparent_entry_of_a_palette_is_white() -> None:
    picture = Picture.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    data = encoded(picture, "PNG", transparency=0)
    assert read(data, "image").pixels.tolist() == [[[255, 255, 255], [200, 100, 50]]]


def test_transparency_is_laid_on_white() -> None:
    rgba = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [255, 0, 0, 51]]], np.uint8)
    pixels = read(encoded(Picture.fromarray(rgba), "PNG"), "image").pixels
    assert pixels.tolist() == [[[255, 255, 255], [0, 0, 0], [255, 204, 204]]]  # 0.2 red + 0.8 white


def test_gray_with_transparency_is_laid_on_white() -> None:
    gray = Picture.fromarray(np.array([[[0, 0], [100, 255]]], np.uint8), mode="LA")
    assert read(encoded(gray, "PNG"), "image").pixels.tolist() == [[[255] * 3, [100] * 3]]


def test_sixteen_bits_are_scaled_to_eight() -> None:
    counts = np.array([[0, 257, 32896, 65535]], np.uint16)
    pixels = read(encoded(Picture.fromarray(counts), "PNG"), "image").pixels
    assert pixels.tolist() == [[[0] * 3, [1] * 3, [128] * 3, [255] * 3]]


def test_real_numbers_fill_the_range_and_nan_is_dark() -> None:
    values = np.array([[-1.0, 0.0, 1.0, np.nan]], np.float32)
    pixels = read(encoded(Picture.fromarray(values), "TIFF"), "image").pixels
    assert pixels[0, :, 0].tolist() == [0, 128, 255, 0]


def test_cmyk_becomes_rgb() -> None:
    ink = Picture.new("CMYK", (16, 16), (255, 0, 0, 0))
    pixels = read(encoded(ink, "JPEG", quality=95), "image").pixels.astype(int)
    assert np.abs(pixels - (0, 255, 255)).max() < 8


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Picture.new("RGB", (8, 8), color) for color in (BLUE, RED)]
    for kind in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert abs(read(data, "image").pixels[4, 4].astype(int) - BLUE).max() < 8


def test_the_content_decides_not_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(encoded(quarters(), "PNG"))
    assert np.array_equal(read(path).pixels, np.asarray(quarters()))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_a_truncated_picture_is_refused(kind: str, tmp_path: Path) -> None:
    noise = Picture.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    data = encoded(noise, kind)
    path = tmp_path / f"cut.{kind.lower()}"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableError, match=rf"cut\.{kind.lower()}"):
        read(path)


@pytest.mark.parametrize("content", [b"just some words", b"%PDF-1.7\n%%EOF", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_other_content_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=r"notes\.png cannot be read as image"):
        read(path)


def test_vector_and_postscript_pictures_are_not_run() -> None:
    with pytest.raises(UnreadableError, match="not a picture of a known format"):
        read(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", "image")


@pytest.mark.parametrize("side", [60_000, 12_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(LimitError, match="pixels"):
        read(png_header(side, side), "image")


def test_the_limit_of_pixels_can_be_set() -> None:
    data = encoded(quarters(), "PNG")
    assert read(data, "image", limits=Limits(max_pixels=48 * 32)).summary()["width"] == 48
    with pytest.raises(LimitError, match="48 x 32 pixels, the limits allow 1,535"):
        read(data, "image", limits=Limits(max_pixels=48 * 32 - 1))


@settings(deadline=None, max_examples=25)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"]),
    place=st.floats(0, 1, exclude_max=True),
    patch=st.binary(min_size=1, max_size=12),
)
def test_damaged_files_raise_only_our_error(kind: str, place: float, patch: bytes) -> None:
    data = bytearray(encoded(quarters(), kind))
    at = int(place * len(data))
    data[at : at + len(patch)] = patch
    try:
        image = read(bytes(data), "image", limits=Limits(max_pixels=1_000_000))
    except UnibindError as error:
        assert "the given bytes" in str(error)
    else:
        assert image.pixels.dtype == np.uint8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_large_pictures_are_turned_as_pillow_turns_them(orientation: int) -> None:
    """A picture of several bands; the pixels of every orientation are those of ImageOps.exif_transpose."""
    pixels = np.random.default_rng(1).integers(0, 255, (2100, 1000, 3), np.uint8)
    exif = Picture.Exif()
    exif[ORIENTATION] = orientation
    data = encoded(Picture.fromarray(pixels), "PNG", exif=exif, compress_level=0)
    expected = np.asarray(ImageOps.exif_transpose(Picture.open(io.BytesIO(data))))
    assert np.array_equal(read(data, "image").pixels, expected)


def test_thin_pictures_are_refused() -> None:
    with pytest.raises(LimitError, match="one side more than 200 times the other"):
        read(encoded(Picture.new("L", (1000, 4)), "PNG"), "image")
    assert read(encoded(Picture.new("L", (800, 4)), "PNG"), "image").pixels.shape == (4, 800, 3)
