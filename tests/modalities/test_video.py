from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unibind.errors import LimitError, UnibindError, UnreadableError
from unibind.modalities.formats import video_frames
from unibind.modalities.limits import Limits
from unibind.modalities.reading import read
from unibind.modalities.video import Video

FPS, COUNT = 12, 48
DARKEST, STEP = 24, 4  # gray of frame 0, and how much lighter the next one is


def film(
    target: Any,
    *,
    codec: str = "libx264",
    count: int = COUNT,
    gop: int = COUNT,
    format: str | None = None,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    ticks: int = 1,
    picture: np.ndarray | None = None,
) -> Any:
    """Write `count` frames of 1/FPS s (times `ticks`), frame i all of gray DARKEST + i * STEP, or `picture`."""
    with av.open(target if format else str(target), "w", format=format, options=options or {}) as container:
        stream = container.add_stream(codec, rate=FPS, options=codec_options or {})
        stream.width, stream.height = (64, 48) if picture is None else picture.shape[1::-1]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.gop_size = gop
        for i in range(count):
            pixels = np.full((48, 64, 3), DARKEST + i * STEP, np.uint8) if picture is None else picture
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = i * ticks
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target


def numbers(frames: np.ndarray) -> list[int]:
    """Which frames of a `film` these are."""
    return [round((float(frame.mean()) - DARKEST) / STEP) for frame in frames]


def middle_of(indices: list[int]) -> np.ndarray:
    """Times in the middle of the frames."""
    return (np.asarray(indices, np.float64) + 0.5) / FPS


