"""Whatever names or describes classes serves as knowledge, in every verb and in Python."""

import json

import numpy as np
import pytest
from PIL import Image

import unibind
from tests.helpers.command import run, run_json
from unibind.errors import MissingFileError, UnibindError
from unibind.knowledge import KnowledgeBase

TEXTS = {"cat": ["A cat purrs.", "A cat has whiskers."], "dog": ["A dog barks.", "A dog wags its tail."]}
PAIRS = [(category, text) for category, texts in TEXTS.items() for text in texts]


def table(columns, separator=","):
    return "\n".join([separator.join(columns), *(separator.join(pair) for pair in PAIRS)])


DESCRIBED = {
    "table.csv": table(["category", "text"]),
    "spreadsheet.csv": "\ufeff" + table(["Class", "Description"], ";"),
    "labels.tsv": table(["label", "caption"], "\t"),
    "table.jsonl": "\n".join(json.dumps({"category": c, "text": t}) for c, t in PAIRS),
    "rows.json": json.dumps([{"class": c, "text": t} for c, t in PAIRS]),
    "cupl.json": json.dumps(TEXTS),
    "train.json": json.dumps([{"data": f"{i}.jpg", "label": c, "description": t} for i, (c, t) in enumerate(PAIRS)]),
    "manifest.csv": "path,label,split,description\n"
    + "\n".join(f"{i}.jpg,{c},train,{t}" for i, (c, t) in enumerate(PAIRS)),
}
NAMED = {
    "classes.txt": "# animals\ncat\n\ndog\ncat\n",
    "names.json": '["cat", "dog"]',
    "classes.csv": "class\ncat\ndog\n",
    "items.csv": "path,label\n0.jpg,cat\n1.jpg,dog\n2.jpg,cat\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with every form, and photos by class, which is also the current one."""
    monkeypatch.chdir(tmp_path)
    for name, content in {**DESCRIBED, **NAMED}.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    for i, category in enumerate(["cat", "dog"] * 6):
        path = tmp_path / "photos" / category / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)).save(path)
    KnowledgeBase.open(TEXTS).save(tmp_path / "table.parquet")
    run("knowledge", "import", "cupl.json", "--out", "kb")
    return tmp_path


def pairs(base):
    return sorted((d.category, d.text) for d in base.descriptions)


@pytest.mark.parametrize("name", [*DESCRIBED, "table.parquet", "kb"])
def test_descriptions_in_every_form(name):
    assert pairs(KnowledgeBase.load(name)) == sorted(PAIRS)
    run("knowledge", "import", name, "--out", "imported")
    assert pairs(KnowledgeBase.load("imported")) == sorted(PAIRS)


@pytest.mark.parametrize("name", [*NAMED, "cat, dog,cat", "photos"])
def test_names_in_every_form(name):
    base = KnowledgeBase.load(name)
    assert base.names_only
    assert base.categories == ("cat", "dog")
    assert pairs(base) == pairs(KnowledgeBase.from_names(["cat", "dog"]))
    run("knowledge", "import", name, "--out", "imported")
    assert pairs(KnowledgeBase.load("imported")) == pairs(base)
    assert KnowledgeBase.load("imported").names_only


def test_python_takes_what_is_in_memory():
    assert pairs(KnowledgeBase.open(TEXTS)) == sorted(PAIRS)
    assert pairs(KnowledgeBase.open({"cat": "A cat purrs."})) == [("cat", "A cat purrs.")]
    assert KnowledgeBase.open(["cat", "dog"]).categories == ("cat", "dog")
    base = KnowledgeBase.open(TEXTS)
    assert KnowledgeBase.open(base) is base
    assert not base.names_only
    with pytest.raises(UnibindError, match="'dog' has no texts"):
        KnowledgeBase.open({"cat": ["It purrs."], "dog": []})


def test_names_are_as_good_as_classes():
    expected = run_json("classify", "photos/cat/0.png", "--classes", "cat,dog")
    for names in ("classes.txt", "cat,dog"):
        assert run_json("classify", "photos/cat/0.png", "--knowledge", names) == expected
    assert run_json("classify", "photos/cat/0.png", "--classes", "classes.txt") == expected
    assert unibind.UniBind.zero_shot("cat, dog").centers["image"].labels == ("cat", "dog")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cupl.json", "spreadsheet.csv", "kb"])
def test_verbs_agree_on_a_form(name):
    expected = run_json("classify", "photos/cat/0.png", "--knowledge", "table.jsonl")
    assert run_json("classify", "photos/cat/0.png", "--knowledge", name) == expected
    run("encode", "photos", "--out", "store")
    run("fit", "store", "--out", "model", "--knowledge", name, "--steps", 5)
    assert pairs(unibind.UniBind.from_pretrained("model").knowledge) == sorted(PAIRS)
    shown = run_json("knowledge", "show", name)
    assert [(row["category"], row["texts"]) for row in shown] == [("cat", 2), ("dog", 2)]
    run("knowledge", "export", name, "out.txt")
    assert (KnowledgeBase.load("out.txt").categories) == ("cat", "dog")


@pytest.mark.parametrize("name", ["nowhere", "no/where,at all", "nowhere.json", "nowhere.txt", "nowhere,dog.txt"])
def test_a_missing_file_is_not_a_list_of_names(name):
    done = run("classify", "photos/cat/0.png", "--knowledge", name, code=2)
    assert "does not exist" in done.stderr
    with pytest.raises(MissingFileError, match="does not exist"):
        KnowledgeBase.load(name)


def test_a_folder_without_classes_is_no_knowledge(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match="empty is not a knowledge base"):
        KnowledgeBase.load("empty")


def test_a_fitted_model_takes_no_other_classes():
    done = run("classify", "photos/cat/0.png", "--model", "model", "--knowledge", "kb", code=2)
    assert "a fitted model has its own classes" in done.stderr
