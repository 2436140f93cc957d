import numpy as np
import pytest
import torch
from PIL import Image as Picture

from tests.helpers.reference import PREPROCESSING, SAMPLES, sampled
from unibind import Audio, Depth, Imu, PointCloud, Video, read
from unibind.backbones.imagebind.preprocessing import Preprocessing

inputs = Preprocessing()


class Numbered:
    """100 frames at 10 a second, 30 x 40, each as light as its number."""

    def frames(self, timestamps_s):
        number = (np.asarray(timestamps_s) * 10 + 1e-6).astype(np.uint8)
        return np.broadcast_to(number[:, None, None, None], (len(number), 30, 40, 3)).copy()


@pytest.mark.reference
@pytest.mark.parametrize("key", [key for key in PREPROCESSING if key != "text"])
def test_inputs_equal_those_of_the_reference(key):
    kind, file = key.split(":")
    expected = PREPROCESSING[key]
    modality = "event" if kind == "event_frame" else kind
    tensor = inputs(modality, read(SAMPLES / modality / file, modality))
    assert list(tensor.shape) == expected["shape"][1:]
    difference = np.abs(sampled(tensor) - expected["values"])
    assert difference.max() < (1e-3 if kind == "audio" else 1e-4)  # near silence, logarithms amplify the last bits
    assert tensor.mean() == pytest.approx(expected["mean"], abs=1e-5)
    assert tensor.std() == pytest.approx(expected["std"], abs=1e-5)


# --- recordings ----------------------------------------------------------------------------------------------------


def test_clips_of_a_sound_lie_where_the_policy_says():
    quiet = np.zeros(16_000 * 10, np.float32)
    quiet[16_000 * 4 : 16_000 * 6] = np.sin(np.arange(32_000) * 0.3)  # only the middle of three clips, 4 s to 6 s
    clips = inputs("audio", Audio(quiet, 16_000))
    assert clips.shape == (3, 1, 128, 204)
    loud = clips.flatten(1).amax(dim=1)
    assert loud[1] > loud[0] + 0.5
    assert loud[1] > loud[2] + 0.5


@pytest.mark.parametrize("count", [1, 100, 400, 16_000])
def test_short_sounds_are_padded(count):
    clips = inputs("audio", Audio(np.ones(count, np.float32), 16_000))
    assert clips.shape == (3, 1, 128, 204)
    assert torch.isfinite(clips).all()
    assert torch.allclose(clips[..., -1], torch.tensor(4.268 / 9.138))


def test_long_clips_are_cut_at_their_end():
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000 * 9).astype(np.float32)
    long = Preprocessing(clips=2, clip_seconds=4.0)("audio", Audio(noise, 16_000))  # from 0 s and from 5 s
    begin = 16_000 * 5
    alone = Preprocessing(clips=1, clip_seconds=3.0)("audio", Audio(noise[begin : begin + 32_880], 16_000))
    assert torch.equal(long[1], alone[0])


def test_a_video_is_cut_into_clips_and_crops():
    video = Video(Numbered(), 10.0, 10.0, 40, 30)
    clips = inputs("video", video)
    assert clips.shape == (15, 3, 2, 224, 224)
    red = clips[:, 0, :, 0, 0] * 0.26862954 + 0.48145466
    numbers = (red * 255).round().int().tolist()
    starts = [0, 20, 40, 60, 80]
    assert numbers == [[start, start + 19] for start in starts for _ in range(3)]


def test_a_video_of_one_frame_works():
    assert inputs("video", Video(Numbered(), 0.05, 10.0, 40, 30)).shape == (15, 3, 2, 224, 224)
    assert inputs("video", Video(Numbered(), 0.5, 10.0, 30, 40)).shape == (15, 3, 2, 224, 224)


def test_a_stride_looks_at_all_of_a_recording():
    strided = Preprocessing(clips=50, stride=1.0)
    assert len(strided("audio", Audio(np.ones(16_000 * 10, np.float32), 16_000))) == 9
    assert len(strided("video", Video(Numbered(), 10.0, 10.0, 40, 30))) == 27


