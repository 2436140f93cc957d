"""Searching one's own files, on the command line and in Python: the same hits, which can be opened and kept."""

import csv
import re
import shutil
from pathlib import Path

import PIL.Image
import pytest
import soundfile
import torch

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toy_store import picture, tone
from tests.helpers.toys import CATEGORIES, ToyBackbone


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder of nine pictures and one high tone, encoded into `store`; the working directory is above it."""
    toy = spec("toy", lambda argument=None, **options: ToyBackbone(), modalities=ToyBackbone.modalities)
    register(monkeypatch, entry("toy", toy))
    monkeypatch.chdir(tmp_path)
    for i in range(9):
        path = Path("mine", CATEGORIES[i % 3], f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(picture(CATEGORIES[i % 3], i).pixels).save(path)
    high = tone("blue")
    soundfile.write("mine/blue/high.wav", high.samples, high.rate)
    run("encode", "mine", "--out", "store", "--backbone", "toy")
    return tmp_path


def test_both_ways_give_the_same_hits(files):
    printed = run_json("search", "blue", "--store", "store", "-k", 4)
    hits = unibind.search("blue", "store", k=4)
    assert printed["hits"] == hits.to_rows()
    assert [hit.label for hit in hits] == ["blue"] * 4
    assert hits.query == printed["query"] == "blue"
    assert all(Path(hit.uri).is_file() for hit in hits)
    table = run("search", "blue", "--store", "store", "-k", 4).stdout
    assert all(hit.uri in table for hit in hits)


def test_both_ways_can_compare_plain_vectors(files):
    printed = run_json("search", "blue", "--store", "store", "-k", 4, "--no-center")
    hits = unibind.search("blue", "store", k=4, center=False)
    assert printed["hits"] == hits.to_rows()
    assert [hit.score for hit in hits] != [hit.score for hit in unibind.search("blue", "store", k=4)]
    assert hits[0].score == pytest.approx(float(unibind.similarity(*embedded("blue", hits[0].uri))), abs=1e-6)
    assert hits.gaps == unibind.search("blue", "store", k=4).gaps  # as they are before centering


def embedded(*items):
    return unibind.UniBind(ToyBackbone()).embed(list(items))


class Apart(ToyBackbone):
    """Texts have something in common that no picture and no sound has."""

    name = "apart"

    def encode(self, modality, batch):
        vectors = super().encode(modality, batch)
        if modality == "text":
            vectors[:, -1] += 3
        return torch.nn.functional.normalize(vectors, dim=1)


@pytest.mark.slow
def test_a_text_finds_more_than_texts(files, monkeypatch):
    register(
        monkeypatch, entry("apart", spec("apart", lambda argument=None, **_: Apart(), modalities=Apart.modalities))
    )
    rows = [f"{name},{name}" for i in range(40) for name in CATEGORIES]
    Path("texts.csv").write_text("text,label,id\n" + "\n".join(f"{r},{i}" for i, r in enumerate(rows)))
    run("encode", "mine", "texts.csv", "--out", "apart", "--backbone", "apart")
    plain = run_json("search", "blue", "--store", "apart", "-k", 44, "--no-center")["hits"]
    assert {hit["modality"] for hit in plain} == {"text"}
    assert sum(hit["label"] == "blue" for hit in plain) == 40
    found = run_json("search", "blue", "--store", "apart", "-k", 44)["hits"]
    assert [hit["label"] for hit in found] == ["blue"] * 44
    assert sum(hit["modality"] != "text" for hit in found) == 4
    assert found == unibind.search("blue", "apart", k=44).to_rows()
    assert Path("apart/means.safetensors").is_file()
    words = " ".join(run("store", "show", "apart").stderr.split())
    assert re.search(r"text: toy, .*; search removes a mean of length 0\.8\d, of 120 stored items", words)


@pytest.mark.slow
def test_a_fitted_model_is_searched_with_its_own_means(files):
    run("fit", "store", "--out", "model", "--knowledge", "red,green,blue", "--modality", "image")
    printed = run_json("search", "blue", "--store", "store", "--model", "model", "-k", 4)
    hits = unibind.search("blue", "store", model="model", k=4)
    assert printed["hits"] == hits.to_rows()
    assert [hit.label for hit in hits] == ["blue"] * 4
    model = unibind.UniBind.from_pretrained("model")
    query, item = (model.centered(model.embed([x]), m) for x, m in (("blue", "text"), (hits[0].uri, hits[0].modality)))
    assert hits[0].score == pytest.approx(float(query[0] @ item[0]), abs=1e-5)


def test_the_only_sound_has_a_score(files):
    by_modality = {hit.modality: hit for hit in unibind.search("blue", "store", per_modality=1)}
    assert by_modality["audio"].score > 0.5
    red = {hit.modality: hit for hit in unibind.search("red", "store", per_modality=1)}
    assert red["audio"].score < by_modality["audio"].score


def test_at_most_n_hits_of_one_modality(files):
    hits = run_json("search", "blue", "--store", "store", "--per-modality", 2)["hits"]
    assert sorted(hit["modality"] for hit in hits) == ["audio", "image", "image"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3]


def test_copies_of_a_file_are_shown_once(files):
    shutil.copytree("mine/blue", "mine/again")
    run("encode", "mine", "--out", "store")
    hits = unibind.search("blue", "store", k=20)
    assert len(hits) == len({Path(hit.uri).name for hit in hits}) == 10


@pytest.mark.slow
def test_results_are_kept_as_table_page_and_picture(files):
    done = run(
        *("search", "mine/blue/high.wav", "--store", "store", "-k", 5),
        *("--out", "hits.csv", "--html", "hits.html", "--png", "hits.png"),
    )
    with Path("hits.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["uri"] for row in rows] == [hit.uri for hit in unibind.search("mine/blue/high.wav", "store", k=5)]
    page = Path("hits.html").read_text(encoding="utf-8")
    assert page.count("<li>") == 5
    assert page.count("<audio") == 1
    assert f'href="{(files / "mine/blue/high.wav").as_uri()}"' in page
    with PIL.Image.open("hits.png") as drawn:
        drawn.verify()
    assert all(name in done.stderr for name in ("hits.csv", "hits.html", "hits.png"))


def test_a_table_in_an_unknown_format_is_refused_before_the_search(files):
    shutil.rmtree("mine")  # nothing is read
    failed = run("search", "blue", "--store", "nowhere", "--out", "hits.xlsx", code=2)
    assert ".xlsx" in failed.stderr
