"""One file that cannot be read, prepared or encoded never takes the others with it, through the command and Python."""

import json

import numpy as np
import pytest
from PIL import Image as Picture
from typer.testing import CliRunner

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind.cli import app, classify
from unibind.data.store import Store
from unibind.predictions import Prediction, Unreadable


class Fragile(ToyBackbone):
    """Cannot prepare pictures 7 wide, has no memory for those 8 wide, and none for more than two at once."""

    def preprocess(self, modality, raw):
        if modality == "image" and raw.pixels.shape[1] == 7:
            raise ZeroDivisionError("signed integer is\ngreater than maximum")
        if modality == "image" and raw.pixels.shape[1] == 9:
            raise MemoryError
        prepared = super().preprocess(modality, raw)
        return prepared + 1000 if modality == "image" and raw.pixels.shape[1] == 8 else prepared

    def encode(self, modality, batch):
        if modality == "image" and (len(batch) > 2 or (batch > 900).any()):
            raise MemoryError
        return super().encode(modality, batch)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    register(monkeypatch, entry("toy", spec("toy", lambda *_, **options: Fragile(), modalities=Fragile.modalities)))


@pytest.fixture
def files(tmp_path):
    """Three good pictures between four bad ones."""
    paths = []
    for width, category in ((6, "red"), (7, "red"), (6, "green"), (8, "red"), (9, "red"), (6, "blue")):
        pixels = np.zeros((4, width, 3), np.uint8)
        pixels[..., CATEGORIES.index(category)] = 200
        paths.append(tmp_path / "p" / category / f"{len(paths)}.png")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        Picture.fromarray(pixels).save(paths[-1])
    half = paths[0].with_name("half.png")
    half.write_bytes(paths[0].read_bytes()[:40])
    return [*paths[:3], half, *paths[3:]]


REASONS = {
    "1.png": "cannot be prepared as image: signed integer is greater than maximum",
    "3.png": "needs more memory than there is",
    "4.png": "needs more memory than there is",
    "half.png": "half.png",
}


def test_classify(files):
    model = unibind.UniBind.zero_shot(CATEGORIES, backbone=Fragile())
    results = model.classify(files, on_error="return")
    assert [r.label if isinstance(r, Prediction) else None for r in results] == [
        *("red", None, "green", None, None, None, "blue")
    ]
    messages = {path.name: r.message for path, r in zip(files, results, strict=True) if isinstance(r, Unreadable)}
    assert messages.keys() == REASONS.keys()
    for name, reason in REASONS.items():
        assert reason in messages[name]
        assert name in messages[name]
        assert "\n" not in messages[name]
    arguments = ("classify", *files, "--classes", "red,green,blue", "--backbone", "toy")
    assert [r.get("label") for r in run_json(*arguments, code=2)] == ["red", None, "green", None, None, None, "blue"]
    shown = run(*arguments, code=2)
    assert all(reason in shown.stderr for reason in REASONS.values())
    assert all(category in shown.stdout for category in CATEGORIES)


@pytest.mark.slow
def test_classify_with_workers(files):
    model = unibind.UniBind.zero_shot(CATEGORIES, backbone=Fragile())
    results = model.classify(files, on_error="return", workers=1)
    assert [r.label if isinstance(r, Prediction) else None for r in results] == [
        *("red", None, "green", None, None, None, "blue")
    ]


def test_a_modality_without_centers_is_named(files, tmp_path):
    model = unibind.UniBind.zero_shot(CATEGORIES, backbone=Fragile())
    del model.centers["text"]
    (tmp_path / "a.txt").write_text("red thing")
    good, bad = model.classify([files[0], tmp_path / "a.txt"], on_error="return")
    assert good.label == "red"
    assert "a.txt was not classified: this model has no centers for text" in bad.message
    with pytest.raises(unibind.UnibindError):
        model.classify([files[0], tmp_path / "a.txt"])


def test_predictions_before_a_crash_are_printed(files, monkeypatch):
    monkeypatch.setattr(classify, "_GROUP", 1)
    monkeypatch.setattr(Fragile, "encode", _crash_on("green"))
    arguments = ["classify", str(files[0]), str(files[2]), "--classes", "red,green,blue", "--backbone", "toy"]
    shown = CliRunner().invoke(app, arguments)
    assert isinstance(shown.exception, AssertionError)
    assert "0.png" in shown.stdout
    in_json = CliRunner().invoke(app, [*arguments, "--json"])
    assert [answer["label"] for answer in json.loads(in_json.stdout)] == ["red"]


def _crash_on(category):
    original = ToyBackbone.encode

    def encode(self, modality, batch):
        if modality == "image" and (batch[:, CATEGORIES.index(category)] > 100).any():
            raise AssertionError("a bug")
        return original(self, modality, batch)

    return encode


@pytest.mark.slow
def test_encode_and_inspect(files, tmp_path):
    summary = unibind.encode(tmp_path / "p", tmp_path / "store", backbone=Fragile())
    assert (summary.encoded, summary.quarantined) == (3, 4)
    assert len(Store.open(tmp_path / "store").quarantined()) == 4
    shown = run("encode", tmp_path / "p", "--out", tmp_path / "again", "--backbone", "toy", code=1)
    assert "3 encoded" in shown.stderr
    inspected = run_json("inspect", *files, code=2)
    assert [bool(item.get("error")) for item in inspected] == [False, False, False, True, False, False, False]
