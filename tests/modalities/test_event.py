from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import faery
import numpy as np
import pyarrow as pa
import pytest
from faery.file_encoder import events_to_file
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from tests.helpers.reference import SAMPLE_FILES, SAMPLES
from unibind.errors import LimitError, UnibindError, UnreadableError
from unibind.modalities.event import EventFrame, Events
from unibind.modalities.limits import Limits
from unibind.modalities.pictures import picture
from unibind.modalities.reading import read

WIDTH, HEIGHT = 100, 50

T = np.array([777, 778, 778, 900, 2000], np.int64)
X = np.array([3, 99, 0, 50, 7])
Y = np.array([7, 0, 49, 25, 8])
P = np.array([True, False, True, True, False])


def recorded(count: int = 0) -> np.ndarray:
    """The five events above in faery's layout, or `count` random ones."""
    events = np.zeros(count or len(T), faery.EVENTS_DTYPE)
    if not count:
        events["t"], events["x"], events["y"], events["on"] = T, X, Y, P
        return events
    random = np.random.default_rng(count)
    events["t"] = np.sort(random.integers(0, 100_000, count))
    events["x"], events["y"] = random.integers(0, WIDTH, count), random.integers(0, HEIGHT, count)
    events["on"] = random.integers(0, 2, count)
    return events