# --- the others ----------------------------------------------------------------------------------------------------


def test_depth_becomes_disparity():
    meters = np.full((224, 224), 1.5, np.float32)
    meters[:, :40] = 3
    meters[:, -40:] = 0  # unknown
    found = inputs("depth", Depth(meters))
    assert found.shape == (1, 224, 224)
    for column, disparity in ((112, 0.075 * 520 / (8 * 1.5)), (10, 0.075 * 520 / (8 * 3)), (-10, 0)):  # pixels
        assert found[0, 100, column] == pytest.approx((disparity / 75 - 0.0418) / 0.0295, rel=1e-4)


@pytest.mark.parametrize(("meters", "disparity"), [(1e-4, 75), (0.05, 75), (7, 0.78), (500, 0.78), (1e38, 0.78)])
def test_disparity_is_bounded(meters, disparity):
    found = inputs("depth", Depth(np.full((30, 50), meters, np.float32)))
    assert torch.allclose(found, torch.tensor((disparity / 75 - 0.0418) / 0.0295), rtol=1e-3)


def test_five_seconds_of_readings_become_2000():
    ramp = np.tile(np.arange(1000, dtype=np.float32), (6, 1))
    found = inputs("imu", Imu(ramp, 200.0))
    assert found.shape == (6, 2000)
    assert torch.allclose(found[5], torch.linspace(0, 999, 2000), atol=1e-3)


def test_long_recordings_are_cut_to_their_middle():
    ramp = np.tile(np.arange(1000, dtype=np.float32), (6, 1))
    found = inputs("imu", Imu(ramp, 20.0))[0]  # 5 of 50 s are 100 readings
    assert torch.allclose(found, 450 + torch.arange(2000) / 20, atol=1e-3)


def test_few_readings_are_repeated():
    found = inputs("imu", Imu(np.tile(np.arange(100, dtype=np.float32), (6, 1)), 400.0))[0]
    assert found.tolist() == list(range(100)) * 20


@pytest.mark.parametrize("rate", [1e-300, 1e-3, 1e9])
def test_memory_is_bounded_at_any_sampling_rate(rate):
    found = inputs("imu", Imu(np.ones((6, 50), np.float32), rate))
    assert found.shape == (6, 2000)
    assert torch.all(found == 1)


@pytest.mark.parametrize("count", [1, 5, 8192, 20_000])
def test_clouds_become_8192_points_in_the_unit_ball(count):
    points = np.random.default_rng(0).normal(5, 3, (count, 3)).astype(np.float32)
    found = inputs("point_cloud", PointCloud(points))
    assert found.shape == (8192, 3)
    assert found.norm(dim=1).max() <= 1 + 1e-5


# --- generated files against computations written out -----------------------------------------------------------------


@pytest.mark.slow
def test_an_image_file_becomes_its_resized_center_in_clips_scale(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 451, 3), np.uint8)
    Picture.fromarray(pixels).save(tmp_path / "a.png")
    resized = Picture.fromarray(pixels).resize((451 * 224 // 300, 224), Picture.Resampling.BICUBIC)
    left = round((resized.width - 224) / 2)
    center = np.asarray(resized.crop((left, 0, left + 224, 224)), np.float32) / 255
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    expected = ((center - mean) / std).transpose(2, 0, 1)
    tensor = inputs("image", read(tmp_path / "a.png", "image"))
    assert tensor.numpy() == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_a_thermal_picture_becomes_gray_levels_around_zero(tmp_path):
    gray = np.random.default_rng(0).integers(0, 256, (224, 224), np.uint8)
    Picture.fromarray(gray).save(tmp_path / "a.png")
    tensor = inputs("thermal", read(tmp_path / "a.png", "thermal"))
    assert tensor.numpy() == pytest.approx((gray[None] / 255 - 0.5) / 0.5, abs=1e-4)
