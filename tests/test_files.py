import os

import pytest

from unibind.errors import UnibindError
from unibind.files import FILE, OutputKind, check_output, write_whole

BOX = OutputKind("a box", marks=("box.json",))
LOG = OutputKind("a log", marks=("log.json",), resumable=True)


def test_text_and_bytes_are_written_and_folders_made(tmp_path):
    write_whole(tmp_path / "a" / "b" / "text.txt", "naïve ✓\n")
    write_whole(tmp_path / "bytes.bin", b"\x00\xff")
    assert (tmp_path / "a" / "b" / "text.txt").read_bytes() == "naïve ✓\n".encode()
    assert (tmp_path / "bytes.bin").read_bytes() == b"\x00\xff"


def test_a_file_is_replaced_and_readable_by_others(tmp_path):
    path = tmp_path / "facts.json"
    write_whole(path, "a much longer first version")
    write_whole(path, "second")
    assert path.read_text() == "second"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch, failure):
    path = tmp_path / "facts.json"
    write_whole(path, "old")

    def fail(_):
        raise failure

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(failure)):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_on_disk_before_it_has_the_name(tmp_path, monkeypatch):
    path, seen = tmp_path / "facts.json", []
    monkeypatch.setattr(
        os, "fsync", lambda _: seen.append((path.exists(), [p.stat().st_size for p in tmp_path.iterdir()]))
    )
    write_whole(path, "12345")
    assert seen == [(False, [5]), (True, [5])]  # the second is the folder, which now has the name


# --- checking outputs before the work ------------------------------------------------------------------------------


@pytest.fixture
def places(tmp_path):
    """Things that may be at an output path already."""
    (tmp_path / "file").write_text("kept")
    for name, entry in (("empty", None), ("hidden", ".DS_Store"), ("box", "box.json"), ("log", "log.json")):
        (tmp_path / name).mkdir()
        if entry:
            (tmp_path / name / entry).write_text("kept")
    (tmp_path / "box" / "photo.jpg").write_text("kept")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "photo.jpg").write_text("kept")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("new", FILE),
        ("new", BOX),
        ("new/deep/er", BOX),
        ("new/deep.png", FILE),
        ("empty", BOX),
        ("hidden", BOX),
        ("log", LOG),
    ],
)
def test_a_free_place_is_an_output_and_stays_untouched(places, name, kind):
    before = sorted(places.rglob("*"))
    check_output(places / name, kind=kind)
    check_output(places / name, kind=kind, force=True)
    assert sorted(places.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("file", FILE, "exists already; choose another file, or replace it with --force"),
        ("box", BOX, "has a box already; choose another folder, or replace it with --force"),
        ("log", BOX, r"holds other files, such as log\.json; choose an empty or new folder"),
        ("photos", LOG, r"holds other files, such as photo\.jpg"),
    ],
)
def test_what_is_there_already_is_only_replaced_on_request(places, name, kind, message):
    with pytest.raises(UnibindError, match=message):
        check_output(places / name, kind=kind)
    check_output(places / name, kind=kind, force=True)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("empty", FILE, "is a folder; choose a file name"),
        ("file", BOX, "is a file; choose a folder for a box"),
        ("file/below", BOX, "cannot be made, because .*file is a file"),
        ("file/below/deep.png", FILE, "cannot be made, because .*file is a file"),
    ],
)
def test_a_place_of_the_wrong_type_is_refused_even_by_force(places, name, kind, message, force):
    with pytest.raises(UnibindError, match=message):
        check_output(places / name, kind=kind, force=force)


@pytest.mark.parametrize(("name", "place"), [("new/deep", ""), ("empty", "empty"), ("log", "log"), ("a.png", "")])
def test_a_place_that_is_not_writable_is_refused(places, monkeypatch, name, place):
    monkeypatch.setattr(os, "access", lambda path, mode: path != (places / place if place else places))
    with pytest.raises(UnibindError, match="is not writable"):
        check_output(places / name, kind=FILE if name.endswith("png") else LOG)


def test_a_device_is_not_a_file():
    with pytest.raises(UnibindError, match="not an ordinary file"):
        check_output("/dev/null", force=True)
