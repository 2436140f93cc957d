"""Classifying a whole store into a table: the answers for its files, on the command line and in Python."""

import csv
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from pyarrow import parquet

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toy_store import picture
from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind.align.centers import Centers, Scoring
from unibind.data.store import Store
from unibind.errors import UnibindError

CLASSES = "red,green,blue"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder of nine pictures, encoded into `store`; the working directory is above it."""
    toy = spec("toy", lambda argument=None, **options: ToyBackbone(), modalities=ToyBackbone.modalities)
    register(monkeypatch, entry("toy", toy))
    monkeypatch.chdir(tmp_path)
    for i in range(9):
        path = Path("mine", "test" if i < 3 else "train", CATEGORIES[i % 3], f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(picture(CATEGORIES[i % 3], i).pixels).save(path)
    run("encode", "mine", "--out", "store", "--backbone", "toy", "--workers", "0")


@pytest.mark.slow
def test_both_ways_give_the_answers_for_the_files(files):
    printed = run_json("classify", "--store", "store", "--classes", CLASSES, "--out", "answers.jsonl", "--top", 2)
    assert printed == {
        "items": 9,
        "labels": {"red": 3, "green": 3, "blue": 3},
        "none_of_these": 0,
        "out": "answers.jsonl",
    }
    rows = [json.loads(line) for line in Path("answers.jsonl").read_text().splitlines()]
    predictions = unibind.UniBind.zero_shot(CLASSES, backbone=ToyBackbone()).classify([row["uri"] for row in rows])
    for row, expected in zip(rows, predictions, strict=True):
        assert row["label"] == row["stored_label"] == expected.label
        assert [row["probability"], row["probability_2"]] == pytest.approx([p for _, p in expected.candidates[:2]])
        assert row["label_2"] == expected.candidates[1][0]
        assert row["description_id"] == expected.description_id
    found = unibind.classify_store("store", "answers.parquet", classes=CLASSES, split="test")
    assert (found.items, found.labels) == (3, {"red": 1, "green": 1, "blue": 1})
    table = parquet.read_table("answers.parquet")
    assert {row["id"] for row in table.to_pylist()} == {row["id"] for row in rows if "/test/" in row["uri"]}
    run("classify", "--store", "store", "--classes", CLASSES, "--out", "answers.csv")
    with Path("answers.csv").open(newline="") as file:
        assert sorted(row["label"] for row in csv.DictReader(file)) == sorted(CLASSES.split(",") * 3)


def test_what_cannot_be_is_one_sentence(files):
    def refused(*arguments):
        return run("classify", *arguments, "--classes", CLASSES, code=2).stderr

    assert "--store STORE with --out FILE" in refused("--store", "store")
    assert "--store STORE with --out FILE" in refused()
    assert ".xlsx" in refused("--store", "store", "--out", "answers.xlsx")
    assert "no items to classify" in refused("--store", "store", "--split", "val", "--out", "answers.csv")
    assert not Path("answers.csv").exists()
    assert "item by item" in refused("--store", "store", "--out", "a.csv", "--transductive")
    Path("answers.csv").write_text("mine")
    assert "--force" in refused("--store", "store", "--out", "answers.csv")
    assert Path("answers.csv").read_text() == "mine"


@pytest.mark.parametrize("scoring", [Scoring("mean"), Scoring("max")])
def test_blocks_give_what_a_loop_over_items_gives(files, scoring, monkeypatch):
    backbone, rng = ToyBackbone(), np.random.default_rng(0)
    vectors = rng.normal(size=(12, backbone.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names, ids = ("a", "b", "c", "d"), tuple(map(str, range(12)))
    centers = Centers(vectors, (3,) * 4, names, ids, "random", scoring, backbone.contract("text"))
    model = unibind.UniBind(backbone, centers={"image": centers})
    monkeypatch.setattr("unibind.predictions.stored._MOST", 2)
    monkeypatch.setattr("unibind.predictions.stored._FEWEST", 2)
    tables = list(model.classify_store("store", top=3))
    assert [len(table) for table in tables] == [2, 2, 2, 2, 1]
    stored = Store.open("store").vectors("image")
    one_by_one = {
        name: model.classify_vectors(vector[None], ["image"], [name], top=3)[0]
        for name, vector in zip(stored.ids, stored.vectors, strict=True)
    }
    for row in (row for table in tables for row in table.to_pylist()):
        expected = one_by_one[row["id"]]
        assert (row["label"], row["description_id"]) == (expected.label, expected.description_id)
        assert [row[f"label_{rank}"] for rank in (2, 3)] == [label for label, _ in expected.candidates[1:]]


def test_several_labels_may_apply(files):
    model = unibind.UniBind.zero_shot(CLASSES, backbone=ToyBackbone()).calibrate("store", split="train")
    (table,) = model.classify_store("store", multi_label=True, threshold=0.01)
    predictions = model.classify([row["uri"] for row in table.to_pylist()], multi_label=True, threshold=0.01)
    for row, expected in zip(table.to_pylist(), predictions, strict=True):
        assert set(row["labels"]) == set(expected.labels)
        assert row["accepted"] == expected.accepted


def test_a_modality_without_centers_is_refused_before_anything_is_read(files):
    model = unibind.UniBind.zero_shot(CLASSES, backbone=ToyBackbone())
    del model.centers["image"]
    with pytest.raises(UnibindError, match="no centers for image"):
        model.classify_store("store")