FAERY_FILES: dict[str, dict[str, Any]] = {
    "lz4.aedat4": {"compression": ("lz4", 1)},
    "zstd.aedat4": {"compression": ("zstd", 3)},
    "plain.aedat4": {"compression": None},
    "one.dat": {"version": "dat1"},
    "two.dat": {"version": "dat2"},
    "two.raw": {"version": "evt2"},
    "three.raw": {"version": "evt3"},
    "stream.es": {},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every format's bytes of the five events, by file name."""
    folder = tmp_path_factory.mktemp("events")
    for name, options in FAERY_FILES.items():
        faery.events_stream_from_array(recorded(), (WIDTH, HEIGHT)).to_file(folder / name, **options)
    np.savez(folder / "keys.npz", ts=T, x=X, y=Y, polarity=P, width=WIDTH, height=HEIGHT)
    np.save(folder / "fields.npy", recorded())
    (folder / "nmnist.bin").write_bytes(atis(zip(X, Y, P, T, strict=True)))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def atis(rows: Any) -> bytes:
    return b"".join(bytes([x, y]) + (int(p) << 23 | int(t)).to_bytes(3, "big") for x, y, p, t in rows)


def npz(**columns: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **columns)
    return file.getvalue()


def load(tmp_path: Path, name: str, data: bytes, limits: Limits | None = None, **options: Any) -> Events:
    path = tmp_path / name
    path.write_bytes(data)
    raw = read(path, "event", limits=limits or Limits(), **options)
    assert isinstance(raw, Events)
    return raw


@pytest.mark.parametrize("name", [*FAERY_FILES, "keys.npz", "fields.npy", "nmnist.bin"])
def test_every_format_gives_the_same_events(name: str, written: dict[str, bytes], tmp_path: Path) -> None:
    events = load(tmp_path, name, written[name])
    assert events.t.dtype == np.int64
    assert events.x.dtype == events.y.dtype == np.int32
    assert events.p.dtype == np.bool_
    assert events.t.tolist() == [0, 1, 1, 123, 1223]
    assert events.x.tolist() == X.tolist()
    assert events.y.tolist() == Y.tolist()
    assert events.p.tolist() == P.tolist()
    assert (events.width, events.height) == (WIDTH, HEIGHT)  # stated, or the farthest pixels plus one


@pytest.mark.parametrize("name", FAERY_FILES)
def test_many_packets_are_joined(name: str, tmp_path: Path) -> None:
    expected = recorded(5000)
    events_to_file(np.array_split(expected.copy(), 7), tmp_path / name, (WIDTH, HEIGHT), **FAERY_FILES[name])
    events = read(tmp_path / name, "event")
    assert events.t.tolist() == (expected["t"] - expected["t"][0]).tolist()
    assert events.x.tolist() == expected["x"].tolist()
    assert events.y.tolist() == expected["y"].tolist()


def test_dat_of_plain_events_without_a_sensor_size(tmp_path: Path) -> None:
    # N-Cars: type 0 ("2d"), 8 bytes per event; x 14 bits, y 14 bits, polarity 4 bits
    body = b"".join(struct.pack("<II", t, x | y << 14 | p << 28) for t, x, y, p in [(5, 25, 8, 0), (9, 67, 35, 1)])
    events = load(tmp_path, "cars.dat", b"% Data file\n% Version 2\n" + bytes([0, 8]) + body)
    assert events.t.tolist() == [0, 4]
    assert list(zip(events.x, events.y, events.p, strict=True)) == [(25, 8, False), (67, 35, True)]
    assert (events.width, events.height) == (68, 36)


def test_atis_record_by_hand(tmp_path: Path) -> None:
    # x 7, y 15, then 0x80028e: polarity on, 0x00028e = 654 us; 0x130200 without the top bit = 1,245,696 us
    events = load(tmp_path, "digit.bin", bytes.fromhex("070f80028e 0304130200"))
    assert (events.t.tolist(), events.x.tolist(), events.y.tolist()) == ([0, 1_245_696 - 654], [7, 3], [15, 4])
    assert events.p.tolist() == [True, False]


def test_atis_overflow_records_move_the_clock(tmp_path: Path) -> None:
    data = atis([(1, 1, 0, 100), (0, 240, 0, 0), (2, 2, 1, 50), (0, 240, 0, 0), (3, 3, 1, 60)])
    events = load(tmp_path, "long.bin", data)
    assert events.t.tolist() == [0, 8192 + 50 - 100, 2 * 8192 + 60 - 100]
    assert events.y.tolist() == [1, 2, 3]


def test_sensor_size_may_be_given(tmp_path: Path, written: dict[str, bytes]) -> None:
    events = load(tmp_path, "nmnist.bin", written["nmnist.bin"], width=240, height=180)
    assert (events.width, events.height) == (240, 180)


@pytest.mark.parametrize("polarity", [np.array([1, -1]), np.array([1, 0], np.uint8), np.array([True, False])])
def test_polarities_of_every_convention(polarity: np.ndarray, tmp_path: Path) -> None:
    events = load(tmp_path, "p.npz", npz(t=[0, 1], x=[0, 1], y=[0, 1], p=polarity))
    assert events.p.tolist() == [True, False]


def test_disordered_times_are_sorted_stably(tmp_path: Path) -> None:
    data = npz(t=np.array([30, 10, 20, 10], np.uint64), x=[0, 1, 2, 3], y=[0, 0, 0, 0], p=[0, 1, 0, 1])
    events = load(tmp_path, "mixed.npz", data)
    assert events.t.tolist() == [0, 0, 10, 20]
    assert events.x.tolist() == [1, 3, 2, 0]


def test_times_in_seconds(tmp_path: Path) -> None:
    data = npz(t=[1.5, 1.500002], x=[0, 1], y=[0, 1], p=[0, 1])
    assert load(tmp_path, "s.npz", data, time_unit="s").t.tolist() == [0, 2]
    with pytest.raises(UnreadableError, match="time_unit='s'"):
        load(tmp_path, "s.npz", data)


def test_bytes_are_read_like_files(written: dict[str, bytes]) -> None:
    for name in ("lz4.aedat4", "two.dat", "three.raw", "stream.es", "keys.npz"):
        assert read(written[name], "event").t.tolist() == [0, 1, 1, 123, 1223]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_rendered_frame(kind: str, tmp_path: Path) -> None:
    Picture.new("RGB", (6, 4), (255, 0, 0)).save(tmp_path / "frame.img", kind)
    (tmp_path / f"frame.{kind.lower()}").write_bytes((tmp_path / "frame.img").read_bytes())
    raw = read(tmp_path / f"frame.{kind.lower()}", "event")
    assert isinstance(raw, EventFrame)
    assert raw.pixels.shape == (4, 6, 3)
    assert raw.pixels[2, 3].tolist() == pytest.approx([255, 0, 0], abs=3)


@pytest.mark.parametrize("name", [*FAERY_FILES, "keys.npz", "fields.npy", "nmnist.bin"])
def test_too_many_events(name: str, written: dict[str, bytes], tmp_path: Path) -> None:
    load(tmp_path, name, written[name], Limits(max_events=5))
    with pytest.raises(LimitError, match=name):
        load(tmp_path, name, written[name], Limits(max_events=4))


@pytest.mark.parametrize("name", ["two.dat", "two.raw", "three.raw", "nmnist.bin", "fields.npy"])
def test_last_record_cut_short(name: str, written: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="cut short"):
        load(tmp_path, name, written[name][:-1])


@pytest.mark.parametrize("name", ["lz4.aedat4", "zstd.aedat4", "plain.aedat4"])
@pytest.mark.parametrize("kept", [0, 5, 20])
def test_aedat4_cut_short_within_its_packets(name: str, kept: int, written: dict[str, bytes], tmp_path: Path) -> None:
    (header,) = struct.unpack_from("<I", written[name], 14)
    with pytest.raises(UnreadableError, match="cut short"):
        load(tmp_path, name, written[name][: 18 + header + kept])


def test_aedat4_without_its_closing_index(written: dict[str, bytes], tmp_path: Path) -> None:
    assert len(load(tmp_path, "unclosed.aedat4", written["lz4.aedat4"][:-1]).t) == len(T)


@pytest.mark.parametrize("suffix", ["aedat4", "raw", "dat", "es", "bin", "npz", "npy"])
def test_empty_file(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        load(tmp_path, f"empty.{suffix}", b"")


EMPTY_FILES = {
    "header.raw": b"% evt 3.0\n% geometry 10x10\n",
    "header.dat": b"% Version 2\n\x0c\x08",
    "header.es": b"Event Stream\x02\x00\x00\x01\x0a\x00\x0a\x00",
    "times.raw": b"% evt 2.0\n% geometry 10x10\n\x00\x00\x00\x80",
    "overflow.bin": atis([(0, 240, 0, 0)]),
    "empty.npz": npz(t=np.empty(0), x=np.empty(0, int), y=np.empty(0, int), p=np.empty(0, int)),
}


@pytest.mark.parametrize("name", EMPTY_FILES)
def test_file_without_events(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="contains no events"):
        load(tmp_path, name, EMPTY_FILES[name])


def test_aedat4_without_events(tmp_path: Path) -> None:
    faery.events_stream_from_array(recorded()[:0], (WIDTH, HEIGHT)).to_file(tmp_path / "empty.aedat4")
    with pytest.raises(UnreadableError, match="contains no events"):
        read(tmp_path / "empty.aedat4", "event")


def npy(descr: str, shape: tuple[int, ...]) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


ABSURD_FILES = {
    "sensor.raw": b"% evt 3.0\n% geometry 65000x65000\n" + struct.pack("<3H", 0x8000, 0x0001, 0x2001),
    "sensor.es": b"Event Stream\x02\x00\x00\x01\xff\xff\xff\xff" + bytes([2, 1, 0, 1, 0]),
    "count.npy": npy("[('t', '<i8'), ('x', '<i2'), ('y', '<i2'), ('p', '?')]", (10**12,)),
    "header.aedat4": b"#!AER-DAT4.0\r\n\xff\xff\xff\x7f",
}


@pytest.mark.parametrize("name", ABSURD_FILES)
def test_absurd_claims_are_refused_before_allocation(name: str, tmp_path: Path) -> None:
    with pytest.raises(LimitError, match=name):
        load(tmp_path, name, ABSURD_FILES[name])


def test_packet_that_unpacks_to_gigabytes_is_refused(written: dict[str, bytes], tmp_path: Path) -> None:
    whole = written["zstd.aedat4"]
    (size,) = struct.unpack_from("<I", whole, 14)
    bomb = pa.compress(bytes(64 << 20), codec="zstd", asbytes=True)
    data = whole[: 18 + size] + struct.pack("<iI", 0, len(bomb)) + bomb
    with pytest.raises(LimitError, match="max_events"):
        load(tmp_path, "bomb.aedat4", data, Limits(max_events=1000))


@pytest.mark.slow
def test_compressed_array_bomb_is_refused(tmp_path: Path) -> None:
    zeros = np.zeros(4_000_000, np.int64)
    with io.BytesIO() as file:
        np.savez_compressed(file, t=zeros, x=zeros, y=zeros, p=zeros)
        bomb = file.getvalue()
    with pytest.raises(LimitError):
        load(tmp_path, "bomb.npz", bomb, Limits(max_events=100_000))


def test_pickled_arrays_are_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "sprung",)

    with pytest.raises(UnreadableError, match="no column p"):
        load(tmp_path, "trap.npz", npz(t=[0], x=[0], y=[0], p=np.array([Trap()], object)))
    assert not (tmp_path / "sprung").exists()


BAD_COLUMNS = {
    "no column t": {"x": [0], "y": [0], "p": [0]},
    "equally long": {"t": [0, 1], "x": [0], "y": [0], "p": [0]},
    "polarities": {"t": [0], "x": [0], "y": [0], "p": [7]},
    "1 of 2 events lie outside": {"t": [0, 1], "x": [-1, 1], "y": [0, 0], "p": [0, 1]},
    "1 values of column x": {"t": [0], "x": [np.nan], "y": [0], "p": [0]},
    "1 values of column t": {"t": [np.inf], "x": [0], "y": [0], "p": [0]},
    "must contain numbers": {"t": [0], "x": ["a"], "y": [0], "p": [0]},
    "century": {"t": [-(2**63), 2**63 - 1], "x": [0, 0], "y": [0, 0], "p": [0, 0]},
}


@pytest.mark.parametrize("message", BAD_COLUMNS)
def test_bad_columns(message: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=message):
        load(tmp_path, "bad.npz", npz(**BAD_COLUMNS[message]))


def test_unnamed_columns_are_not_guessed(tmp_path: Path) -> None:
    with io.BytesIO() as file:
        np.save(file, np.zeros((5, 4), int))
        table = file.getvalue()
    with pytest.raises(UnreadableError, match="no column t"):
        load(tmp_path, "table.npy", table)


@pytest.mark.parametrize("name", ["two.dat", "two.raw", "three.raw", "stream.es", "nmnist.bin", "lz4.aedat4"])
def test_events_outside_the_sensor(name: str, written: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"2 of 5 events lie outside the 50 x 50 sensor"):
        load(tmp_path, name, written[name], width=50)


def test_dat_events_outside_the_stated_sensor(tmp_path: Path, written: dict[str, bytes]) -> None:
    with pytest.raises(UnreadableError, match="overflow"):
        load(tmp_path, "two.dat", written["two.dat"].replace(b"Width 100", b"Width 099"))


def test_unknown_time_unit(tmp_path: Path, written: dict[str, bytes]) -> None:
    with pytest.raises(UnibindError, match="minutes"):
        load(tmp_path, "keys.npz", written["keys.npz"], time_unit="minutes")


def test_recording_without_an_event_stream(tmp_path: Path, written: dict[str, bytes]) -> None:
    with pytest.raises(UnreadableError, match="no stream of events"):
        load(tmp_path, "imu.aedat4", written["plain.aedat4"].replace(b">EVTS<", b">IMUS<"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FAERY_FILES, "keys.npz", "fields.npy", "nmnist.bin"])
@settings(deadline=None, max_examples=25)
@given(
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=5),
    whole=st.booleans(),
)
def test_mutated_files_give_events_or_our_error(
    name: str, written: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, cut: float, flips: list, whole: bool
) -> None:
    data = bytearray(written[name])
    for place, value in flips:
        data[int(place * len(data))] = value
    path = tmp_path_factory.getbasetemp() / f"mutated-{name}"
    path.write_bytes(data if whole else data[: int(cut * len(data))])
    try:
        raw = read(path, "event", limits=Limits(max_events=10_000))
    except UnibindError as error:
        assert str(error)
    else:
        assert len(raw.t) <= 10_000
        assert (np.diff(raw.t) >= 0).all()


