import numpy as np
import pytest
import soundfile
import torch

from tests.helpers.reference import PREPROCESSING, SAMPLES, sampled
from unibind.preprocess.filterbank import log_mel

RECORDINGS = ("audio_airplane.wav", "audio_car.wav")  # the mono ones


def plain_log_mel(samples, rate, bins, frame, shift):
    """One frame, one filter, one frequency at a time, in double precision."""
    size = 1
    while size < frame:
        size *= 2
    window = [0.5 - 0.5 * np.cos(2 * np.pi * n / (frame - 1)) for n in range(frame)]
    low, high = 1127 * np.log(1 + 20 / 700), 1127 * np.log(1 + rate / 2 / 700)
    step = (high - low) / (bins + 1)
    rows = []
    for start in range(0, len(samples) - frame + 1, shift):
        x = samples[start : start + frame].astype(float)
        x = x - x.mean()
        x = np.array([x[n] - 0.97 * x[max(n - 1, 0)] for n in range(frame)]) * window
        power = np.abs(np.fft.fft(x, size)) ** 2
        row = []
        for b in range(bins):
            left, middle, right = (low + (b + i) * step for i in range(3))
            energy = 0.0
            for k in range(size // 2):
                mel = 1127 * np.log(1 + k * rate / size / 700)
                if left < mel < right:
                    weight = (mel - left) / (middle - left) if mel <= middle else (right - mel) / (right - middle)
                    energy += weight * power[k]
            row.append(np.log(max(energy, np.finfo(np.float32).eps)))
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize(("rate", "bins"), [(16_000, 64), (16_000, 128), (8_000, 23)])
def test_filter_bank_equals_a_plain_one(rate, bins):
    rng = np.random.default_rng(rate + bins)
    samples = (rng.normal(0, 0.1, rate // 10) + 0.2).astype(np.float32)
    actual = log_mel(torch.from_numpy(samples), rate, bins=bins).numpy()
    wanted = plain_log_mel(samples, rate, bins, frame=rate // 40, shift=rate // 100)
    assert actual.shape == wanted.shape == (1 + (rate // 10 - rate // 40) // (rate // 100), bins)
    assert np.abs(actual - wanted).max() < 5e-3
    assert np.abs(actual - wanted).mean() < 2e-4


def test_recordings_in_a_batch_do_not_interact():
    waves = torch.randn(2, 3, 1600, generator=torch.Generator().manual_seed(0))
    together = log_mel(waves, 16_000, bins=40)
    assert together.shape == (2, 3, 8, 40)
    assert torch.allclose(together[1, 2], log_mel(waves[1, 2], 16_000, bins=40), atol=1e-4)


def test_silence_is_the_smallest_float_step():
    assert torch.all(log_mel(torch.zeros(400), 16_000, bins=16) == float(np.log(np.finfo(np.float32).eps)))


@pytest.mark.parametrize("hertz", [300, 1000, 4000])
def test_a_tone_is_loudest_in_the_filter_at_its_pitch(hertz):
    t = np.arange(1600) / 16_000
    mel = log_mel(torch.from_numpy(np.sin(2 * np.pi * hertz * t).astype(np.float32)), 16_000, bins=64)
    low, high = (1127 * np.log1p(f / 700) for f in (20, 8000))
    place = (1127 * np.log1p(hertz / 700) - low) / (high - low) * 65 - 1
    assert abs(int(mel.mean(dim=0).argmax()) - place) <= 1


def test_a_recording_shorter_than_a_frame_is_refused():
    assert log_mel(torch.ones(400), 16_000, bins=8).shape == (1, 8)
    with pytest.raises(ValueError, match=r"at least 400 samples \(25.0 ms\), not 399"):
        log_mel(torch.ones(399), 16_000, bins=8)


def windowed_sinc(samples, rate, to, zeros=6, rolloff=0.99):
    """The reference's resampler: a Hann-windowed sinc with `zeros` zero crossings on each side."""
    cut = min(rate, to) * rolloff
    reach = int(np.ceil(zeros * rate / cut))
    at = np.arange(int(np.ceil(len(samples) * to / rate))) / to  # seconds
    first = np.floor(at * rate).astype(int)
    padded = np.pad(samples.astype(float), reach + 1)
    out = np.zeros(len(at))
    for offset in range(-reach, reach + 2):
        t = np.clip((at - (first + offset) / rate) * cut, -zeros, zeros)
        kernel = np.sinc(t) * np.cos(t * np.pi / zeros / 2) ** 2 * cut / rate
        out += kernel * padded[np.clip(first + offset + reach + 1, 0, len(padded) - 1)]
    return out.astype(np.float32)


def reference_clips(path):
    """ImageBind's input of a recording [3, 1, 128, 204], but for the filter bank, which is ours."""
    samples, rate = soundfile.read(path, dtype="float32")
    samples = windowed_sinc(samples, rate, 16_000)
    clips = []
    for start in np.linspace(0, len(samples) / 16_000 - 2, 3):
        clip = samples[round(start * 16_000) : round(start * 16_000) + 32_000]
        mel = log_mel(torch.from_numpy(clip - clip.mean()), 16_000, bins=128).T.numpy()
        clips.append((np.pad(mel, ((0, 0), (0, 204 - mel.shape[1]))) + 4.268) / 9.138)
    return np.stack(clips)[:, None]


@pytest.mark.reference
@pytest.mark.parametrize("name", RECORDINGS)
def test_filter_bank_equals_the_reference_implementation(name):
    expected = PREPROCESSING[f"audio:{name}"]
    clips = reference_clips(SAMPLES / "audio" / name)
    assert [1, *clips.shape] == expected["shape"]
    assert np.abs(sampled(clips) - expected["values"]).mean() < 2e-3
    assert clips.mean() == pytest.approx(expected["mean"], abs=2e-3)
    assert clips.std() == pytest.approx(expected["std"], abs=2e-3)
