import os

import pytest

from unibind.data.intake import parse_modality_choice, read_manifest
from unibind.data.tables import BLANK, BadRow, Dialect, read_rows, table_rows
from unibind.errors import UnibindError, UnknownNameError


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n" if name.endswith(".png") else b"x")


# --- folders --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "split", "label"),
    [
        ("a.wav", None, None),
        ("cat/a.wav", None, "cat"),
        ("animals/pets/cat/a.wav", None, "cat"),
        ("train/a.wav", "train", None),
        ("Training/cat/a.wav", "train", "cat"),
        ("cat/VALID/a.wav", "val", "cat"),
        ("2024/dev/cat/a.wav", "val", "cat"),
        ("testing/cat/raw/a.wav", "test", "raw"),
        ("train/test/a.wav", "train", "test"),
        ("audio/train/a.wav", "train", None),
        ("train/cat/Audios/a.wav", "train", "cat"),
    ],
)
def test_what_folders_say(tmp_path, file, split, label):
    make(tmp_path, file)
    (item,) = read_manifest(tmp_path)
    assert (item.split, item.label) == (split, label)


def test_folders_beside_splits_are_splits_that_are_not_known(tmp_path):
    make(tmp_path, "x/train/cat/1.wav", "x/holdout/cat/2.wav", "x/audio/3.wav", "y/cat/4.wav")
    manifest = read_manifest(tmp_path)
    assert {item.uri[-5]: (item.split, item.label) for item in manifest} == {
        "1": ("train", "cat"),
        "2": ("holdout", "cat"),
        "3": (None, "x"),
        "4": (None, "cat"),
    }
    assert manifest.report.unknown_splits == {"holdout": 1}
    assert "'holdout' (1 item)" in manifest.report.lines()[-1]


def test_folders_that_lead_back_are_entered_once(tmp_path):
    make(tmp_path, "cat/a.wav", "elsewhere/b.wav")
    (tmp_path / "cat" / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    assert [item.uri.rsplit("/", 1)[-1] for item in read_manifest(tmp_path)] == ["a.wav", "b.wav"]


def test_a_table_in_a_folder_is_mentioned(tmp_path):
    make(tmp_path, "a.wav", "labels.csv")
    assert any("pass it instead" in line for line in read_manifest(tmp_path).report.lines())
    (tmp_path / "labels.csv").unlink()
    assert not read_manifest(tmp_path).report.lines()


def test_files_of_a_given_modality_are_chosen_by_ending_and_content(tmp_path):
    make(tmp_path, "a.au", "b.wav", "notes.md", "c.json", "d.txt", "e")
    (tmp_path / "noending").write_bytes(b"fLaC....")
    manifest = read_manifest(tmp_path, modality="audio")
    assert [item.uri.rsplit("/", 1)[-1] for item in manifest] == ["a.au", "b.wav", "noending"]
    assert manifest.report.skipped == {".md": 1, ".json": 1, ".txt": 1, "": 1}


# --- modalities of folders ------------------------------------------------------------------------------------------


def test_modality_choices_of_the_command_line():
    assert parse_modality_choice(None) is None
    assert parse_modality_choice(["thermal", "a=b/c=event"]) == {".": "thermal", "a=b/c": "event"}
    for twice in (["thermal", "event"], ["a=thermal", "a=event"]):
        with pytest.raises(UnibindError, match="two modalities"):
            parse_modality_choice(twice)


def test_the_longest_folder_decides(tmp_path, monkeypatch):
    make(tmp_path, "cam/1.png", "cam/night/2.png", "x/night/3.png", "night.png")
    choice = {".": "image", "night": "thermal", "cam/night": "event", str(tmp_path / "x" / "night"): "depth"}
    kinds = {item.uri[-5]: item.modality for item in read_manifest(tmp_path, modality=choice)}
    assert kinds == {"1": "image", "2": "event", "3": "depth", "t": "image"}
    monkeypatch.chdir(tmp_path.parent)
    choice = {f"{tmp_path.name}/cam": "thermal"}  # as completed by a shell
    assert [item.modality for item in read_manifest(tmp_path, modality=choice)].count("thermal") == 2
    with pytest.raises(UnknownNameError, match="smell"):
        read_manifest(tmp_path, modality={"cam": "smell"})


# --- tables ---------------------------------------------------------------------------------------------------------


def rows_of(tmp_path, content, known=("path", "label")):
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(table_rows(path, Dialect(known.__contains__)))


def test_damage_ends_with_its_row(tmp_path):
    content = 'sep=;\npath;label\na;"two\nlines"\nb;"never closed\nc;5" disc\nd;"x"y\ne;last\n;\n\n'
    rows = rows_of(tmp_path, content)
    assert [row for _, row in rows if not isinstance(row, BadRow)] == [
        {"path": "a", "label": "two\nlines"},
        {"path": "c", "label": '5" disc'},
        {"path": "e", "label": "last"},
    ]
    assert [number for number, row in rows if isinstance(row, BadRow)] == [2, 4]


def test_rows_keep_their_numbers(tmp_path):
    rows = rows_of(tmp_path, "path,label\n\na,b\n , \n,\nc,d\n\n\n")
    assert [number for number, _ in rows] == [1, 2, 3, 4, 5]
    assert [number for number, row in rows if row is BLANK] == [1, 3, 4]
    assert [row["path"] for _, row in read_rows(tmp_path / "t.csv", ("path",))] == ["a", "c"]


def test_one_row_that_is_not_utf8(tmp_path):
    rows = rows_of(tmp_path, b"path,label\na,gr\xc3\xbcn\nb,gr\xfcn\nc,blau\n")
    assert [row if isinstance(row, BadRow) else row["label"] for _, row in rows][::2] == ["grün", "blau"]
    assert "UTF-8" in rows[1][1].reason


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_by_the_columns(tmp_path, separator):
    note = "a note, or; more| than\tone".replace(separator, " ")
    (row,) = rows_of(tmp_path, f"{separator.join([note, 'path', 'label'])}\n{separator.join('xyz')}")
    assert row == (1, {"path": "y", "label": "z"})
