import errno
import os
import pickle
from stat import S_ISDIR

import pytest

from unibind import files
from unibind.errors import UnibindError, WriteError
from unibind.files import (
    FILE,
    TEMPORARY,
    OutputKind,
    check_output,
    recover,
    scratch,
    staged,
    sweep,
    write_all,
    write_whole,
    writing,
)

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
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append((S_ISDIR(os.fstat(handle).st_mode), path.exists())))
    write_whole(path, "12345")
    assert seen == [(False, False), (True, True)]  # the file, then the folder with its name


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


# --- replacing what is there ---------------------------------------------------------------------------------------


def fill(folder, **entries):
    folder.mkdir(parents=True)
    for name, text in entries.items():
        (folder / name).write_text(text)


def contents(folder):
    return {p.name: p.read_text() for p in folder.iterdir()}


@pytest.fixture(params=["exchange", "two renames"])
def swap(request, monkeypatch):
    if request.param == "two renames":
        monkeypatch.setattr(files, "_exchanged", lambda one, other: False)


def replace(path, **entries):
    with staged(path, kind=CASE) as new:
        fill(new, **entries)


CASE = OutputKind("a case", marks=("case.json",), others=("page_*",), at_once=True)


def test_a_folder_is_replaced_and_others_entries_stay(tmp_path, swap):
    path = tmp_path / "out"
    replace(path, **{"case.json": "1", "page_1": "1", "page_2": "1"})
    (path / "notes.txt").write_text("mine")
    replace(path, **{"case.json": "2", "page_1": "2"})
    assert contents(path) == {"case.json": "2", "page_1": "2", "notes.txt": "mine"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path, swap):
    path = tmp_path / "out"
    replace(path, **{"case.json": "1"})
    with pytest.raises(KeyboardInterrupt), staged(path, kind=CASE) as new:
        fill(new, **{"case.json": "2"})
        raise KeyboardInterrupt
    assert contents(path) == {"case.json": "1"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_set_aside_by_a_dead_process_comes_back(tmp_path):
    path, room = tmp_path / "out", tmp_path / f"{TEMPORARY}0"
    fill(room / "old" / "out", **{"case.json": "1"})
    fill(room / "new" / "out", **{"case.json": "2"})
    recover(path)
    assert contents(path) == {"case.json": "1"}
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_replaced_does_not_come_back(tmp_path):
    fill(tmp_path / f"{TEMPORARY}0" / "done" / "out", **{"case.json": "1"})
    recover(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_temporaries_of_dead_processes_are_swept_and_those_of_living_ones_stay(tmp_path):
    fill(tmp_path / f"{TEMPORARY}dead", part="1")
    (tmp_path / f"{TEMPORARY}file").write_text("1")
    (tmp_path / f"{TEMPORARY}link").symlink_to(tmp_path)
    (tmp_path / ".unrelated").write_text("kept")
    with scratch(tmp_path) as living:
        (living / "part").write_text("1")
        sweep(tmp_path)
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted([living.name, f"{TEMPORARY}link", ".unrelated"])
    assert (tmp_path / ".unrelated").read_text() == "kept"
    assert not living.exists()


@pytest.mark.parametrize("reason", ["it is a mount point", "it is the current folder", "/x is not writable"])
def test_a_folder_that_cannot_be_renamed_is_filled_but_not_replaced(tmp_path, monkeypatch, reason):
    path = tmp_path / "out"
    fill(path, **{"notes.txt": "mine"})
    monkeypatch.setattr(files, "_obstacle", lambda folder: reason if folder == path else None)
    check_output(path, kind=CASE, force=True)
    replace(path, **{"case.json": "1", "page_1": "1"})
    assert contents(path) == {"case.json": "1", "page_1": "1", "notes.txt": "mine"}
    for again in (lambda: check_output(path, kind=CASE, force=True), lambda: replace(path, **{"case.json": "2"})):
        with pytest.raises(UnibindError, match=f"a case in .* cannot be replaced, because {reason}"):
            again()
    assert contents(path) == {"case.json": "1", "page_1": "1", "notes.txt": "mine"}


def test_the_current_folder_and_mount_points_are_found(tmp_path, monkeypatch):
    assert files._obstacle(tmp_path) is None
    monkeypatch.chdir(tmp_path)
    assert files._obstacle(tmp_path) == "it is the current folder"
    assert files._is_mount_point(files.Path("/proc"))
    assert not files._is_mount_point(tmp_path)


def test_files_written_together_get_their_names_when_all_are_on_disk(tmp_path, monkeypatch):
    a, b = tmp_path / "a", tmp_path / "b"
    write_all({a: "1", b: "1"})
    fsync, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match=f"^{b} cannot be written, because the disk is full; free some space"):
        write_all({a: "2", b: "2"})
    assert contents(tmp_path) == {"a": "1", "b": "1"}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the quota of the disk is used up"),
        (OSError(errno.EROFS, "Read-only file system", "{path}"), "the disk is read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "{path}"), "it is not writable"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "{path}"), "its folder has gone"),
        (RuntimeError("lance error: LanceError(IO): No space left on device (os error 28)"), "the disk is full"),
        (RuntimeError("database or disk is full"), "the disk is full"),
        (
            RuntimeError("Error while serializing: I/O error: File too large (os error 27)"),
            "the system allows no file of this size",
        ),
    ],
)
def test_what_the_system_refuses_is_a_sentence(tmp_path, error, words):
    path = tmp_path / "out"
    if getattr(error, "filename", None):
        error.filename = str(path)
    with pytest.raises(WriteError, match=f"^{path} cannot be written, because {words}.*; ") as refused, writing(path):
        raise error
    again = pickle.loads(pickle.dumps(refused.value))  # it comes from worker processes too
    assert (str(again), again.errno) == (str(refused.value), refused.value.errno)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a wrong value"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/nowhere/input.png"),
        PermissionError(errno.EACCES, "Permission denied", "/nowhere/input.png"),
        UnibindError("another sentence"),
        KeyboardInterrupt(),
    ],
)
def test_other_errors_stay_as_they_are(tmp_path, error):
    with pytest.raises(type(error)) as raised, writing(tmp_path / "out"):
        raise error
    assert raised.value is error
