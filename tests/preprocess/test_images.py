import numpy as np
import pytest
import torch
from PIL import Image as Picture

from tests.helpers.reference import PREPROCESSING, SAMPLES, sampled
from unibind.preprocess.images import center_of_resized, resize_and_crop, square, square_field, to_tensor

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def test_a_square_is_left_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    assert np.array_equal(square(pixels, 6), pixels)


@pytest.mark.parametrize("turned", [False, True])
def test_the_middle_of_the_long_side_is_kept(turned):
    pixels = np.zeros((4, 10, 3), np.uint8)
    pixels[:] = 10 * np.arange(10, dtype=np.uint8)[:, None]  # every column its number
    expected = pixels[:, 3:7]  # (10 - 4) // 2
    if turned:
        pixels, expected = pixels.transpose(1, 0, 2), expected.transpose(1, 0, 2)
    assert np.array_equal(square(np.ascontiguousarray(pixels), 4), expected)


@pytest.mark.parametrize("shape", [(5, 7), (300, 41), (1, 200), (96, 97), (2, 2)])
def test_any_shape_becomes_the_square_asked_for(shape):
    flat = np.full((*shape, 3), 77, np.uint8)
    assert np.array_equal(square(flat, 32), np.full((32, 32, 3), 77, np.uint8))


def test_the_short_side_is_resized_before_the_crop():
    left = np.zeros((8, 16, 3), np.uint8)
    left[:, 8:] = 255  # an edge in the middle stays in the middle
    small = square(left, 4)
    assert small.shape == (4, 4, 3)
    assert small[:, 0].max() < 10
    assert small[:, 3].min() > 245
    assert resize_and_crop(Picture.new("RGB", (30, 20)), 10).size == (10, 10)


def test_shrinking_is_antialiased():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(square(stripes, 8).astype(int) - 127).max() <= 6  # nearest or bilinear without antialias: 0 or 255


def test_fields_keep_their_unit():
    field = np.full((10, 20), 36.6, np.float32)
    field[:, 15:] = -200.5
    out = square_field(field, 10)
    assert out.dtype == np.float32
    assert out == pytest.approx(field[:, 5:15])
    assert square_field(np.full((30, 50), -40.25, np.float32), 12) == pytest.approx(-40.25)


def test_to_tensor_by_hand():
    pixels = np.array([[[0, 51, 255]]], np.uint8)  # 0, 0.2, 1
    out = to_tensor(pixels, (0.5, 0.2, 0.0), (0.5, 1.0, 0.25))
    assert out.shape == (3, 1, 1)
    assert out.dtype == torch.float32
    assert out.flatten().tolist() == pytest.approx([-1, 0, 4])


def test_to_tensor_takes_frames_and_does_not_change_them():
    frames = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
    before = frames.copy()
    frames.setflags(write=False)
    out = to_tensor(frames, (0, 0, 0), (1, 1, 1))
    assert out.shape == (4, 3, 5, 6)
    assert float(out[2, 1, 3, 4]) == pytest.approx(frames[2, 3, 4, 1] / 255)
    assert np.array_equal(frames, before)


def test_margins_are_rounded_as_the_reference_rounds_them():
    # short side 4 of 6 x 17 to 4: the long one is 17 * 4 // 6 = 11, its margin of 7 leaves round(3.5) = 4 on the left
    pixels = np.zeros((6, 17, 3), np.uint8)
    pixels[:] = 10 * np.arange(17, dtype=np.uint8)[:, None]
    expected = np.asarray(Picture.fromarray(pixels).resize((11, 4), Picture.Resampling.BICUBIC))[:, 4:8]
    assert np.array_equal(square(pixels, 4), expected)


@pytest.mark.reference
@pytest.mark.parametrize("key", [key for key in PREPROCESSING if key.startswith(("image:", "event_frame:"))])
def test_pictures_equal_the_reference_implementation(key):
    kind, name = key.split(":")
    folder = {"image": "image", "event_frame": "event"}[kind]
    picture = Picture.open(SAMPLES / folder / name).convert("RGB")
    actual = to_tensor(square(np.asarray(picture), 224), CLIP_MEAN, CLIP_STD).flatten().numpy()
    assert sampled(actual) == pytest.approx(PREPROCESSING[key]["values"], abs=1e-5)
    assert actual.mean() == pytest.approx(PREPROCESSING[key]["mean"], abs=1e-4)


@pytest.mark.parametrize("cubic", [True, False])
@pytest.mark.parametrize("side", [(10, 300), (333, 224), (224, 224), (97, 131), (7, 9)])
def test_the_center_of_a_resized_picture_is_that_of_torch(side, cubic):
    values = np.random.default_rng(0).random((*side, 3), dtype=np.float32)
    shape = tuple(n * 64 // min(side) for n in side)
    whole = torch.nn.functional.interpolate(
        torch.from_numpy(values).movedim(-1, 0)[None], shape, mode="bicubic" if cubic else "bilinear"
    )[0]
    top, left = (round((n - 64) / 2) for n in shape)
    expected = whole[:, top : top + 64, left : left + 64]
    torch.testing.assert_close(center_of_resized(values, shape, 64, cubic=cubic), expected, atol=3e-6, rtol=0)


def test_a_strip_needs_no_more_memory_than_its_center():
    strip = np.zeros((1, 40_000, 3), np.uint8)
    strip[:, 20_000:] = 100
    found = center_of_resized(strip, (224, 40_000 * 224), 224, cubic=False)  # whole: 24 GB
    assert found.shape == (3, 224, 224)
    ramp = (torch.arange(224) + 0.5) / 2.24  # one pixel wide, half in the dark and half in the light
    torch.testing.assert_close(found, ramp.expand(3, 224, 224), atol=1, rtol=0)
