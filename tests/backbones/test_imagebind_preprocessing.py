import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from unibind import Audio, Depth, Imu, PointCloud, Text, Video, read
from unibind.backbones.imagebind.preprocessing import Preprocessing
from unibind.backbones.imagebind.tokenizer import Tokeniser

SHARED = Path(__file__).parents[3] / "shared"
GOLDEN = SHARED / "reference" / "preprocessing.golden.json"
SAMPLES = {"image": "image", "event_frame": "event", "thermal": "thermal", "audio": "audio", "video": "video"}

tokens = Tokeniser()
inputs = Preprocessing()


class Numbered:
    """100 frames at 10 a second, 30 x 40, each as light as its number."""

    def frames(self, timestamps_s):
        number = (np.asarray(timestamps_s) * 10 + 1e-6).astype(np.uint8)
        return np.broadcast_to(number[:, None, None, None], (len(number), 30, 40, 3)).copy()


if GOLDEN.exists():  # beside the repository, not in it
    _REFERENCE = json.loads(GOLDEN.read_text())

    @pytest.mark.parametrize("name", [name for name in _REFERENCE if name != "text"])
    def test_inputs_equal_the_references(name):
        kind, file = name.split(":")
        wanted = _REFERENCE[name]
        modality = SAMPLES[kind]
        found = inputs(modality, read(SHARED / "samples" / modality / file, modality))
        assert list(found.shape) == wanted["shape"][1:]
        at = np.floor(np.linspace(0, found.numel() - 1, 64)).astype(int)
        difference = np.abs(found.flatten().numpy()[at] - wanted["values"])
        if kind == "audio":  # another resampler, so not to the last digit
            assert difference.mean() < 0.02
            assert found.mean() == pytest.approx(wanted["mean"], abs=0.005)
        else:
            assert difference.max() < 1e-4

    def test_tokens_equal_the_references():
        for text, wanted in _REFERENCE["text"].items():
            assert tokens(text).tolist() == wanted[: len(tokens(text))]


# --- texts ---------------------------------------------------------------------------------------------------------


def test_texts_are_cleaned_as_clip_cleans_them():
    plain = tokens("a dog & a cat").tolist()
    assert tokens("  A  dog &amp;amp;\n a\tCAT ").tolist() == plain  # entities twice, white space, case
    assert tokens("“a dog” isn\u2019t").tolist() == tokens('"a dog" isn\'t').tolist()
    assert tokens("cafÃ©").tolist() == tokens("café").tolist()  # mended encoding


@pytest.mark.parametrize("text", ["日本語の犬", "chó con 🐶", "Ünïcödé", "żółć", "a\u200bb", "<|endoftext|>", "\x07"])
def test_any_text_becomes_known_tokens(text):
    ids = tokens(text)
    assert (ids[0], ids[-1]) == (49406, 49407)
    assert ((ids >= 0) & (ids < 49408)).all()
    assert (ids == 49407).sum() == 1  # what a text says is not taken for its end


def test_hand_worked_tokens():
    assert tokens("A dog.").tolist() == [49406, 320, 1929, 269, 49407]


@pytest.mark.parametrize("words", [75, 76, 500])
def test_long_texts_keep_their_end(words):
    ids = tokens(" ".join(["dog"] * words))
    assert len(ids) == 77
    assert ids[-1] == 49407
    assert (ids[1:-1] == 1929).all()


def test_the_vocabulary_is_not_sent_to_workers():
    tokens("warm")
    assert len(pickle.dumps(tokens)) < 200
    assert pickle.loads(pickle.dumps(tokens))("a dog").tolist() == tokens("a dog").tolist()


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
def test_short_sounds_are_filled_with_nothing(count):
    clips = inputs("audio", Audio(np.ones(count, np.float32), 16_000))
    assert clips.shape == (3, 1, 128, 204)
    assert torch.isfinite(clips).all()
    assert torch.allclose(clips[..., -1], torch.tensor(4.268 / 9.138))


def test_a_video_is_cut_into_clips_and_crops():
    video = Video(Numbered(), 10.0, 10.0, 40, 30)
    clips = inputs("video", video)
    assert clips.shape == (15, 3, 2, 224, 224)
    red = clips[:, 0, :, 0, 0] * 0.26862954 + 0.48145466
    numbers = (red * 255).round().int().tolist()
    starts = [0, 20, 40, 60, 80]
    assert numbers == [[start, start + 19] for start in starts for _ in range(3)]


def test_a_video_of_one_frame_is_no_trouble():
    assert inputs("video", Video(Numbered(), 0.05, 10.0, 40, 30)).shape == (15, 3, 2, 224, 224)
    assert inputs("video", Video(Numbered(), 0.5, 10.0, 30, 40)).shape == (15, 3, 2, 224, 224)


def test_a_stride_looks_at_all_of_a_recording():
    strided = Preprocessing(clips=50, stride=1.0)
    assert len(strided("audio", Audio(np.ones(16_000 * 10, np.float32), 16_000))) == 9
    assert len(strided("video", Video(Numbered(), 10.0, 10.0, 40, 30))) == 27


# --- the others ----------------------------------------------------------------------------------------------------


def test_depth_follows_its_formula():
    metres = np.full((224, 224), 7.5, np.float32)
    metres[0, 0] = 0
    found = inputs("depth", Depth(metres))
    assert found.shape == (1, 224, 224)
    assert found[0, 100, 100] == pytest.approx((0.1 - 0.0418) / 0.0295, rel=1e-5)
    far = inputs("depth", Depth(np.full((30, 30), 500, np.float32)))
    assert far.max() == pytest.approx((1 - 0.0418) / 0.0295, rel=1e-4)


def test_readings_are_resampled_and_fitted():
    ramp = np.tile(np.arange(1000, dtype=np.float32), (6, 1))
    found = inputs("imu", Imu(ramp, 200.0))  # five seconds: exactly what is taken
    assert found.shape == (6, 2000)
    assert torch.allclose(found[0], torch.linspace(0, 999, 2000), atol=1e-2)
    assert (
        inputs("imu", Imu(ramp[:, :100], 400.0))[0, :100].tolist()
        == inputs("imu", Imu(ramp[:, :100], 400.0))[0, 100:200].tolist()
    )
    assert inputs("imu", Imu(ramp, 20.0)).shape == (6, 2000)


@pytest.mark.parametrize("count", [1, 5, 8192, 20_000])
def test_clouds_become_8192_points_in_the_unit_ball(count):
    points = np.random.default_rng(0).normal(5, 3, (count, 3)).astype(np.float32)
    found = inputs("point_cloud", PointCloud(points))
    assert found.shape == (8192, 3)
    assert found.norm(dim=1).max() <= 1 + 1e-5


def test_a_text_is_no_image():
    with pytest.raises(ValueError, match="image tower was given text"):
        inputs("image", Text("a dog"))
