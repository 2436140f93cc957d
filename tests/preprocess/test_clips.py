import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unibind.errors import UnibindError
from unibind.preprocess.clips import ClipPolicy, center_window, even_moments, resampled, sinc_resampled


def test_a_short_recording_is_repeated():
    assert center_window(np.array([1, 2, 3], np.float32), 7).tolist() == [1, 2, 3, 1, 2, 3, 1]
    assert center_window(np.array([5], np.float32), 3).tolist() == [5, 5, 5]


def test_the_middle_of_a_long_recording_is_used():
    assert center_window(np.arange(10, dtype=np.float32), 4).tolist() == [3, 4, 5, 6]
    assert center_window(np.arange(9, dtype=np.float32), 4).tolist() == [2, 3, 4, 5]
    assert center_window(np.arange(4, dtype=np.float32), 4).tolist() == [0, 1, 2, 3]


@settings(deadline=None, max_examples=40)
@given(length=st.integers(1, 50), count=st.integers(1, 50))
def test_a_window_has_the_length_asked_for_and_keeps_the_order(length, count):
    window = center_window(np.arange(length, dtype=np.float32), count)
    assert window.dtype == np.float32
    assert len(window) == count
    assert np.array_equal(window, (window[0] + np.arange(count)) % length)


def test_moments_are_the_middles_of_equal_parts():
    assert even_moments(6.0, 3).tolist() == [1, 3, 5]
    assert even_moments(0.5, 1).tolist() == [0.25]
    assert even_moments(0.0, 2).tolist() == [0, 0]


def test_the_same_rate_changes_nothing():
    samples = np.random.default_rng(0).normal(size=100).astype(np.float32)
    assert resampled(samples, 8000, 8000) is samples


@pytest.mark.parametrize("to", [4000, 16_000, 11_025])
def test_a_tone_keeps_its_pitch_and_loudness(to):
    def tone(rate):
        return np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)

    actual = resampled(tone(8000), 8000, to)
    assert actual.dtype == np.float32
    assert len(actual) == to
    inner = slice(to // 10, -to // 10)  # away from where it starts and ends
    assert actual[inner] == pytest.approx(tone(to)[inner], abs=2e-3)


def test_frequencies_above_the_new_rate_are_filtered_out():
    high = np.sin(2 * np.pi * 3500 * np.arange(8000) / 8000).astype(np.float32)
    assert np.abs(resampled(high, 8000, 4000)[400:-400]).max() < 1e-3


def plain_sinc(samples, rate, to, place):
    """One new sample, one old sample at a time."""
    cut = min(rate, to) * 0.99
    total = 0.0
    for i, sample in enumerate(samples):
        t = (place / to - i / rate) * cut
        if abs(t) < 6:
            total += sample * np.sinc(t) * np.cos(np.pi * t / 12) ** 2 * cut / rate
    return total


@pytest.mark.parametrize(
    ("rate", "to"), [(44_100, 16_000), (8_000, 16_000), (48_000, 16_000), (16_001, 16_000), (7, 3)]
)
def test_windowed_sinc_equals_a_plain_one(rate, to):
    samples = np.random.default_rng(rate).normal(size=300).astype(np.float32)
    count = -(-300 * to // rate)
    actual = sinc_resampled(samples, rate, to, 0, count)
    assert actual.dtype == np.float32
    assert actual == pytest.approx([plain_sinc(samples, rate, to, place) for place in range(count)], abs=1e-5)


@settings(deadline=None, max_examples=40)
@given(first=st.integers(0, 99), count=st.integers(1, 100), rates=st.sampled_from([(3, 2), (2, 3), (11, 10)]))
def test_a_part_is_resampled_as_in_the_whole(first, count, rates):
    samples = np.random.default_rng(0).normal(size=100).astype(np.float32)
    whole = sinc_resampled(samples, *rates, 0, 200)
    np.testing.assert_allclose(sinc_resampled(samples, *rates, first, count), whole[first : first + count], atol=1e-6)


def test_sinc_at_the_same_rate_only_cuts():
    samples = np.arange(9, dtype=np.float32)
    assert sinc_resampled(samples, 8000, 8000, 2, 3).tolist() == [2, 3, 4]


def test_rates_that_are_not_of_sounds_are_refused():
    with pytest.raises(UnibindError, match="4,294,967,295 samples per second"):
        sinc_resampled(np.zeros(4, np.float32), 0xFFFFFFFF, 16_000, 0, 1)


@pytest.mark.parametrize(
    ("policy", "duration", "starts"),
    [
        (ClipPolicy(3, 2.0), 10.0, [0, 4, 8]),
        (ClipPolicy(3, 2.0), 2.0, [0, 0, 0]),
        (ClipPolicy(3, 2.0), 0.5, [0, 0, 0]),
        (ClipPolicy(1, 2.0), 10.0, [0]),
        (ClipPolicy(10, 2.0, stride=1.0), 5.0, [0, 1, 2, 3]),
        (ClipPolicy(10, 2.0, stride=1.0), 1.0, [0]),
        (ClipPolicy(3, 2.0, stride=1.0), 10.0, [0, 4, 8]),
        (ClipPolicy(10, 2.0, stride=0.1), 2.3, [0, 0.1, 0.2, 0.3]),
    ],
)
def test_clips_start_where_the_policy_puts_them(policy, duration, starts):
    np.testing.assert_allclose(policy.starts(duration), starts, atol=1e-9)


@pytest.mark.parametrize("wrong", [(0, 2.0, None), (3, 0.0, None), (3, float("nan"), None), (3, 2.0, 0.0)])
def test_impossible_clips_are_refused(wrong):
    with pytest.raises(UnibindError, match="must be positive"):
        ClipPolicy(*wrong)
