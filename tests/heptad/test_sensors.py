from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.plain_renderer import RED, plain_model, plain_scene, samples_of
from unibind.heptad import sensors
from unibind.heptad.event_camera import EventCamera
from unibind.heptad.model import Motion
from unibind.heptad.patches import Paint, X, Y
from unibind.heptad.shapes import box, ellipsoid, rectangle

THRESHOLD = 0.2
QUIET = EventCamera(threshold=THRESHOLD, threshold_spread=0.0, refractory_us=0, noise_hz=0.0)
BALL = ellipsoid((0.7, 0.7, 0.7), Paint(RED, heat=30.0))
HAND = rectangle(1.0, 0.1, Paint((1.0, 1.0, 1.0)), "hand").moved(x=0.5).turned(X, 90)


def rng():
    return np.random.default_rng(5)


def one_pixel(*steps: float):
    """Frames of a 1 x 1 sensor whose log intensity changes by `steps` thresholds, one step per frame."""
    log = np.log(0.2 + 0.03) + THRESHOLD * np.cumsum([0.0, *steps])
    return np.repeat((np.exp(log) - 0.03)[:, None, None, None], 3, axis=3).astype(np.float32)


def test_a_step_of_three_thresholds_gives_three_events_evenly_in_time():
    events = QUIET.record(one_pixel(3.2), 10, rng())
    assert events[:, 1:].tolist() == [[0, 0, 1]] * 3
    assert events[:, 0] == pytest.approx(np.array([1, 2, 3]) / 3.2 * 100_000, abs=50)


def test_a_pixel_remembers_the_level_of_its_last_event():
    # up 3.2: three events, 0.2 left over; down 1.1: from +0.2 to -0.9, nothing; down 0.2: -1.1, one; up 2.2: two
    events = QUIET.record(one_pixel(3.2, -1.1, -0.2, 2.2), 10, rng())
    assert (events[:, 0] // 100_000).tolist() == [0, 0, 0, 2, 3, 3]
    assert events[:, 3].tolist() == [1, 1, 1, 0, 1, 1]


def test_a_pixel_is_silent_in_its_refractory_period():
    # crossings every 10 ms of a 100 ms interval: with a refractory period of 25 ms every third fires
    events = replace(QUIET, refractory_us=25_000).record(one_pixel(10.05), 10, rng())
    assert np.round(events[:, 0] / 10_000).tolist() == [1, 4, 7, 10]


def test_events_have_column_and_row():
    frames = np.full((2, 4, 6, 3), 0.2, np.float32)
    frames[1, 3, 5] = 0.9
    events = QUIET.record(frames, 10, rng())
    assert len(events) > 0 and set(map(tuple, events[:, 1:3].tolist())) == {(5, 3)}


def test_a_still_scene_gives_only_noise_events_at_their_rate():
    frames = np.full((21, 50, 40, 3), 0.4, np.float32)
    assert len(QUIET.record(frames, 10, rng())) == 0
    events = replace(QUIET, noise_hz=0.5).record(frames, 10, rng())
    assert len(events) == pytest.approx(0.5 * 50 * 40 * 2, rel=0.1)
    assert events[:, 3].mean() == pytest.approx(0.5, abs=0.05)
    assert (np.diff(events[:, 0]) >= 0).all() and events[:, 0].max() < 2_000_000
    assert events[:, 1].max() == 39 and events[:, 2].max() == 49


def test_the_readout_limits_the_number_of_events():
    frames = np.random.default_rng(0).random((5, 20, 20, 3), np.float32)
    all_events = QUIET.record(frames, 10, rng())
    limited = replace(QUIET, max_events=100).record(frames, 10, rng())
    assert len(all_events) > 1000 and len(limited) == 100
    assert {tuple(e) for e in limited.tolist()} <= {tuple(e) for e in all_events.tolist()}


def test_a_photograph_shows_the_object_in_front_of_its_backdrop():
    image = sensors.photograph(samples_of(BALL), plain_model([BALL]), plain_scene(), rng())
    assert image.shape == (128, 128, 3) and image.dtype == np.uint8
    red, green, _ = image[64, 64].astype(int)
    assert red - green > 100
    assert np.ptp(image[4, 4].astype(int)) <= 2  # gray


def test_a_thermal_image_shows_the_temperatures_of_object_and_surroundings():
    field = sensors.thermogram(samples_of(BALL), plain_model([BALL]), plain_scene(temperature=10.0), rng())
    assert field.shape == (96, 96) and field.dtype == np.float32
    middle, corner = field[44:52, 44:52].mean(), field[80:, :16].mean()
    assert 0.7 * 30 - 3 < middle - 10 < 1.2 * 30 + 3  # emissivity and drift vary
    assert corner == pytest.approx(10, abs=6)


def test_temperatures_saturate_below_the_overflow_of_the_file_format():
    fire = ellipsoid((0.7, 0.7, 0.7), Paint(RED, heat=900.0))
    assert sensors.thermogram(samples_of(fire), plain_model([fire]), plain_scene(), rng()).max() <= 380


def frames_of(model, scene=None, seed=5):
    generator = np.random.default_rng(seed)
    return sensors.scene_frames(samples_of(*model.patches), model, scene or plain_scene(), generator)


def test_moving_parts_move_in_the_video():
    model = plain_model([HAND], Motion("hand", "spin", 0.5, axis=Y))
    frames = frames_of(model, seed=1)
    assert frames.shape == (24, 96, 96, 3) and frames.min() >= 0 and frames.max() <= 1
    bright = frames[..., 0] > 0.8
    assert bright[0, :, 64:].sum() > 20 > bright[0, 64:].sum()  # the hand points right
    assert bright[6, 64:].sum() > 20 > bright[6, :, 64:].sum()  # a quarter turn later: down


def test_the_camera_orbits_still_objects():
    model = plain_model(box((1.2, 0.1, 0.8), Paint(RED)))
    width = [(np.abs(frame - 0.5).max(-1) > 0.1).any(0).sum() for frame in frames_of(model)[[0, 12, 23]]]
    assert width[1] > width[0] + 1 and width[1] > width[2] + 1


def test_video_and_events_record_the_same_scene():
    model = plain_model([HAND], Motion("hand", "spin", 0.5, axis=Y))
    frames = frames_of(model, seed=1)
    video = sensors.record_video(frames, plain_scene(), rng())
    assert video.shape == frames.shape and video.dtype == np.uint8
    events = EventCamera(noise_hz=0.0).record(frames, sensors.FPS, rng())
    still = np.ptp(frames, axis=0).max(-1) < 1e-3
    assert len(events) > 500
    assert not still[events[:, 2], events[:, 1]].any()


def test_a_point_cloud_stands_upright_and_has_the_size_of_the_object():
    mast = box((0.2, 0.2, 1.8), Paint(RED))
    points = sensors.scan(samples_of(*mast), plain_scene(size=1.1), rng())
    assert points.shape == (2048, 3) and points.dtype == np.float32
    low, high = np.percentile(points, [2, 98], axis=0)
    assert (high - low)[1] == pytest.approx(1.1 * 1.8 * 0.96, abs=0.1)  # y is up
    assert (high - low)[[0, 2]].max() < 0.5
