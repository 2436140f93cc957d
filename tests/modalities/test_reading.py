from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from tests.fuzz.seeds import SEEDS, seed
from tests.helpers.reference import SAMPLE_FILES, SAMPLES
from unibind.errors import LimitError, MissingFileError, UnibindError, UnknownNameError, UnreadableError
from unibind.modalities import FileFormat, ModalitySpec, modality_names, modality_spec
from unibind.modalities.limits import Limits
from unibind.modalities.reading import format_of, modality_of, read, suffixes
from unibind.modalities.source import open_source

MODALITIES = ("audio", "depth", "event", "image", "imu", "point_cloud", "text", "thermal", "video")


def test_each_modality_has_a_reader() -> None:
    assert tuple(suffixes()) == modality_names() == MODALITIES
    assert all(row.modality == name for name in MODALITIES for row in modality_spec(name).formats)
    assert all(ending.startswith(".") and ending == ending.lower() for all_ in suffixes().values() for ending in all_)
    assert [name for name in MODALITIES if not suffixes()[name]] == ["depth", "imu"]


@pytest.mark.parametrize("modality", [None, *(m for m in MODALITIES if m != "text")])
def test_a_missing_file(modality: str | None, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"file not found: .*dog\.jpg; check the name"):
        read(tmp_path / "dog.jpg", modality)
    with pytest.raises(FileNotFoundError):
        read(str(tmp_path / "dog.jpg"), modality)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", ""])
@pytest.mark.parametrize("modality", [None, "image"])
def test_a_name_that_no_file_can_have(name: str, modality: str | None) -> None:
    with pytest.raises(UnibindError):
        read(name, modality)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="is not a file"):
        read(tmp_path, "image")


@pytest.mark.parametrize("modality", [None, *MODALITIES])
def test_an_empty_file(modality: str | None, tmp_path: Path) -> None:
    (tmp_path / "nothing.png").touch()
    with pytest.raises(UnreadableError, match=r"nothing\.png: the file is empty"):
        read(tmp_path / "nothing.png", modality)


def test_empty_bytes() -> None:
    with pytest.raises(UnreadableError, match="empty"):
        read(b"", "image")


def test_bytes_need_a_modality() -> None:
    with pytest.raises(UnibindError, match="specify it with modality="):
        read(b"\x89PNG")


def test_an_unknown_modality() -> None:
    with pytest.raises(UnknownNameError, match="unknown modality 'smell'; choose one of: audio, depth"):
        read(b"rose", "smell")


def test_an_unknown_ending(tmp_path: Path) -> None:
    (tmp_path / "notes.xyzzy").write_text("words")
    with pytest.raises(UnibindError, match=r"no modality has the ending '\.xyzzy'"):
        read(tmp_path / "notes.xyzzy")
    assert read(tmp_path / "notes.xyzzy", "text").text == "words"


def test_an_unknown_option(tmp_path: Path) -> None:
    path = tmp_path / "gray.png"
    Picture.new("L", (4, 4)).save(path)
    with pytest.raises(UnibindError, match=r"the image reader has no such option: .*'scale'"):
        read(path, scale=2.0)
    assert read(path, "thermal", scale=2.0).celsius


