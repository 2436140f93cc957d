"""Long recordings are encoded in segments, which are rows of their own with the seconds where they begin and end."""

import os

import numpy as np
import pytest
import soundfile

import unibind
from tests.helpers.command import run_json
from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind.data.duplicates import find_duplicates
from unibind.data.location import canonical_location, local_path
from unibind.errors import UnreadableError
from unibind.modalities.segments import Segment, split_segment

RATE = 8000
HERTZ = {"red": 200, "green": 1000, "blue": 3000}


def tones(*names, seconds=1.0):
    t = np.arange(round(RATE * seconds)) / RATE
    return np.concatenate([np.sin(2 * np.pi * HERTZ[name] * t) for name in names]).astype(np.float32)


@pytest.fixture
def talk(tmp_path):
    """A second of low, high, middle and high tones."""
    path = tmp_path / "talks" / "talk.wav"
    path.parent.mkdir()
    soundfile.write(path, tones("red", "blue", "green", "blue"), RATE)
    return path


def heard(store):
    found = store.vectors("audio")
    return dict(zip(found.ids, [CATEGORIES[v[:3].argmax()] for v in found.vectors], strict=True))


def test_a_name_says_which_seconds():
    assert split_segment("a.wav#t=0,2.5") == ("a.wav", Segment(0, 2.5))
    assert split_segment("a#t=b.wav") == ("a#t=b.wav", None)
    assert split_segment("https://h/a.wav#t=1,2")[0] == "https://h/a.wav"
    assert f"x{Segment(10, 20.0625)}" == "x#t=10,20.062"
    assert canonical_location("/a/../b.wav#t=1,2") == "/b.wav#t=1,2"
    assert canonical_location("HTTPS://H.example/b.wav#t=1,2") == "https://h.example/b.wav#t=1,2"
    assert str(local_path("/b.wav#t=1,2")) == "/b.wav"


def test_a_segment_is_read_by_its_name(talk):
    part = unibind.read(f"{talk}#t=1,3")
    assert np.allclose(part.samples, tones("blue", "green"), atol=1e-3)
    assert unibind.read(f"{talk}#t=3.5,9").duration_s == 0.5
    with pytest.raises(UnreadableError, match="ends before it starts"):
        unibind.read(f"{talk}#t=2,2")
    with pytest.raises(UnreadableError, match="contains no samples"):
        unibind.read(f"{talk}#t=8,9")


def test_segments_are_items_of_one_object(talk, tmp_path):
    how = {"backbone": ToyBackbone(), "workers": 0, "segments": 1}
    soundfile.write(talk.with_name("short.wav"), tones("red", seconds=1.4), RATE)
    assert unibind.encode(talk.parent, tmp_path / "store", **how).encoded == 5
    store = unibind.Store.open(tmp_path / "store")
    sounds = [f"{talk}#t=0,1", f"{talk}#t=1,2", f"{talk}#t=2,3", f"{talk}#t=3,4", str(talk.with_name("short.wav"))]
    assert heard(store) == dict(zip(sounds, ["red", "blue", "green", "blue", "red"], strict=True))
    rows = {row.id: row for row in store.rows()}
    assert [(rows[name].start_s, rows[name].end_s) for name in sounds] == [(0, 1), (1, 2), (2, 3), (3, 4), (None, None)]
    assert [rows[name].object for name in sounds] == [str(talk)] * 4 + [None]
    assert {rows[name].path for name in sounds[:4]} == {talk}
    assert not find_duplicates(store).groups  # the segments of a file are not its copies
    again = unibind.encode(talk.parent, tmp_path / "store", **how)
    assert (again.encoded, again.unchanged) == (0, 5)
    soundfile.write(talk, tones("green", "blue", "green", "blue"), RATE)
    assert unibind.encode(talk.parent, tmp_path / "store", **how).replaced == 4
    talk.unlink()
    assert unibind.encode(talk.parent, tmp_path / "store", **how).missing == 4


def states(store):
    return {row.id.rpartition("/")[2]: row.state for row in unibind.Store.open(store).rows()}


def test_segments_that_a_shorter_recording_no_longer_has_are_missing(talk, tmp_path):
    how = {"backbone": ToyBackbone(), "workers": 0, "segments": 1}
    unibind.encode(talk, tmp_path / "store", **how)
    soundfile.write(talk, tones("red", "blue", seconds=1.2), RATE)
    summary = unibind.encode(talk, tmp_path / "store", **how)
    assert (summary.encoded, summary.replaced, summary.missing) == (1, 1, 3)
    gone = {"talk.wav#t=1,2": "missing", "talk.wav#t=2,3": "missing", "talk.wav#t=3,4": "missing"}
    assert states(tmp_path / "store") == {"talk.wav#t=0,1": "present", "talk.wav#t=1,2.4": "present", **gone}
    again = unibind.encode(talk, tmp_path / "store", **how)
    assert (again.encoded, again.unchanged, again.missing) == (0, 2, 3)


def test_a_recording_may_be_stored_whole_and_in_segments_until_it_changes(talk, tmp_path):
    how = {"backbone": ToyBackbone(), "workers": 0}
    unibind.encode(talk, tmp_path / "store", **how)
    unibind.encode(talk, tmp_path / "store", segments=2, **how)
    names = ("talk.wav", "talk.wav#t=0,2", "talk.wav#t=2,4")
    assert states(tmp_path / "store") == dict.fromkeys(names, "present")
    os.utime(talk, (0, 0))  # another time, the same content
    unibind.encode(talk, tmp_path / "store", segments=2, **how)
    assert states(tmp_path / "store") == dict.fromkeys(names, "present")
    soundfile.write(talk, tones("green", "blue", "green", "blue"), RATE)
    assert unibind.encode(talk, tmp_path / "store", segments=2, **how).replaced == 2
    assert states(tmp_path / "store") == dict.fromkeys(names, "present") | {"talk.wav": "missing"}


@pytest.mark.slow
def test_a_video_is_cut_into_segments(tmp_path):
    import av

    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(40):
            pixels = np.full((48, 64, 3), 5 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    assert [item.uri for item in unibind.read_manifest(path, segments=2)] == [f"{path}#t=0,2", f"{path}#t=2,4"]
    part, whole = unibind.read(f"{path}#t=1,3"), unibind.read(path)
    assert part.duration_s == pytest.approx(2)
    assert np.array_equal(part.frames(np.array([0.55])), whole.frames(np.array([1.55])))


@pytest.mark.slow
def test_the_command_does_the_same(talk, tmp_path):
    found = run_json("encode", talk, "--out", tmp_path / "store", "--segments", 2)
    assert (found["encoded"], found["quarantine"]) == (2, [])
    assert {row.segment for row in unibind.Store.open(tmp_path / "store").rows()} == {Segment(0, 2), Segment(2, 4)}


def test_what_cannot_be_read_is_left_to_encoding(tmp_path):
    (tmp_path / "torn.wav").write_bytes(b"RIFF")
    (tmp_path / "red.txt").write_text("red")
    found = unibind.read_manifest(tmp_path, segments=1)
    assert [item.uri for item in found] == [str(tmp_path / "red.txt"), str(tmp_path / "torn.wav")]
