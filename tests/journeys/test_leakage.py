"""Items that are also in another split are named by `eval`, also where they were saved in another format."""

import csv
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import soundfile
from PIL import ImageDraw

from tests.helpers.command import run, run_json
from unibind.evaluate.stores import evaluate_store

pytestmark = pytest.mark.slow

SIDE, RATE, SECONDS = 96, 16_000, 1
EACH = {"train": 12, "val": 4, "test": 8}  # pictures, and sounds, of each class


def drawn(label, seed):
    """A picture of disks or of bars, in colors and places of its own."""
    rng = np.random.default_rng(seed)
    picture = PIL.Image.new("RGB", (SIDE, SIDE), tuple(map(int, rng.integers(0, 256, 3))))
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(2, 9)):
        x, y, wide, high = rng.integers(4, SIDE - 4, 4)
        color = tuple(map(int, rng.integers(0, 256, 3)))
        box = (x, y, x + wide // 2, y + (wide if label == "disks" else high) // 2)
        (draw.ellipse if label == "disks" else draw.rectangle)(box, fill=color)
    return picture


def played(label, seed):
    """A chord or a rhythm, float samples."""
    rng = np.random.default_rng(seed)
    t = np.arange(RATE * SECONDS) / RATE
    tones = sum(np.sin(2 * np.pi * rng.uniform(80, 4000) * t) * np.exp(-t * rng.uniform(0, 9)) for _ in range(4))
    beat = (t * rng.uniform(2, 15)) % 1 < rng.uniform(0.1, 0.6)
    return 0.2 * tones * (beat if label == "rhythms" else 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A manifest of distinct pictures and sounds in three splits, `clean.csv`, and their files."""
    folder = tmp_path_factory.mktemp("leakage")
    rows = []
    for i, (split, label) in enumerate((s, c) for s, n in EACH.items() for c in ("disks", "bars") for _ in range(n)):
        drawn(label, i).save(folder / f"{i}.png")
        rows.append({"uri": f"{i}.png", "label": label, "split": split})
        sound = "rhythms" if label == "bars" else "chords"
        soundfile.write(folder / f"{i}.wav", played(sound, i), RATE)
        rows.append({"uri": f"{i}.wav", "label": sound, "split": split})
    write_manifest(folder / "clean.csv", rows)
    run("encode", folder / "clean.csv", "--out", folder / "clean", "--backbone", "mini")
    return folder


def write_manifest(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["uri", "label", "split"])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("UNIBIND_CACHE", str(folder / "cache"))


def encoded_with(name, *more):
    """A store of the clean manifest and `more` rows."""
    with Path("clean.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    write_manifest(Path(f"{name}.csv"), [*rows, *more])
    shutil.copytree("clean", name)
    run("encode", f"{name}.csv", "--out", name, "--backbone", "mini")
    return name


def test_distinct_items_raise_no_alarm(folder):
    facts = run_json("eval", "clean")["leakage"]
    assert facts == {
        "looked_at": {"audio": 16, "image": 16},
        "leaking_items": {},
        "copies": [],
        "shared_objects": [],
    }


def test_pictures_and_sounds_saved_again_are_found(folder):
    picture, sound = Path("44.png"), Path("45.wav")  # of the split test
    PIL.Image.open(picture).save("again.jpg", quality=90)
    PIL.Image.open(picture).save("again.png", compress_level=0)
    samples, _ = soundfile.read(sound)
    soundfile.write("again.wav", samples, RATE, subtype="FLOAT")
    again = [
        {"uri": "again.jpg", "label": "bars", "split": "train"},
        {"uri": "again.png", "label": "bars", "split": "val"},
        {"uri": "again.wav", "label": "rhythms", "split": "train"},
    ]
    store = encoded_with("leaking", *again)
    command = run_json("eval", store)
    python = evaluate_store(store)
    assert python.leakage.to_json() == command["leakage"]
    pairs = {(Path(c.measured).name, Path(c.other).name, c.split) for c in python.leakage.copies}
    assert pairs == {
        ("44.png", "again.jpg", "train"),
        ("44.png", "again.png", "val"),
        ("45.wav", "again.wav", "train"),
    }
    assert command["leakage"]["leaking_items"] == {"audio": 1, "image": 1}
    assert "1 measured image item seems to be in another split too" in command["remarks"][1]
    run("eval", store, "--out", "report")
    assert "1 measured audio item seems to be in another split too" in Path("report/report.html").read_text()


def test_a_copied_file_is_refused_and_reported_where_it_is_allowed(folder):
    Path("copied.png").write_bytes(Path("44.png").read_bytes())
    store = encoded_with("copied", {"uri": "copied.png", "label": "bars", "split": "train"})
    assert "is in several splits" in run("eval", store, code=2).stderr
    (copy,) = run_json("eval", store, "--allow-duplicates")["leakage"]["copies"]
    assert copy["same_content"]
    assert copy["cosine"] == 1