def test_the_picture_shows_polarity_and_place(tmp_path: Path) -> None:
    events = load(tmp_path, "two.npz", npz(t=[0, 1], x=[0, 3], y=[0, 3], p=[1, 0]))
    pixels = np.asarray(picture(events, 200)).astype(int)
    red = np.argwhere((pixels[..., 0] - pixels[..., 2]) > 100)
    blue = np.argwhere((pixels[..., 2] - pixels[..., 0]) > 100)
    assert (pixels[0, 0] == 255).all()
    assert red.mean(axis=0)[0] < blue.mean(axis=0)[0]
    assert red.mean(axis=0)[1] < blue.mean(axis=0)[1]


@pytest.mark.reference
@pytest.mark.parametrize("name", SAMPLE_FILES["event"])
def test_sample_recordings(name: str) -> None:
    raw = read(SAMPLES / "event" / name, "event")
    expected = {
        "sample.aedat4": {"events": 111_954, "width": 320, "height": 240},
        "sample_nmnist.bin": {"width": 34, "height": 34},
        "sample_ncars.dat": {"events": 2009},
        "event_ibis.png": {"width": 121, "height": 173},
        "event_gerenuk.png": {"width": 131, "height": 173},
    }[name]
    summary = raw.summary()
    assert {key: summary[key] for key in expected} == expected
    assert len(np.unique(np.asarray(picture(raw, 128)))) > 2


def test_zip_that_is_not_npz(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("readme.txt", "no array")
    with pytest.raises(UnreadableError):
        read(tmp_path / "text.npz", "event")
