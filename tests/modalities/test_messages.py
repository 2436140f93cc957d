"""How items are shown to multimodal models: what parts a message gets, and what can be seen and heard in them."""

import base64
import io
import re
import wave

import numpy as np
import pytest
from PIL import Image as Picture

from tests.helpers.frames import Brightening
from unibind.errors import UnibindError, UnknownNameError
from unibind.modalities import RenderOptions, modality_names
from unibind.modalities.audio import Audio
from unibind.modalities.depth import Depth
from unibind.modalities.event import EventFrame, Events
from unibind.modalities.image import Image
from unibind.modalities.imu import Imu
from unibind.modalities.messages import render
from unibind.modalities.point_cloud import PointCloud, view_from
from unibind.modalities.text import Text
from unibind.modalities.thermal import Thermal
from unibind.modalities.video import Video

RANDOM = np.random.default_rng(0)


def noise(height, width):
    return RANDOM.integers(0, 256, (height, width, 3), np.uint8)


def tone(seconds, level=0.5, rate=16_000, hertz=440):
    return Audio((level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32), rate)


def moving_right(count=100):
    """An edge that crosses a sensor of 60 x 40 from left to right in a second."""
    t = np.arange(count, dtype=np.int64) * 1_000_000 // count
    x = (t * 60 // 1_000_000).astype(np.int32)
    return Events(t, x, np.arange(count, dtype=np.int32) % 40, np.arange(count) % 2 == 0, 60, 40)


EXAMPLES = {
    "image": Image(noise(300, 400)),
    "audio": tone(1.5),
    "point_cloud": PointCloud(RANDOM.normal(size=(500, 3)).astype(np.float32)),
    "thermal": Thermal(np.tile(np.linspace(15, 40, 64, dtype=np.float32), (48, 1)), celsius=True),
    "video": Video(Brightening(), 24.0, 12.0, 64, 48),
    "event": moving_right(),
    "depth": Depth(np.tile(np.linspace(1, 5, 64, dtype=np.float32), (48, 1))),
    "imu": Imu(RANDOM.normal(size=(6, 200)).astype(np.float32), 50.0),
}


def words(parts):
    return " ".join(part["text"] for part in parts if part["type"] == "text")


def pictures(parts):
    decoded = []
    for part in parts:
        if part["type"] == "image_url":
            head, _, data = part["image_url"]["url"].partition(",")
            assert head == "data:image/jpeg;base64"
            picture = Picture.open(io.BytesIO(base64.b64decode(data, validate=True)))
            assert picture.format == "JPEG"
            assert picture.mode == "RGB"
            decoded.append(picture)
    return decoded


def test_every_modality_but_text_has_an_example():
    assert set(EXAMPLES) == set(modality_names()) - {"text"}


@pytest.mark.parametrize("modality", EXAMPLES)
@pytest.mark.parametrize("one_picture", [False, True])
def test_every_modality_is_shown_in_pictures_of_bounded_size(modality, one_picture):
    parts = render(EXAMPLES[modality], RenderOptions(side=300, one_picture=one_picture))
    assert all(set(part) == {"type", part["type"]} for part in parts)
    seen = pictures(parts)
    assert seen
    widest = {"audio": 450, "imu": 450}.get(modality, 300)
    if one_picture:
        assert len(seen) == 1
        assert max(seen[0].size) <= 1536
    else:
        assert all(min(p.size) >= 32 and max(p.size) <= widest for p in seen)


@pytest.mark.parametrize("modality", sorted(set(EXAMPLES) - {"image"}))
def test_all_but_images_are_explained_before_they_are_shown(modality):
    first, *_ = render(EXAMPLES[modality])
    assert first["type"] == "text"
    assert len(first["text"].split()) > 5


def test_a_text_is_not_shown():
    with pytest.raises(UnknownNameError, match="unknown modality to show 'text'; choose one of: audio"):
        render(Text("a drum"))


def test_an_image_is_scaled_down():
    pixels = np.zeros((600, 1200, 3), np.uint8)
    pixels[:, :600] = (255, 0, 0)
    (picture,) = pictures(render(Image(pixels), RenderOptions(side=256)))
    assert picture.size == (256, 128)
    left, right = (np.asarray(picture)[64, x].astype(int) for x in (40, 216))
    assert np.abs(left - (255, 0, 0)).max() < 12
    assert right.max() < 12


@pytest.mark.parametrize(("size", "shown"), [((8, 8), (224, 224)), ((3, 2000), (32, 512)), ((1, 1), (224, 224))])
def test_tiny_and_thin_pictures_are_enlarged_for_models(size, shown):
    width, height = size
    (picture,) = pictures(render(Image(noise(height, width))))
    assert picture.size == shown


def test_a_thermal_message_states_its_temperatures():
    text = words(render(EXAMPLES["thermal"]))
    assert "from 15.0 °C to 40.0 °C, 27.5 °C on average" in text


def test_counts_are_not_called_degrees():
    text = words(render(Thermal(EXAMPLES["thermal"].values / 40, celsius=False)))
    assert "no degrees" in text
    assert "°C" not in text


def test_hot_is_light_in_a_thermal_picture():
    (picture,) = pictures(render(EXAMPLES["thermal"]))
    gray = np.asarray(picture.convert("L"))[picture.height // 2]
    assert gray[20] < 30
    assert gray[picture.width - 90] > 200


def test_event_frames_follow_the_motion():
    parts = render(moving_right(), RenderOptions(frames=4))
    whole, *slices = pictures(parts)
    assert len(slices) == 3
    assert "0.33 s to 0.66 s" in words(parts)
    middles = [
        np.asarray(p.convert("L")).sum(axis=0) @ np.arange(p.width) / np.asarray(p.convert("L")).sum() for p in slices
    ]
    assert middles == sorted(middles)
    assert middles[-1] - middles[0] > whole.width / 2


def test_slices_without_events_are_not_shown():
    quiet = Events(np.array([0, 1, 900_000]), *(np.array([0, 1, 2], np.int32),) * 2, np.array([True] * 3), 10, 10)
    parts = render(quiet, RenderOptions(frames=4))
    assert len(pictures(parts)) == 3  # the whole, the first third, the last third


def test_one_event_is_enough():
    single = Events(np.array([0]), *(np.array([3], np.int32),) * 2, np.array([True]), 10, 10)
    assert len(pictures(render(single))) == 2


def test_a_rendered_event_frame_is_shown_as_it_is():
    frame = np.zeros((256, 256, 3), np.uint8)
    frame[:, 128:] = (255, 255, 0)
    (picture,) = pictures(render(EventFrame(frame)))
    assert np.abs(np.asarray(picture)[100, 240].astype(int) - (255, 255, 0)).max() < 12


def test_video_frames_come_in_order_with_their_times():
    parts = render(EXAMPLES["video"], RenderOptions(frames=4))
    assert re.findall(r"at ([\d.]+) s", words(parts)) == ["3", "9", "15", "21"]
    means = [np.asarray(p).mean() for p in pictures(parts)]
    assert np.abs(np.array(means) - [30, 90, 150, 210]).max() < 3


def test_a_sheet_has_captions():
    parts = render(EXAMPLES["video"], RenderOptions(frames=4, one_picture=True))
    (sheet,) = pictures(parts)
    rows = np.asarray(sheet.convert("L"))
    means = [rows[60:120, left : left + 100].mean() for left in (40, 300)]
    assert means[1] - means[0] == pytest.approx(60, abs=5)
    assert "row by row" in words(parts)


def test_a_cloud_is_seen_from_five_sides():
    parts = render(EXAMPLES["point_cloud"])
    assert len(pictures(parts)) == 5
    assert "500 points" in words(parts)


def dark_middle(picture):
    rows, columns = np.nonzero(np.asarray(picture.convert("L")) < 240)
    return columns.mean() / picture.width, rows.mean() / picture.height


def test_views_of_a_cloud_are_from_the_stated_sides():
    """A box around the middle, and a heap of points at its right end, then top, then near end."""
    box = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    heaps = np.eye(3, dtype=np.float32)

    def seen(axis, *angles):
        heap = heaps[axis] + RANDOM.uniform(-0.15, 0.15, (400, 3)).astype(np.float32)
        return dark_middle(view_from(PointCloud(np.concatenate([box, heap])), *angles, 200))

    right, up = seen(0, 0, 0), seen(1, 0, 0)
    assert right[0] > 0.6 and right[1] == pytest.approx(0.5, abs=0.05)
    assert up[1] < 0.4 and up[0] == pytest.approx(0.5, abs=0.05)
    assert seen(2, 0, 0) == pytest.approx((0.5, 0.5), abs=0.05)
    assert seen(2, 90, 0)[0] < 0.4  # from the right, what was near is on the left
    assert seen(2, 0, 90)[1] > 0.6  # from above, what was near is below
    assert seen(2, 180, 30)[1] < 0.48  # from behind and above, what was near is far: higher up


def test_one_point_is_a_cloud():
    assert dark_middle(view_from(PointCloud(np.ones((1, 3), np.float32)), 40, 25, 100)) == pytest.approx(
        (0.5, 0.5), abs=0.05
    )


def sound(parts):
    (part,) = (part for part in parts if part["type"] == "input_audio")
    assert part["input_audio"]["format"] == "wav"
    with wave.open(io.BytesIO(base64.b64decode(part["input_audio"]["data"], validate=True))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767


def test_a_sound_is_sent_unchanged_where_the_server_accepts_audio():
    raw = tone(1.5)
    parts = render(raw, RenderOptions(sound=True))
    assert not pictures(parts)
    assert np.abs(sound(parts) - raw.samples).max() < 1e-4


def test_a_sound_is_sent_at_16_khz_and_at_most_30_s():
    heard = sound(render(tone(40, rate=44_100), RenderOptions(sound=True)))
    assert len(heard) == pytest.approx(30 * 16_000, abs=2)
    peak = np.abs(np.fft.rfft(heard[:16_000])).argmax()
    assert peak == 440


def test_a_click_is_padded_with_silence():
    heard = sound(render(Audio(np.ones(3, np.float32), 16_000), RenderOptions(sound=True)))
    assert len(heard) == 1600
    assert not heard[3:].any()


def test_the_message_of_a_sound_states_duration_and_loudness():
    samples = np.zeros(32_000, np.float32)
    samples[16_000:24_000] = tone(0.5, 0.5).samples
    text = words(render(Audio(samples, 16_000)))
    assert "2.0 s long" in text
    assert "-15 dB of full scale on average, -6 dB at its peak" in text  # 0.5**2 / 2 for a quarter of the time
    assert "loudest 1." in text
    assert "quiet 75 % of the time" in text


@pytest.mark.parametrize(("level", "word"), [(0.5, "loud ("), (0.05, "of middle loudness"), (0.005, "quiet (")])
def test_loudness_in_words(level, word):
    assert f"It is {word}" in words(render(tone(1, level)))


def test_silence_is_stated():
    text = words(render(Audio(np.zeros(16_000, np.float32), 16_000)))
    assert "It is silent." in text


def test_long_sounds_are_announced_as_cut():
    assert "of which the first 30 s follow" in words(render(tone(31), RenderOptions(sound=True)))


def test_known_depths_are_stated_and_unknown_ones_are_not():
    assert "from 1.00 m to 5.00 m" in words(render(EXAMPLES["depth"]))
    assert " m to " not in words(render(Depth(np.zeros((10, 10), np.float32))))


@pytest.mark.parametrize("facts", [{"side": 10}, {"side": 10_000}, {"frames": 0}, {"frames": 1000}])
def test_impossible_options_are_refused(facts):
    with pytest.raises(UnibindError, match="must be"):
        RenderOptions(**facts)
