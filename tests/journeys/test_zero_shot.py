"""Classifying without a fit: what is needed is said, nothing is embedded twice, and nothing is claimed uncalibrated."""

import json

import numpy as np
import pytest
from PIL import Image

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toys import ToyBackbone
from unibind.backbones.starter.model import Starter
from unibind.errors import MissingFileError, UnibindError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a picture and a base, which is also the current one, and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNIBIND_CACHE", str(tmp_path / "cache"))
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save("holiday.jpg")
    rows = [{"category": c, "text": f"A {c} {does}."} for c in ("cat", "dog") for does in ("plays", "sleeps on a sofa")]
    (tmp_path / "kb.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


@pytest.fixture
def text_tower_is_gone(monkeypatch):
    """Call it, and no text can be embedded from then on."""
    encode = Starter.encode

    def only_others(self, modality, batch):
        assert modality != "text"
        return encode(self, modality, batch)

    return lambda: monkeypatch.setattr(Starter, "encode", only_others)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [("--knowledge", "kb.jsonl"), ("--classes", "cat,dog")])
def test_the_second_classification_opens_no_text_tower(classes, text_tower_is_gone):
    first = run_json("classify", "holiday.jpg", *classes)
    text_tower_is_gone()
    assert run_json("classify", "holiday.jpg", *classes) == first


@pytest.mark.slow
def test_python_shares_the_cache_of_the_command(text_tower_is_gone):
    (first,) = run_json("classify", "holiday.jpg", "--knowledge", "kb.jsonl")
    text_tower_is_gone()
    prediction = unibind.UniBind.zero_shot(knowledge="kb.jsonl").classify("holiday.jpg")
    assert [list(pair) for pair in prediction.candidates] == first["candidates"]


def test_what_was_not_calibrated_is_not_printed():
    done = run("classify", "holiday.jpg", "--classes", "cat,dog")
    assert "categories, %" in done.stdout
    assert "none" not in done.stdout
    (prediction,) = run_json("classify", "holiday.jpg", "--classes", "cat,dog")
    assert prediction["none_probability"] is None
    assert sum(share for _, share in prediction["candidates"]) == pytest.approx(1)


def test_without_classes_the_command_and_python_say_what_is_needed():
    done = run("classify", "holiday.jpg", code=2)
    assert done.stderr == ("unibind: there are no classes to choose from; pass --model, --classes or --knowledge\n")
    with pytest.raises(UnibindError, match=r"needs `classes` .* or `knowledge`"):
        unibind.UniBind.zero_shot(backbone="no such backbone")  # said before anything is opened


@pytest.mark.parametrize(
    "command",
    [
        ("classify", "holliday.jpg", "--classes", "cat,dog"),
        ("inspect", "holliday.jpg"),
        ("search", "holliday.jpg", "--store", "store"),
    ],
)
def test_a_query_that_looks_like_a_missing_file_is_not_a_text(command, folder):
    unibind.encode([folder / "holiday.jpg"], folder / "store")
    done = run(*command, code=2)
    assert "holliday.jpg" in done.stderr
    assert done.stderr.startswith("unibind: ")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_python_takes_no_missing_file_for_a_text(folder):
    model = unibind.UniBind.zero_shot(["cat", "dog"])
    for ask in (model.classify, model.embed, model.explain, lambda query: model.search(query, folder / "store")):
        unibind.encode([folder / "holiday.jpg"], folder / "store")
        with pytest.raises(MissingFileError, match=r"no such file: holliday\.jpg"):
            ask("holliday.jpg")


COLORS = {"red": (200, 30, 30), "blue": (30, 30, 200)}


@pytest.fixture
def unlabeled(folder, monkeypatch):
    """Red and blue pictures, a store of them made by a backbone that knows colors, and texts about colors."""
    kind = spec("toy", lambda modalities=None, **_: ToyBackbone(), modalities=ToyBackbone.modalities)
    register(monkeypatch, entry("toy", kind))
    for i in range(4):
        for name, color in COLORS.items():
            pixels = np.full((16, 16, 3), np.array(color) + 8 * i, np.uint8)
            Image.fromarray(pixels).save(f"{name}_{i}.png")
    rows = [{"category": c, "text": text.format(c)} for c in COLORS for text in ("{} square", "something {}", "{}")]
    (folder / "colors.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = sorted(folder.glob("*_?.png"))
    unibind.encode(files, folder / "store", backbone="toy")
    return files


@pytest.mark.slow
@pytest.mark.parametrize("classes", [("--knowledge", "colors.jsonl"), ("--classes", "red,blue"), ("--classes", "red")])
def test_unlabeled_items_help_the_command_and_python_alike(classes, unlabeled):
    (with_items,) = run_json("classify", "red_0.png", *classes, "--unlabeled", "store")
    (without,) = run_json("classify", "red_0.png", *classes, "--backbone", "toy")
    given = {"knowledge": classes[1]} if "--knowledge" in classes else {"classes": classes[1]}
    model = unibind.UniBind.zero_shot(**given, unlabeled="store")
    assert model.backbone.name == "toy"  # as the store remembers
    assert [list(pair) for pair in model.classify("red_0.png").candidates] == with_items["candidates"]
    assert set(model.means) == {"image", "text"}
    assert with_items["label"] == without["label"] == "red"
    assert (with_items["candidates"] == without["candidates"]) == (classes[1] == "red")  # the only class is certain
    as_items = unibind.UniBind.zero_shot(**given, unlabeled=unlabeled, backbone="toy")
    assert as_items.classify("red_0.png").probability == pytest.approx(with_items["probability"], abs=1e-4)


def test_unlabeled_items_of_one_class_are_not_used_and_the_command_says_so(unlabeled, folder, caplog):
    unibind.encode(sorted(folder.glob("red_?.png")), folder / "red_store", backbone="toy")
    done = run("classify", "red_0.png", "--classes", "red,blue", "--unlabeled", "red_store")
    assert "the unlabeled image items are not used" in caplog.text
    assert done.stdout == run("classify", "red_0.png", "--classes", "red,blue", "--backbone", "toy").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "model", "--unlabeled", "store"), "improve zero-shot answers only"),
        (("--knowledge", "kb.jsonl", "--unlabeled", "no_store"), "no_store"),
        (("--classes", "cat,dog", "--unlabeled", "holiday.jpg"), "holiday.jpg"),
    ],
)
def test_unlabeled_items_that_cannot_help_are_refused(arguments, words):
    done = run("classify", "holiday.jpg", *arguments, code=2)
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
