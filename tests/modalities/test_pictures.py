from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from tests.helpers.frames import Brightening
from unibind.errors import UnknownNameError
from unibind.modalities.audio import Audio
from unibind.modalities.colormap import inferno
from unibind.modalities.event import EventFrame, Events
from unibind.modalities.image import Image
from unibind.modalities.media import motion_url
from unibind.modalities.pictures import grid, picture, save_png
from unibind.modalities.point_cloud import PointCloud
from unibind.modalities.spec import Raw
from unibind.modalities.text import Text
from unibind.modalities.thermal import Thermal
from unibind.modalities.video import Video


def examples() -> dict[str, Raw]:
    random = np.random.default_rng(0)
    ramp = np.linspace(15, 40, 64, dtype=np.float32)
    return {
        "image": Image(random.integers(0, 256, (30, 40, 3), np.uint8)),
        "text": Text("a dog runs along the beach"),
        "audio": Audio(np.sin(np.arange(16_000) * 0.2).astype(np.float32), 16_000),
        "point_cloud": PointCloud(random.normal(size=(500, 3)).astype(np.float32)),
        "thermal": Thermal(np.tile(ramp, (48, 1)), celsius=True),
        "video": Video(Brightening(), 24.0, 12.0, 64, 48),
        "event": Events(
            np.arange(100) * 1000, np.arange(100, dtype=np.int32) % 60, np.arange(100, dtype=np.int32) % 40,
            np.arange(100) % 2 == 0, 60, 40,
        ),
    }  # fmt: skip


@pytest.mark.parametrize("modality", examples())
@pytest.mark.parametrize("size", [96, 256, 512])
def test_a_picture_has_the_height_asked_for(modality: str, size: int) -> None:
    image = picture(examples()[modality], size)
    assert (image.mode, image.height) == ("RGB", size)
    assert np.asarray(image).std() > 2  # something is on it


@pytest.mark.parametrize(
    "raw",
    [
        Image(np.zeros((1, 400, 3), np.uint8)),
        Text("x" * 5000),
        Text("🐕"),
        Audio(np.zeros(1, np.float32), 48_000),
        Audio(np.zeros(800, np.float32), 8_000),
        PointCloud(np.zeros((1, 3), np.float32), np.full((1, 3), 9, np.uint8)),
        Thermal(np.full((1, 1), 20, np.float32), celsius=True),
        Events(np.zeros(1, np.int64), np.zeros(1, np.int32), np.zeros(1, np.int32), np.ones(1, bool), 1, 1),
        EventFrame(np.zeros((8, 8, 3), np.uint8)),
    ],
    ids=lambda raw: type(raw).__name__,
)
def test_the_smallest_and_oddest_items_have_pictures(raw: Raw) -> None:
    assert picture(raw, 128).height == 128


@pytest.mark.parametrize("name", ["smell", "_colors"])
def test_an_unknown_modality_is_named(name: str) -> None:
    class Other:
        modality = name

        def summary(self) -> dict[str, object]:
            return {}

    with pytest.raises(UnknownNameError, match=f"unknown modality '{name}'; choose one of: audio, depth, event, image"):
        picture(Other())


def test_inferno_grows_lighter() -> None:
    light = inferno(np.linspace(0, 1, 100)) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(light) >= -0.5).all()
    assert light[0] < 5
    assert light[-1] > 230
    assert np.array_equal(inferno(np.array([-3.0, 7.0])), inferno(np.array([0.0, 1.0])))


