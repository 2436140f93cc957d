"""Files and classes with names of every kind, through the command and through Python: stored exactly, shown safely."""

import json
import os
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image as Picture

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind.data.intake import read_manifest
from unibind.data.manifest import write_manifest
from unibind.data.store import Store

NAMES = [
    os.fsdecode(b"caf\xe9 \xff.png"),  # Latin-1, as old archives unpack it
    "line\nbreak.png",
    "\x1b[31mred\x07.png",
    "invoice\u202egnp.exe.png",
    'it\'s "quoted", with commas; and spaces .png',
    "-dash.png",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u05d0\u05d1.png",
    "<script>alert(1)</script>.png".replace("/", "\u2044"),
    "back\\slash %41.png",
    "x" * 240 + ".png",
]
LABELS = ["red", "green <script>alert('x')</script>", 'blue" onmouseover="alert(1)\x1b[31m']

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse names that are not UTF-8")


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    register(monkeypatch, entry("toy", spec("toy", lambda *_, **options: ToyBackbone(), modalities=("image", "text"))))


def draw(path, category, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 60, (4, 6, 3), np.uint8)
    pixels[..., CATEGORIES.index(category)] = 200
    Picture.fromarray(pixels).save(path.with_name("plain.png"))
    path.with_name("plain.png").rename(path)


@pytest.fixture
def folder(tmp_path):
    for i, name in enumerate(NAMES):
        draw(tmp_path / "photos" / CATEGORIES[i % 3] / name, CATEGORIES[i % 3], i)
    return tmp_path / "photos"


@pytest.fixture
def files(folder):
    return sorted((p for p in folder.rglob("*") if p.is_file()), key=str)


def assert_safe(*texts):
    for text in texts:
        assert all(character.isprintable() or character in "\n\u200d" for character in text), ascii(text)


def test_a_folder_is_encoded_and_searched(folder, files, tmp_path):
    store = tmp_path / "store"
    shown = run("encode", folder, "--out", store, "--backbone", "toy")
    assert_safe(shown.stdout, shown.stderr)
    assert "10 encoded" in shown.stderr
    assert sorted(uri for uri in Store.open(store).vectors("image").uris) == sorted(map(str, files))
    again = run("encode", folder, "--out", store, "--backbone", "toy")
    assert "0 encoded" in again.stderr
    table = run("search", "red", "--store", store, "-k", 10)
    assert_safe(table.stdout, table.stderr)
    hits = run_json("search", "red", "--store", store, "-k", 10)["hits"]
    assert {hit["uri"] for hit in hits} == set(map(str, files))
    assert {hit.uri for hit in unibind.search("red", store, k=10)} == set(map(str, files))


def test_files_are_classified_and_inspected(files):
    classes = ",".join(CATEGORIES)
    arguments = ("--classes", classes, "--backbone", "toy")
    shown = run("classify", *arguments, "--", *files)
    assert_safe(shown.stdout, shown.stderr)
    results = run_json("classify", *arguments, *files)
    assert [result["item"] for result in results] == list(map(str, files))
    assert [result["label"] for result in results] == [file.parent.name for file in files]
    shown = run("inspect", *files)
    assert_safe(shown.stdout, shown.stderr)
    assert [item["file"] for item in run_json("inspect", *files)] == list(map(str, files))
    model = unibind.UniBind.zero_shot(CATEGORIES, backbone=ToyBackbone())
    assert [p.item for p in model.classify(files)] == list(map(str, files))
    assert model.classify([str(file) for file in files]) == model.classify(files)


def test_what_cannot_be_read_is_named_safely(files, tmp_path):
    for file in files:
        file.write_bytes(b"no picture")
    shown = run("classify", "--classes", "red,green", "--backbone", "toy", "--", *files, code=2)
    assert_safe(shown.stdout, shown.stderr)
    assert len(shown.stderr.splitlines()) >= len(files)
    shown = run("encode", files[0].parent.parent, "--out", tmp_path / "store", "--backbone", "toy", code=1)
    assert_safe(shown.stdout, shown.stderr)
    quarantined = run_json("encode", files[0].parent.parent, "--out", tmp_path / "store", "--backbone", "toy", code=1)
    assert {row["uri"] for row in quarantined["quarantine"]} == set(map(str, files))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_manifest_keeps_the_names(folder, files, tmp_path, ending):
    write_manifest(read_manifest(folder), tmp_path / f"m.{ending}")
    run("encode", tmp_path / f"m.{ending}", "--out", tmp_path / "store", "--backbone", "toy")
    assert sorted(uri for uri in Store.open(tmp_path / "store").vectors("image").uris) == sorted(map(str, files))


class Attributes(HTMLParser):
    """The names of all attributes of a page."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def handle_starttag(self, tag, attributes):
        self.names |= {name for name, _ in attributes}


def rows_of_labels(folder):
    rows = []
    for split in ("train", "val", "test"):
        for i in range(6):
            label, category = LABELS[i % 3], CATEGORIES[i % 3]
            path = folder / f"{split}{i}.png"
            draw(path, category, len(rows))
            rows.append({"uri": str(path), "label": label, "split": split})
    return rows


@pytest.mark.slow
def test_labels_cannot_act_on_the_terminal_or_in_a_page(tmp_path):
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_of_labels(tmp_path / "p")))
    base = {
        label: [f"{category} thing.", f"A {category} one."] for label, category in zip(LABELS, CATEGORIES, strict=True)
    }
    (tmp_path / "kb.json").write_text(json.dumps(base))
    store, model = tmp_path / "store", tmp_path / "model"
    texts = [
        run("encode", tmp_path / "m.jsonl", "--out", store, "--backbone", "toy"),
        run("fit", store, "--knowledge", tmp_path / "kb.json", "--out", model, "--steps", 20, "--backbone", "toy"),
        run("eval", store, "--model", model, "--out", tmp_path / "report"),
        run("classify", tmp_path / "p" / "test1.png", "--model", model),
        run("search", "red", "--store", store, "-k", 18, "--html", tmp_path / "search.html"),
        run("knowledge", "show", tmp_path / "kb.json", "--html", tmp_path / "kb.html", "--backbone", "toy"),
    ]
    for shown in texts:
        assert_safe(shown.stdout, shown.stderr)
    pages = list(tmp_path.rglob("*.html"))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "alert(" in text  # the labels are there
        assert "<script>alert" not in text
        parser = Attributes()
        parser.feed(text)
        assert "onmouseover" not in parser.names
    assert pages
    pictures = [tmp_path / "p" / f"test{i}.png" for i in range(3)]
    assert [p.label for p in unibind.UniBind.from_pretrained(model).classify(pictures)] == LABELS