def test_bytes_of_a_file_are_limited(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes(b"a" * 101)
    with pytest.raises(LimitError, match="101 bytes, the limits allow 100"):
        read(tmp_path / "words.txt", limits=Limits(max_bytes=100))


def test_the_given_limits_apply_while_the_modality_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gray.tif"  # an ending that two modalities share, so its first bytes are read
    Picture.new("L", (4, 4)).save(path)
    # defaults that are too small for the file
    monkeypatch.setattr("unibind.modalities.reading.Limits", lambda: Limits(max_bytes=10))
    with pytest.raises(LimitError, match="the limits allow 10"):
        read(path)
    assert read(path, limits=Limits()).modality == "image"
    assert modality_of(path, Limits()) == "image"


@pytest.mark.parametrize("text", ["a photo of a dog", "see notes.txt", "long " * 2000 + ".txt", "a\0b.txt"])
def test_a_string_that_does_not_name_a_file_is_the_text(text: str) -> None:
    assert read(text, "text").text == text


@pytest.mark.parametrize("text", ["", "  \n"])
def test_a_blank_string_is_not_a_text(text: str) -> None:
    with pytest.raises(UnibindError, match="visible character"):
        read(text, "text")


def test_an_archive_of_arrays_is_ambiguous(tmp_path: Path) -> None:
    path = tmp_path / "things.npz"
    np.savez(path, points=np.eye(3))
    with pytest.raises(UnibindError, match=r"things\.npz could be event or point_cloud; specify which"):
        modality_of(path)
    assert read(path, "point_cloud").xyz.shape == (3, 3)


def formats(*rows):
    return ModalitySpec("radar", (), rows, picture=lambda raw, size: None)


def row(name, *suffixes, magic=None, **facts):
    return FileFormat(name, suffixes, lambda source, limits: None, magic and (lambda h: h.startswith(magic)), **facts)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.bin", b"anything", "unsigned"),  # by its ending: no signature can contradict it
        ("a.one", b"1...", "one"),
        ("a.one", b"2...", "two"),  # the content contradicts the ending
        ("a.one", b"....", "one"),  # nothing recognizes the content
        ("a.also", b"....", "one"),
        ("a.odd", b"2...", "two"),
        ("a.odd", b"....", "rest"),
    ],
)
def test_the_row_that_reads_a_file(name: str, data: bytes, expected: str, tmp_path: Path) -> None:
    spec = formats(
        row("one", ".one", magic=b"1", also=(".also",)),
        row("two", ".two", magic=b"2"),
        row("unsigned", ".bin"),
        row("rest", fallback=True),
    )
    (tmp_path / name).write_bytes(data)
    assert format_of(open_source(tmp_path / name, Limits()), spec).name == expected


def test_a_file_that_no_row_reads_is_refused() -> None:
    with pytest.raises(UnreadableError, match="not in a known radar format; known are one, two"):
        format_of(open_source(b"...", Limits()), formats(row("one", ".one"), row("two", ".two", magic=b"2")))


def test_endings_in_capitals(tmp_path: Path) -> None:
    path = tmp_path / "PHOTO.JPG"
    Picture.new("RGB", (4, 4)).save(path)
    assert read(path).modality == "image"


@settings(deadline=None, max_examples=25)
@given(data=st.binary(min_size=1, max_size=300), modality=st.sampled_from(["image", "audio", "video", "thermal"]))
def test_random_bytes_are_refused_in_one_sentence(data: bytes, modality: str) -> None:
    with pytest.raises(UnibindError) as raised:
        read(data, modality)
    assert "the given bytes" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.reference
@pytest.mark.parametrize(("modality", "name"), [(m, name) for m, names in SAMPLE_FILES.items() for name in names])
def test_samples_are_read_as_their_modality(modality: str, name: str) -> None:
    raw = read(SAMPLES / modality / name, modality)
    assert raw.modality == modality
    assert raw.summary()


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
@pytest.mark.parametrize(
    "name", ["picture.png", "sound.wav", "sound.m4a", "film.mp4", "events.es", "evt3.raw", "mesh.glb"]
)
def test_names_that_are_not_unicode(name, tmp_path):
    modality = SEEDS[name][0]
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9\xff" + name.encode()))
    path.write_bytes(seed(name))
    assert read(path, modality).summary() == read(seed(name), modality).summary()
    path.write_bytes(seed(name)[:10])
    with pytest.raises(UnreadableError) as caught:
        read(path, modality)
    assert "\n" not in str(caught.value)


def test_a_file_that_may_not_be_opened(tmp_path, monkeypatch):
    path = tmp_path / "mine.png"
    path.write_bytes(b"x")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    for modality in ("image", None):
        with pytest.raises(UnreadableError, match=r"mine\.png cannot be opened: Permission denied"):
            read(path, modality)