def test_hotter_is_lighter() -> None:
    pixels = np.asarray(picture(examples()["thermal"], 256).convert("L")).astype(int)
    row = pixels[128, 4:220]  # the field, without the bar at its right
    assert row[-1] > row[len(row) // 2] > row[0]


def test_a_spectrogram_shows_time_and_pitch() -> None:
    time = np.arange(16_000) / 16_000
    samples = np.where(time > 0.5, np.sin(2 * np.pi * 4000 * time), 0).astype(np.float32)
    field = np.asarray(picture(Audio(samples, 16_000), 256).convert("L")).astype(float)[:238, 34:]
    assert field[:, 200:].mean() > field[:, :100].mean() + 3  # sound in the second half only
    assert field[:119, 200:].mean() > field[119:, 200:].mean()  # and in the upper half


def test_a_strip_shows_the_frames_in_order() -> None:
    pixels = np.asarray(picture(examples()["video"], 256).convert("L")).astype(int)
    cells = [pixels[row * 128 + 64, column * 128 + 64] for row in range(2) for column in range(3)]
    assert cells == sorted(cells)
    assert cells[-1] - cells[0] > 100


def test_events_are_red_for_brighter_and_blue_for_darker() -> None:
    x = np.repeat([2, 17], 50).astype(np.int32)
    events = Events(np.arange(100), x, np.full(100, 10, np.int32), x == 2, 20, 20)
    pixels = np.asarray(picture(events, 200)).astype(int)[:170]
    red, blue = pixels[..., 0] - pixels[..., 2] > 60, pixels[..., 2] - pixels[..., 0] > 60
    assert np.nonzero(red)[1].max() < 100 < np.nonzero(blue)[1].min()


def test_longer_texts_have_smaller_letters_and_stay_on_the_card() -> None:
    for text in ("a dog", "a dog runs along the beach " * 12):
        card = np.asarray(picture(Text(text), 256).convert("L"))
        assert (card[:, -4:] > 200).all()
        assert (card[-4:] > 200).all()


def test_a_grid_puts_pictures_in_rows_with_captions() -> None:
    colors = ["#ff0000", "#00ff00", "#0000ff"]
    sheet = np.asarray(grid([Picture.new("RGB", (50, 40), c) for c in colors], 2, ["a", "b", "c"]))
    assert sheet.shape == (10 + 2 * (40 + 10 + 16), 10 + 2 * (50 + 10), 3)
    assert sheet[10, 10].tolist() == [255, 0, 0]
    assert sheet[10 + 39, 70 + 49].tolist() == [0, 255, 0]
    assert sheet[76, 10].tolist() == [0, 0, 255]
    assert (sheet[76:116, 70:120] == 255).all()
    captions = sheet[50:66, 10:60]
    assert captions.min() < 128


def test_captions_are_shortened_to_their_cell() -> None:
    pictures = [Picture.new("RGB", (50, 40), "white") for _ in range(2)]
    ink = np.asarray(grid(pictures, 2, ["a very long caption for so small a picture", ""])).min(axis=2) < 255
    assert ink[:, 10:60].any()
    assert not ink[:, 62:].any()


def test_each_picture_needs_a_caption() -> None:
    with pytest.raises(ValueError, match="shorter"):
        grid([Picture.new("RGB", (5, 5))], 1, [])


def test_a_png_is_written_whole(tmp_path: Path) -> None:
    image = picture(examples()["image"], 64)
    path = tmp_path / "item.png"
    path.write_bytes(b"an older file")
    save_png(image, path)
    with Picture.open(path) as written:
        assert written.format == "PNG"
        assert np.array_equal(np.asarray(written), np.asarray(image))
    assert [p.name for p in tmp_path.iterdir()] == ["item.png"]


@pytest.mark.parametrize(("modality", "frames"), [("point_cloud", 24), ("video", 16), ("event", 16)])
def test_what_moves_or_has_a_back_is_an_animation(modality: str, frames: int) -> None:
    url = motion_url(examples()[modality], 48)
    assert url is not None
    kind, _, data = url.partition(",")
    with Picture.open(io.BytesIO(base64.b64decode(data))) as animation:
        assert (kind, animation.height, animation.n_frames) == ("data:image/webp;base64", 48, frames)


def test_what_one_picture_shows_is_not_an_animation() -> None:
    assert motion_url(examples()["thermal"]) is None
    assert motion_url(EventFrame(np.zeros((8, 8, 3), np.uint8))) is None
