from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unibind.modalities.event import Events
from unibind.preprocess.events import BRIGHTER, DARKER, event_frames, rendered_event_frames


def recording(rows: list[tuple[int, int, int, bool]], width: int, height: int) -> Events:
    t, x, y, p = (np.array(column) for column in zip(*rows, strict=True))
    return Events(t.astype(np.int64), x.astype(np.int32), y.astype(np.int32), p.astype(bool), width, height)


def plain_frames(events: Events, frames: int, height: int, width: int) -> torch.Tensor:
    """One event at a time, for sensors no smaller than the frame."""
    scale = min(height / events.height, width / events.width)
    inner_height, inner_width = max(1, round(events.height * scale)), max(1, round(events.width * scale))
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    counts = np.zeros((frames, 2, height, width))
    span = int(events.t[-1]) - int(events.t[0]) + 1
    for t, x, y, p in zip(events.t, events.x, events.y, events.p, strict=True):
        slot = (int(t) - int(events.t[0])) * frames // span
        row, column = int(y) * inner_height // events.height, int(x) * inner_width // events.width
        counts[slot, BRIGHTER if p else DARKER, top + row, left + column] += 1
    values = np.log1p(counts)
    return torch.tensor(np.minimum(values / np.percentile(values[values > 0], 99), 1), dtype=torch.float32)


def test_counts_land_in_their_slice_polarity_and_pixel() -> None:
    events = recording([(0, 0, 0, True), (1, 0, 0, True), (2, 0, 0, True), (9, 1, 1, False)], width=2, height=2)
    frames = event_frames(events, 2, 2, 2)
    assert frames.shape == (2, 2, 2, 2)
    assert frames.dtype == torch.float32
    # log values are log 4 and log 2; their 99th percentile is log 2 + 0.99 (log 4 - log 2) = 1.99 log 2
    assert frames[0, BRIGHTER, 0, 0] == 1
    assert float(frames[1, DARKER, 1, 1]) == pytest.approx(1 / 1.99)
    assert int((frames > 0).sum()) == 2


def test_slices_have_equal_duration() -> None:
    events = recording([(t, 0, 0, True) for t in (0, 24, 25, 49, 50, 74, 75, 99)], width=1, height=1)
    log3, log_peak = math.log(3), math.log(3)
    assert event_frames(events, 4, 1, 1).flatten().tolist() == pytest.approx(
        [log3 / log_peak, 0, log3 / log_peak, 0, log3 / log_peak, 0, log3 / log_peak, 0]
    )


def test_wide_sensor_is_centered_with_its_aspect() -> None:
    corners = [(0, 0, 0, True), (1, 7, 0, True), (2, 0, 3, True), (3, 7, 3, True)]
    frame = event_frames(recording(corners, width=8, height=4), 1, 4, 4)[0, BRIGHTER]
    assert torch.nonzero(frame).tolist() == [[1, 0], [1, 3], [2, 0], [2, 3]]


def test_pixels_of_a_small_sensor_are_repeated() -> None:
    frame = event_frames(recording([(0, 1, 0, False)], width=2, height=2), 1, 4, 4)[0, DARKER]
    assert frame.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_hot_pixel_does_not_darken_the_rest() -> None:
    rows = [(i, i % 20, 0, True) for i in range(400)] + [(400 + i, 0, 1, True) for i in range(100_000)]
    many = [(i, i % 20, i // 20, True) for i in range(400)]
    events = recording(sorted(rows + many), width=20, height=20)
    assert float(event_frames(events, 1, 20, 20)[0, BRIGHTER, 5, 5]) > 0.2


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000))
def test_agrees_with_the_plain_version(frames: int, height: int, width: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    sensor_width, sensor_height, n = 12 + random.integers(9), 12 + random.integers(9), 200
    t = np.sort(random.integers(0, 1000, n))
    x, y = random.integers(0, sensor_width, n), random.integers(0, sensor_height, n)
    events = recording(
        list(zip(t, x, y, random.integers(0, 2, n) > 0, strict=True)), int(sensor_width), int(sensor_height)
    )
    torch.testing.assert_close(event_frames(events, frames, height, width), plain_frames(events, frames, height, width))


def rendered(background: tuple[int, int, int], mark: tuple[int, int, int]) -> np.ndarray:
    pixels = np.full((4, 4, 3), background, np.uint8)
    pixels[1, 2] = mark
    return pixels


WHITE, BLACK, GRAY = (255, 255, 255), (0, 0, 0), (128, 128, 128)


@pytest.mark.parametrize(
    ("background", "mark", "brighter", "darker"),
    [
        (WHITE, (255, 0, 0), 1, 0),
        (WHITE, (0, 0, 255), 0, 1),
        (BLACK, (255, 255, 0), 1, 0),  # yellow
        (BLACK, (0, 255, 255), 0, 1),  # cyan
        (BLACK, (255, 0, 255), 1, 1),  # magenta: both polarities in one pixel
        (GRAY, WHITE, 1, 0),  # no color: by lightness
        (GRAY, BLACK, 0, 1),
    ],
)
def test_rendered_marks_are_distinguished_by_color(background, mark, brighter: int, darker: int) -> None:
    counts = rendered_event_frames(rendered(background, mark), 3, 4, 4)
    assert counts.shape == (3, 2, 4, 4)
    assert counts.dtype == torch.float32
    assert counts[:, BRIGHTER, 1, 2].tolist() == [brighter] * 3
    assert counts[:, DARKER, 1, 2].tolist() == [darker] * 3
    assert float(counts.sum()) == 3 * (brighter + darker)


def test_a_rendered_frame_is_fitted_and_centered() -> None:
    pixels = np.full((4, 8, 3), 255, np.uint8)
    pixels[:2, :2] = (255, 0, 0)
    pixels[2:, 6:] = (0, 0, 255)
    counts = rendered_event_frames(pixels, 1, 4, 4)[0]
    assert torch.nonzero(counts[BRIGHTER]).tolist() == [[1, 0]]
    assert torch.nonzero(counts[DARKER]).tolist() == [[2, 3]]


def test_blank_picture_has_no_marks() -> None:
    assert float(rendered_event_frames(np.full((5, 5, 3), 9, np.uint8), 2, 8, 8).sum()) == 0
