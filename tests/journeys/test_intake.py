"""A person's own folders and tables, as they are, through the command and through Python."""

import json
import tarfile

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image as Picture

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toys import CATEGORIES, ToyBackbone


class ThermalToy(ToyBackbone):
    """The toy backbone with a tower for thermal pictures, whose embedding is one axis."""

    modalities = (*ToyBackbone.modalities, "thermal")

    def preprocess(self, modality, raw):
        return torch.tensor([1.0, 0, 0]) if modality == "thermal" else super().preprocess(modality, raw)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    register(
        monkeypatch, entry("toy", spec("toy", lambda *_, **options: ThermalToy(), modalities=ThermalToy.modalities))
    )


def draw(path, category="red"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[..., CATEGORIES.index(category)] = 200
    Picture.fromarray(pixels).save(path)


def touch(path, content="{}"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.fixture
def folder(tmp_path):
    """Three splits in three spellings, a folder beside them, sidecars, and pictures of a thermal camera."""
    root = tmp_path / "data"
    for split in ("Training", "valid", "TEST", "spare"):
        for category in CATEGORIES:
            draw(root / split / "camera" / category / f"{split}.png", category)
            touch(root / split / "camera" / category / f"{split}.png.json")
        touch(root / split / "Thumbs.db")
    sound = np.sin(np.arange(2000) / 3).astype(np.float32)
    soundfile.write(root / "Training" / "camera" / "red" / "a.wav", sound, 8000)
    draw(root / "Training" / "night" / "red" / "a.png")
    touch(root / "LICENSE")
    return root


def stored(path, modality="image"):
    """Label and split of every item by the name of its file."""
    found = unibind.Store.open(path)
    splits = {split: found.vectors(modality, split).uris for split in ("train", "val", "test", "spare")}
    return {
        uri.rsplit("/", 1)[-1] + " " + label: split
        for split, uris in splits.items()
        for uri, label in zip(uris, found.vectors(modality, split).labels, strict=True)
    }


EXPECTED = {
    f"{name}.png {label}": split
    for name, split in {"Training": "train", "valid": "val", "TEST": "test", "spare": "spare"}.items()
    for label in CATEGORIES
}


@pytest.mark.slow
def test_a_folder_as_it_is_by_the_command(folder, tmp_path):
    arguments = ("encode", folder, "--out", tmp_path / "store", "--backbone", "toy", "--modality", "night=thermal")
    facts = run_json(*arguments)
    assert (facts["encoded"], facts["quarantined"]) == (14, 0)
    assert facts["intake"]["skipped"] == {"": 1, ".db": 4, ".json": 12}
    assert facts["intake"]["unknown_splits"] == {"spare": 3}
    assert stored(tmp_path / "store") == EXPECTED
    assert unibind.Store.open(tmp_path / "store").counts() == {"audio": 1, "image": 12, "thermal": 1}
    arguments[3].rename(folder / "store")  # the tables of a store in the folder are no items
    said = run(*arguments[:3], folder / "store", *arguments[4:]).stderr
    assert "13 .json, 4 .db, 1 no ending" in said
    assert "'spare' (3 items)" in said


def test_a_folder_as_it_is_in_python(folder, tmp_path):
    summary = unibind.encode(
        folder, tmp_path / "store", backbone="toy", modality={"Training/night": "thermal"}, progress=False
    )
    assert summary.encoded == 14
    assert summary.intake.skipped == {"": 1, ".db": 4, ".json": 12}
    assert stored(tmp_path / "store") == EXPECTED
    with pytest.raises(unibind.UnibindError, match="'nigth'"):
        unibind.read_manifest(folder, modality={"nigth": "thermal"})


TABLE = (
    "File Name;Class;Subset;remark\n"
    "red.png;red;Train;\n"
    ";;;\n"
    "green.png;green;DEV;a;b\n"
    "red.png;red;Train;\n"
    "blue.png;blue;testing;\n"
    "gone.png;blue;train;\n"
    "what.xyzw;blue;train;\n"
    "\n"
)
SET_ASIDE = {2: "blank", 3: "cells", 4: "repeats the item of row 1", 7: "what.xyzw"}


@pytest.fixture(params=["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "tabs"])
def table(tmp_path, request):
    for category in CATEGORIES:
        draw(tmp_path / f"{category}.png", category)
    path = tmp_path / "list.csv"
    if request.param == "tabs":
        path.write_text(TABLE.replace(";", "\t"))
    else:
        path.write_bytes(TABLE.replace("\n", "\r\n").encode(request.param))
    return path


def test_a_table_as_it_is_by_the_command(table, tmp_path):
    arguments = ("encode", table, "--out", tmp_path / "store", "--backbone", "toy")
    facts = run_json(*arguments, code=1)
    assert (facts["encoded"], facts["quarantined"]) == (2, 1)
    assert {entry["row"]: entry["source"] for entry in facts["intake"]["set_aside"]} == dict.fromkeys(
        SET_ASIDE, str(table)
    )
    assert stored(tmp_path / "store") == {"red.png red": "train", "blue.png blue": "test"}
    said = run(*arguments, code=1).stderr
    assert "set aside 4 of 7 rows" in said
    for row, reason in SET_ASIDE.items():
        assert any(f"row {row}:" in line and reason in line for line in said.splitlines()), row
    assert "row 2" in run("encode", table, "--out", tmp_path / "other", "--strict", "--backbone", "toy", code=2).stderr
    assert not (tmp_path / "other").exists()


def test_a_table_as_it_is_in_python(table, tmp_path):
    manifest = unibind.read_manifest(table)
    assert [(item.label, item.split) for item in manifest] == [("red", "train"), ("blue", "test"), ("blue", "train")]
    assert {entry.row for entry in manifest.report.set_aside} == set(SET_ASIDE)
    with pytest.raises(unibind.UnibindError, match=r"row 2.*and 3 more"):
        unibind.read_manifest(table, strict=True)


@pytest.mark.parametrize(
    ("name", "content", "labels"),
    [
        ("list.txt", "red.png\n\ngreen, not blue.png\n", [None, None]),
        ("list.csv", "red.png\ngreen, not blue.png\n", [None, None]),
        ("list.csv", "red.png,Rot\ngreen.png,Grün\n", ["Rot", "Grün"]),
        ("list.txt", "path,label\nred.png,Rot\ngreen.png,Grün\n", ["Rot", "Grün"]),
        ("list.tsv", "red.png\tRot\ttrain\ngreen.png\tGrün\tval\n", ["Rot", "Grün"]),
    ],
)
def test_a_list_of_files_without_a_header(tmp_path, name, content, labels):
    for file in ("red.png", "green.png", "green, not blue.png"):
        draw(tmp_path / file)
    touch(tmp_path / name, content)
    facts = run_json("encode", tmp_path / name, "--out", tmp_path / "store", "--backbone", "toy")
    assert facts["encoded"] == 2
    assert [item.label for item in unibind.read_manifest(tmp_path / name)] == labels


def test_paths_of_a_table_start_where_one_says(tmp_path):
    draw(tmp_path / "pictures" / "red.png")
    touch(tmp_path / "meta" / "list.csv", "filename,target,category\nred.png,0,red\n")
    arguments = ("encode", tmp_path / "meta" / "list.csv", "--out", tmp_path / "store", "--backbone", "toy")
    assert run_json(*arguments, code=1)["quarantined"] == 1
    assert run_json(*arguments, "--root", tmp_path / "pictures")["encoded"] == 1
    (item,) = unibind.read_manifest(tmp_path / "meta" / "list.csv", root=tmp_path / "pictures")
    assert (item.id, item.label) == (str(tmp_path / "pictures" / "red.png"), "red")
    assert "not a folder" in run(*arguments, "--root", tmp_path / "nowhere", code=2).stderr


def test_several_sources_at_once(folder, tmp_path):
    draw(tmp_path / "one.png")
    touch(tmp_path / "two.jsonl", json.dumps({"image": "one.png"}) + "\n" + json.dumps({"text": "red"}))
    facts = run_json(
        "encode",
        tmp_path / "one.png",
        tmp_path / "two.jsonl",
        folder / "valid",
        "-o",
        tmp_path / "s",
        "--backbone",
        "toy",
    )
    assert facts["encoded"] == 1 + 1 + 3
    assert [entry["row"] for entry in facts["intake"]["set_aside"]] == [1]  # one.png again
    summary = unibind.encode([tmp_path / "one.png", folder / "valid"], tmp_path / "s", backbone="toy", progress=False)
    assert (summary.encoded, summary.unchanged) == (0, 4)
    assert "nowhere does not exist" in run("encode", "nowhere", folder, "-o", tmp_path / "s", code=2).stderr


def test_descriptions_are_asked_for_the_items_of_a_folder_as_it_is(folder, tmp_path):
    arguments = ("knowledge", "describe", folder, "--out", tmp_path / "kb", "--model", "m", "--dry-run")
    said = run(*arguments, "--modality", "night=thermal", "--split", "Training").stderr
    assert "12 .json, 4 .db, 1 no ending" in said
    (estimate,) = run_json(*arguments, "--modality", "night=thermal", "--split", "training").values()
    assert estimate["requests"] == 5  # three pictures, a sound, and a thermal picture
    with pytest.raises(unibind.UnibindError, match="nothing to describe in the splits evening"):
        unibind.KnowledgeBase.describe(folder, tmp_path / "kb", model="m", splits=["evening"])


def test_a_shard_by_the_command_and_in_python(tmp_path):
    draw(tmp_path / "0.png")
    with tarfile.open(tmp_path / "birds-val-0.tar", "w") as shard:
        shard.add(tmp_path / "0.png", "red/0.png")
        shard.add(tmp_path / "0.png", "red/0.seg.bak")
    facts = run_json("encode", tmp_path / "birds-val-0.tar", "--out", tmp_path / "store", "--backbone", "toy")
    assert (facts["encoded"], facts["intake"]["skipped"]) == (1, {".bak": 1})
    (item,) = unibind.read_manifest(tmp_path / "birds-val-0.tar")
    assert (item.label, item.split) == ("red", "val")
    found = unibind.Store.open(tmp_path / "store").vectors("image", "val")
    assert (found.ids, found.labels) == ([item.id], ["red"])
    assert unibind.read(found.uris[0]).pixels.shape == (4, 6, 3)
