import numpy as np
import pytest

from unibind import Events
from unibind.preprocess.pictures import depth_picture, event_picture, thermal_picture


def recording(pixels, width=4, height=3):
    """Events at (x, y, brighter), one per millisecond."""
    x, y, p = (np.array(column) for column in zip(*pixels, strict=True))
    t = np.arange(len(x), dtype=np.int64) * 1000
    return Events(t, x.astype(np.int32), y.astype(np.int32), p.astype(bool), width, height)


def test_brighter_is_yellow_darker_is_cyan_both_are_their_sum():
    picture = event_picture(recording([(0, 0, 1), (1, 0, 0), (2, 1, 1), (2, 1, 0)]))
    assert picture.shape == (3, 4, 3)
    assert picture[0, 0].tolist() == [255, 255, 0]
    assert picture[0, 1].tolist() == [0, 255, 255]
    assert picture[1, 2].tolist() == [255, 255, 255]
    assert not picture[2].any()


def test_strength_follows_the_count():
    picture = event_picture(recording([(0, 0, 1)] * 4 + [(1, 0, 1)] * 2 + [(2, 0, 0)] * 4))
    assert picture[0, 0, 0] > 250
    assert picture[0, 1, 0] == pytest.approx(picture[0, 0, 0] / 2, abs=4)


def test_a_hot_pixel_does_not_darken_the_rest():
    calm = [(i % 100, i // 100, 1) for i in range(200)]
    picture = event_picture(recording(calm + [(99, 9, 1)] * 1000, 100, 10))
    assert picture[0, 0, 0] > 200


def test_bytes_stay_bytes():
    counts = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(thermal_picture((counts / 255).astype(np.float32), celsius=False), counts)


def test_degrees_and_fine_counts_are_stretched():
    field = np.linspace(20, 30, 101, dtype=np.float32)[None]
    for gray in (thermal_picture(field, celsius=True)[0], thermal_picture(field / 1000, celsius=False)[0]):
        assert (gray[0], gray[-1]) == (0, 255)
        assert (np.diff(gray.astype(int)) >= 0).all()
        assert gray[50] == pytest.approx(128, abs=1)


def test_a_field_without_contrast_is_one_gray():
    assert len(np.unique(thermal_picture(np.full((4, 4), 21.5, np.float32), celsius=True))) == 1


def test_a_huge_sensor_is_drawn_small():
    corners = np.array([0, 9999])
    x, y = corners.astype(np.int32), corners.astype(np.int32)
    events = Events(np.array([0, 1]), x, y, np.ones(2, bool), 10_000, 10_000)
    pixels = event_picture(events)
    assert pixels.shape == (1280, 1280, 3)
    assert pixels[0, 0].tolist() == pixels[-1, -1].tolist() == [255, 255, 0]
    assert np.count_nonzero(pixels) == 4


def test_near_is_light_far_is_dark_and_unknown_is_black():
    depths = np.tile(np.linspace(1, 3, 200, dtype=np.float32), (10, 1))
    depths[0, 0] = 0
    gray = depth_picture(depths)
    assert gray.dtype == np.uint8 and gray.shape == depths.shape
    assert (gray[0, 0], gray[1, 0], gray[1, -1]) == (0, 255, 0)
    assert (np.diff(gray[1].astype(int)) <= 0).all()
    assert not depth_picture(np.zeros((4, 4), np.float32)).any()
    assert len(np.unique(depth_picture(np.full((4, 4), 2, np.float32)))) == 1
