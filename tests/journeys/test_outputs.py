"""Outputs are checked before the first item is read, by the command line and by Python."""

import pytest

import unibind
from tests.helpers.command import run
from unibind.errors import UnibindError
from unibind.heptad import make
from unibind.knowledge.merging import import_files, merge_bases

FOLDERS = {  # verbs that write a folder; their inputs do not exist, so that a late check would complain of these
    "encode": ("encode", "nowhere.csv", "--out"),
    "fit": ("fit", "no-store", "--out"),
    "eval": ("eval", "no-store", "--out"),
    "demo": ("demo", "--backbone", "no-backbone", "--out"),
    "weights convert": ("weights", "convert", "nowhere.pth"),
    "heptad make": ("heptad", "make", "--out"),
    "knowledge import": ("knowledge", "import", "nowhere.csv", "--out"),
    "knowledge merge": ("knowledge", "merge", "nowhere.csv", "--out"),
    "knowledge generate": ("knowledge", "generate", "cat,dog", "--model", "m", "--out"),
    "knowledge describe": ("knowledge", "describe", "nowhere.csv", "--model", "m", "--out"),
}
FILES = {
    "search": ("search", "a drum", "--store", "no-store", "--png"),
    "inspect": ("inspect", "nowhere.png", "--png"),
    "heptad show": ("heptad", "show", "--out"),
    "knowledge export": ("knowledge", "export", "no-base"),
    "knowledge show": ("knowledge", "show", "no-base", "--html"),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.txt").write_text("a cat")
    (tmp_path / "notes.txt").write_text("kept")


@pytest.mark.parametrize("verb", FOLDERS)
def test_no_verb_writes_into_a_folder_with_other_files(verb, tmp_path):
    done = run(*FOLDERS[verb], "photos", code=2)
    assert done.stderr == "unibind: photos holds other files, such as cat.txt; choose an empty or new folder\n"
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["cat.txt"]


@pytest.mark.parametrize("verb", FOLDERS)
def test_no_verb_takes_a_file_for_a_folder(verb, tmp_path):
    done = run(*FOLDERS[verb], "notes.txt", code=2)
    assert done.stderr.startswith("unibind: notes.txt is a file; choose a folder for ")
    assert (tmp_path / "notes.txt").read_text() == "kept"


@pytest.mark.parametrize("verb", FILES)
def test_no_verb_replaces_a_file_without_force(verb, tmp_path):
    done = run(*FILES[verb], "notes.txt", code=2)
    assert done.stderr == ("unibind: notes.txt exists already; choose another file, or replace it with --force\n")
    assert (tmp_path / "notes.txt").read_text() == "kept"
    assert "photos is a folder" in run(*FILES[verb], "photos", code=2).stderr


def test_force_replaces_what_a_verb_wrote(tmp_path):
    (tmp_path / "kb.csv").write_text("category,text\ncat,A cat purrs.\n")
    run("knowledge", "export", "kb.csv", "new.jsonl")
    run("knowledge", "export", "kb.csv", "new.jsonl", code=2)
    run("knowledge", "export", "kb.csv", "new.jsonl", "--force")
    run("inspect", "photos/cat.txt", "--png", "seen.png")
    assert "seen.png exists" in run("inspect", "photos/cat.txt", "--png", "seen.png", code=2).stderr
    run("inspect", "photos/cat.txt", "--png", "seen.png", "--force")


def test_what_can_be_continued_needs_no_force(tmp_path):
    (tmp_path / "kb.csv").write_text("category,text\ncat,A cat purrs.\n")
    for _ in range(2):
        run("knowledge", "import", "kb.csv", "--out", "kb")
        run("encode", "photos", "--out", "store")


def test_a_model_is_replaced_by_force_only_and_other_files_beside_it_stay(tmp_path):
    run("encode", "photos", "--out", "store")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "unibind.json").write_text("{}")
    (tmp_path / "model" / "my_notes.md").write_text("kept")
    done = run("fit", "store", "--out", "model", code=2)
    assert "model has a model already; choose another folder, or replace it with --force" in done.stderr
    assert (tmp_path / "model" / "my_notes.md").read_text() == "kept"


def test_python_checks_the_same_before_it_reads():
    for write in (
        lambda: unibind.encode("nowhere.csv", "photos"),
        lambda: unibind.Store.create("photos"),
        lambda: unibind.KnowledgeBase.generate(["cat"], "photos", model="m"),
        lambda: unibind.KnowledgeBase.describe("nowhere.csv", "photos", model="m"),
        lambda: make("photos", 1),
        lambda: import_files("photos", ["nowhere.csv"]),
        lambda: merge_bases("photos", ["nowhere.csv"]),
    ):
        with pytest.raises(UnibindError, match="photos holds other files, such as cat"):
            write()


def test_a_saved_model_replaces_an_older_one_but_no_file(tmp_path):
    model = unibind.UniBind(unibind.create_backbone("mini", modalities=["text"]))
    for _ in range(2):
        model.save_pretrained("model")
    with pytest.raises(UnibindError, match=r"notes\.txt is a file; choose a folder for a model"):
        model.save_pretrained("notes.txt")
