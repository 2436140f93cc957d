"""The backbone photo knows what is on a picture, on the command line and in Python; the pictures are drawn."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.drawings import DRAWINGS

CLASSES = {"web": "what a spider builds", "comb": "where bees keep honey", "light": "lights at a crossing"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with four pictures of each drawing, turned, and a base of their classes; encoded into `store`."""
    folder = tmp_path_factory.mktemp("photo")
    for name, draw in DRAWINGS.items():
        (folder / "pictures" / name).mkdir(parents=True)
        for degrees in (0, 5, 10, 15):
            draw().rotate(degrees, resample=3).save(folder / "pictures" / name / f"{degrees}.png")
    rows = [{"category": name, "text": f"{text}, {view}"} for name, text in CLASSES.items() for view in "abc"]
    (folder / "kb.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run("encode", folder / "pictures", "--out", folder / "store", "--backbone", "photo")
    return folder


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("UNIBIND_CACHE", str(folder / "cache"))


@pytest.mark.slow
def test_pictures_are_classified_by_texts_that_are_no_name_of_a_class():
    files = [f"pictures/{name}/0.png" for name in DRAWINGS]
    classes = [*CLASSES.values(), "a dog"]
    rows = run_json("classify", *files, "--classes", ",".join(classes), "--backbone", "photo")
    assert [row["label"] for row in rows] == [CLASSES[name] for name in DRAWINGS]
    model = unibind.UniBind.zero_shot(classes=classes, backbone="photo")
    assert [prediction.label for prediction in model.classify(files)] == [row["label"] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWINGS)
def test_pictures_are_found_by_texts(name):
    hits = run_json("search", CLASSES[name], "--store", "store", "-k", 4)["hits"]
    assert [Path(hit["uri"]).parent.name for hit in hits] == [name] * 4
    assert unibind.search(CLASSES[name], "store", k=4).to_rows() == hits


@pytest.mark.slow
def test_a_folder_with_sounds_too_is_encoded_without_them(tmp_path):
    soundfile.write(tmp_path / "beep.wav", np.sin(np.arange(8000) / 5), 16_000)
    DRAWINGS["web"]().save(tmp_path / "web.png")
    facts = run_json("encode", tmp_path, "--out", tmp_path / "command", "--backbone", "photo")
    summary = unibind.encode(tmp_path, tmp_path / "python", backbone="photo")
    assert facts["encoded"] == summary.encoded == 1
    assert facts["left_out"] == summary.left_out == {"audio": 1}
    assert "has no tower for them: 1 audio" in run("encode", tmp_path, "--out", tmp_path / "command").stderr


@pytest.mark.slow
def test_texts_are_the_same_before_and_after_a_fit_and_in_mini():
    texts = list(CLASSES.values())
    before = unibind.UniBind.zero_shot(classes=texts, backbone="photo").embed(texts)
    run("fit", "store", "--knowledge", "kb.jsonl", "--out", "model")
    fitted = unibind.UniBind.from_pretrained("model")
    assert np.array_equal(fitted.embed(texts), before)
    assert np.array_equal(unibind.UniBind.zero_shot(classes=texts, backbone="mini").embed(texts), before)
    assert [prediction.label for prediction in fitted.classify([f"pictures/{n}/0.png" for n in DRAWINGS])] == [
        *DRAWINGS
    ]