FILMS: dict[str, dict[str, Any]] = {
    "long_gop.mp4": {},
    "short_gop.mp4": {"gop": 6},
    "b_frames.mp4": {"gop": 12, "codec_options": {"bf": "3", "b_strategy": "0"}},
    "open_gop.mp4": {"gop": 12, "codec_options": {"bf": "2", "b_strategy": "0", "x264-params": "open-gop=1"}},
    "b_frames.mkv": {"gop": 12, "codec_options": {"bf": "3", "b_strategy": "0"}},
    "every_key.mov": {"gop": 1},
    "vp8.webm": {"codec": "libvpx", "gop": 8, "codec_options": {"deadline": "realtime", "cpu-used": "8"}},
    "vp9.webm": {"codec": "libvpx-vp9", "gop": 8, "codec_options": {"deadline": "realtime", "cpu-used": "8"}},
    "mpeg4.avi": {"codec": "mpeg4", "gop": 10, "codec_options": {"qmin": "1", "qmax": "1", "b": "9000000"}},
    "motion_jpeg.avi": {"codec": "mjpeg"},
    "live.mkv": {"gop": 12, "options": {"live": "1"}},
    "fragmented.mp4": {"gop": 12, "options": {"movflags": "frag_keyframe+empty_moov"}},
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    made = {name: film(folder / name, **options) for name, options in FILMS.items()}
    stream = film(io.BytesIO(), gop=12, format="mpegts", codec_options={"bf": "2"})  # starts at 1.4 s, no duration
    made["stream.mp4"] = folder / "stream.mp4"
    made["stream.mp4"].write_bytes(stream.getvalue())
    return made


NAMES = [*FILMS, "stream.mp4"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_length_rate_and_size(name: str, films: dict[str, Path]) -> None:
    clip = read(films[name])
    assert isinstance(clip, Video)
    assert abs(clip.duration_s - COUNT / FPS) < 1.5 / FPS
    assert abs(clip.fps - FPS) < 0.1
    assert (clip.width, clip.height) == (64, 48)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_frame_is_returned_at_its_time(name: str, films: dict[str, Path]) -> None:
    frames = read(films[name]).frames(middle_of(list(range(COUNT))))
    assert frames.shape == (COUNT, 48, 64, 3)
    assert numbers(frames) == list(range(COUNT))


@pytest.mark.parametrize("name", NAMES)
def test_frames_come_in_the_order_asked_for(name: str, films: dict[str, Path]) -> None:
    clip, random = read(films[name]), np.random.default_rng(7)
    for size in (1, 2, 5, 9):
        expected = random.integers(0, COUNT, size).tolist()
        assert numbers(clip.frames(middle_of(expected))) == expected


@pytest.mark.parametrize("name", NAMES)
def test_each_time_on_its_own(name: str, films: dict[str, Path]) -> None:
    clip = read(films[name])
    alone = range(0, COUNT, 5)
    assert [numbers(clip.frames(middle_of([i])))[0] for i in alone] == list(alone)


@pytest.mark.parametrize("name", NAMES)
def test_times_outside_give_the_first_and_last_frame(name: str, films: dict[str, Path]) -> None:
    times = np.array([100.0, -3.0, COUNT / FPS, 0.0])
    assert numbers(read(films[name]).frames(times)) == [COUNT - 1, 0, COUNT - 1, 0]


@pytest.mark.parametrize("name", ["long_gop.mp4", "short_gop.mp4", "b_frames.mkv"])
def test_only_wanted_frames_become_pixels(name: str, films: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    made, upright = [], video_frames._upright
    monkeypatch.setattr(video_frames, "_upright", lambda frame, count: made.append(frame) or upright(frame, count))
    assert numbers(read(films[name]).frames(middle_of([40, 3, 40, 22]))) == [40, 3, 40, 22]
    assert len(made) == 3  # the repeated one once


def test_the_decoder_skips_frames_that_are_not_requested(
    films: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, time = set(), video_frames._time
    monkeypatch.setattr(video_frames, "_time", lambda frame, base: seen.add(frame.pts) or time(frame, base))
    assert numbers(read(films["short_gop.mp4"]).frames(middle_of([1, 44]))) == [1, 44]
    assert len(seen) <= 16  # of 48: 0 to 2, and from the key frame 36 or 42 to 45


def test_bytes_and_pickles_give_the_same_frames_as_the_file(films: dict[str, Path]) -> None:
    for clip in (read(films["short_gop.mp4"].read_bytes(), "video"), read(films["short_gop.mp4"])):
        copy = pickle.loads(pickle.dumps(clip))
        assert numbers(copy.frames(middle_of([30, 2]))) == [30, 2]


@pytest.mark.parametrize(
    ("matrix", "seen"),
    [  # rows (a, b), (c, d) of the track header's matrix; brightness at top left, top right, bottom left, bottom right
        (((1, 0), (0, 1)), [20, 90, 150, 220]),
        (((0, 1), (-1, 0)), [150, 20, 220, 90]),  # a quarter clockwise, as telephones write it
        (((-1, 0), (0, -1)), [220, 150, 90, 20]),
        (((0, -1), (1, 0)), [90, 220, 20, 150]),
    ],
)
def test_a_rotated_video_is_shown_upright(matrix: Any, seen: list[int], tmp_path: Path) -> None:
    corners = np.zeros((48, 64, 3), np.uint8)
    corners[:24, :32], corners[:24, 32:], corners[24:, :32], corners[24:, 32:] = 20, 90, 150, 220
    path = film(tmp_path / "turned.mp4", picture=corners, count=4)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44  # version, times, track, duration, layer and volume stand before it
    (a, b), (c, d) = matrix
    data[at : at + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    clip = read(path)
    frame = clip.frames(np.zeros(1))[0].astype(int)
    assert frame.shape == (clip.height, clip.width, 3) == ((64, 48, 3) if b else (48, 64, 3))
    actual = [frame[y, x, 1] for y in (8, -9) for x in (8, -9)]
    assert np.abs(np.subtract(actual, seen)).max() < 12


def test_a_cut_file_without_its_table_is_refused(films: dict[str, Path], tmp_path: Path) -> None:
    data = films["long_gop.mp4"].read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableError, match=r"cut\.mp4"):
        read(tmp_path / "cut.mp4")


def test_a_file_cut_after_its_table_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    path = film(tmp_path / "cut.mp4", picture=noise, gop=6, options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(UnreadableError, match=r"cut\.mp4 is cut short"):
        read(path)


def test_a_deleted_file_is_reported(tmp_path: Path) -> None:
    path = film(tmp_path / "gone.mp4", count=4)
    clip = read(path)
    path.unlink()
    with pytest.raises(UnibindError, match=r"gone\.mp4"):
        clip.frames(np.zeros(1))


@pytest.mark.parametrize("times", [[], [0.5, np.nan], [np.inf]])
def test_invalid_times_are_refused(times: list[float], films: dict[str, Path]) -> None:
    with pytest.raises(UnibindError, match=r"long_gop\.mp4 must be finite seconds, at least one"):
        read(films["long_gop.mp4"]).frames(np.array(times))


def test_a_sound_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.rate = 44_100
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(UnreadableError, match=r"sound\.mp4 has no pictures"):
        read(path)


def test_three_hours_are_too_long(tmp_path: Path) -> None:
    path = film(tmp_path / "night.mp4", count=4, ticks=FPS * 3600)
    with pytest.raises(LimitError, match=r"lasts 1[0-4],\d{3} s, the limits allow 3,600 s"):
        read(path)
    assert read(path, limits=Limits(max_seconds=20_000)).duration_s > 10_800


def test_too_many_pixels_are_refused(films: dict[str, Path]) -> None:
    with pytest.raises(LimitError, match="64 x 48 pixels"):
        read(films["long_gop.mp4"], limits=Limits(max_pixels=64 * 48 - 1))


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{film}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{film}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    ],
)
def test_a_playlist_is_not_followed(playlist: str, films: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "list.mp4").write_text(playlist.format(film=films["long_gop.mp4"]))
    with pytest.raises(UnreadableError, match=r"list\.mp4 cannot be read as video"):
        read(tmp_path / "list.mp4")


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(
    name=st.sampled_from(["short_gop.mp4", "b_frames.mkv", "vp8.webm", "mpeg4.avi"]),
    places=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=8),
    patch=st.binary(min_size=1, max_size=8),
)
def test_damaged_files_raise_only_our_error(
    films: dict[str, Path], name: str, places: list[float], patch: bytes
) -> None:
    data = bytearray(films[name].read_bytes())
    for place in places:
        at = int(place * len(data))
        data[at : at + len(patch)] = patch
    try:
        clip = read(bytes(data), "video", limits=Limits(max_pixels=1_000_000))
        frames = clip.frames(np.array([0.0, 0.7]))
    except UnibindError as error:
        assert "the given bytes" in str(error)
    else:
        assert len(frames) == 2


@settings(deadline=None, max_examples=25)
@given(data=st.binary(min_size=1, max_size=200))
def test_random_bytes_are_not_a_video(data: bytes) -> None:
    with pytest.raises(UnibindError, match="the given bytes"):
        read(data, "video")
