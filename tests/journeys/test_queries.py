"""Composed, filtered, hybrid and diverse searches of one's own files, on the command line and in Python."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import soundfile
from pyarrow import parquet

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toy_store import tone
from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind.errors import UnibindError
from unibind.retrieval.conditions import Comparison

COLORS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200), "yellow": (200, 200, 0), "dark": (9, 0, 9)}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Pictures of five colors in two splits, described, and a tone of three pitches, encoded into `store`."""
    folder = tmp_path_factory.mktemp("queries")
    rows = []
    for i, (name, color) in enumerate(COLORS.items()):
        for split in ("train", "test"):
            path = folder / f"{name}-{split}.png"
            noise = np.random.default_rng(len(rows)).integers(0, 30, (4, 4, 3))
            gray = 10 if split == "train" else 0
            PIL.Image.fromarray(np.uint8(noise + color + gray)).save(path)
            words = f"poster number {40 + i}, it's {name}" if split == "test" else ""
            rows.append({"uri": path.name, "label": name, "split": split, "description": words})
    for name in CATEGORIES:
        sound = tone(name)
        soundfile.write(folder / f"{name}.wav", sound.samples, sound.rate)
        rows.append({"uri": f"{name}.wav", "label": "", "split": "test", "description": ""})
    with (folder / "items.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    unibind.encode(folder / "items.csv", folder / "store", backbone=ToyBackbone(), workers=0)
    return folder


@pytest.fixture
def place(filled, monkeypatch):
    toy = spec("toy", lambda argument=None, **options: ToyBackbone(), modalities=ToyBackbone.modalities)
    register(monkeypatch, entry("toy", toy))
    monkeypatch.chdir(filled)
    return filled


def both_ways(query, *arguments, k=4, **options):
    """The hits of one search, which are the same on the command line and in Python."""
    printed = run_json("search", query, "--store", "store", "-k", k, *arguments)
    hits = unibind.search(query, "store", k=k, **options)
    assert printed["hits"] == hits.to_rows()
    assert (printed["query"], printed["modality"]) == (hits.query, hits.query_modality)
    return hits


def labels(hits):
    return [hit.label for hit in hits]


# --- several parts ---------------------------------------------------------------------------------------------------


def test_two_words_together_find_what_has_both(place):
    hits = both_ways("red", "--item", "green", "--in", "image", items=["green"], modalities=["image"])
    assert set(labels(hits)[:2]) == {"yellow"}
    assert hits.query == "red, green"
    single = both_ways("red", "--in", "image", modalities=["image"])
    assert set(labels(single)[:2]) == {"red"}


def test_a_word_and_a_sound_together_find_a_picture(place):
    hits = both_ways("red", "--item", "green.wav", "--in", "image", items=["green.wav"], modalities=["image"])
    assert set(labels(hits)[:2]) == {"yellow"}
    assert (hits.query, hits.query_modality) == ("red, green.wav", "text and audio")


def test_weights_say_how_much_each_part_counts(place):
    arguments = ("--item", "green", "--in", "image", "--weights", "1,0.05")
    hits = both_ways("red", *arguments, items=["green"], weights=[1, 0.05], modalities=["image"])
    assert set(labels(hits)[:2]) == {"red"}
    assert hits.query == "red, 0.05 * green"


def test_what_is_not_meant_comes_last(place):
    options = {"items": ["green"], "modalities": ["image"], "k": 10}
    hits = both_ways("red", "--item", "green", "--not", "green", "--in", "image", negatives=["green"], **options)
    without = both_ways("red", "--item", "green", "--in", "image", **options)
    assert hits.query == "red, green, not green"
    assert labels(hits).index("green") > labels(without).index("green")
    stronger = ("--not", "green", "--weights", "1,1,1.9")
    far = both_ways(
        "red", "--item", "green", *stronger, "--in", "image", negatives=["green"], weights=[1, 1, 1.9], **options
    )
    assert set(labels(far)[-2:]) == {"green"}


def test_many_queries_have_the_same_further_parts(place):
    found = unibind.search(["red", "blue"], "store", items=["green"], modalities=["image"], k=1)
    assert [hits.query for hits in found] == ["red, green", "blue, green"]
    assert found[0][0].id == unibind.search("red", "store", items="green", modalities=["image"], k=1)[0].id


def test_parts_are_not_read_together_by_a_backbone_that_reads_each_by_itself(place):
    said = run("search", "red", "--with", "green.wav", "--store", "store", code=2).stderr
    assert "toy" in said
    assert unibind.search("red", "store", items=["green.wav"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--weights", "1,half"), "--weights takes numbers separated by commas, such as 1,0.5, not '1,half'"),
        (("--weights", "1,0.5"), "the query has 1 parts, but 2 weights were given; give one for each"),
        (("--item", "green", "--weights", "1,-1"), "pass what to avoid as a negative"),
        (("--not", "red", "--weights", "1,1"), "cancel each other out"),
        (("--item", "gone.png"), "no such file: gone.png"),
        (("--in", "audio,smell"), "unknown modality 'smell'; choose one of: audio, image"),
    ],
)
def test_parts_that_mean_nothing_are_refused_in_one_sentence(place, arguments, words):
    said = run("search", "red", "--store", "store", *arguments, code=2).stderr
    assert words in " ".join(said.split())


# --- filters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("split = 'test' and label in ('red', 'blue')", {"red", "blue"}),
        ("text like '%it''s yellow'", {"yellow"}),
        ("not (label = 'red' or label = 'green') and modality = 'image'", {"blue", "yellow", "dark"}),
        ("label is null", {None}),
    ],
)
def test_a_filter_keeps_what_it_says(place, where, expected):
    hits = both_ways("red", "--where", where, where=where, k=20)
    assert set(labels(hits)) == expected


def test_a_filter_can_be_made_in_python(place):
    name = "it's ' OR 1=1"
    assert unibind.search("red", "store", where=Comparison("label", "=", name)) == []
    assert set(labels(unibind.search("red", "store", where=Comparison("label", "=", "red"), k=9))) == {"red"}


def test_a_filter_that_keeps_nothing_says_so(place):
    done = run("search", "red", "--store", "store", "--where", "label = 'purple'")
    assert "no item was found" in done.stderr


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("label = red", "the filter needs a text in single quotes, or a number at character 9, where it has 'red'"),
        ("color = 'red'", "unknown column in the filter: 'color'; choose one of: id, modality, label"),
        ("start_s = 'x'", "the column start_s of the filter holds numbers"),
        ("label = 'red' or 1=1 --", "the filter needs a column at character 18"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused_in_one_sentence(place, where, words):
    said = " ".join(run("search", "red", "--store", "store", "--where", where, code=2).stderr.split())
    assert words in said
    with pytest.raises(UnibindError, match="filter"):
        unibind.search("red", "store", where=where)


# --- words, diversity, copies ----------------------------------------------------------------------------------------


def test_words_that_no_vector_knows_are_found_by_a_hybrid_search(place):
    """The toy knows no numbers: for it, 43 is a word like any other."""
    hits = both_ways("43", "--hybrid", "--in", "image", hybrid=True, modalities=["image"], k=1)
    assert (hits[0].label, hits[0].text) == ("yellow", "poster number 43, it's yellow")
    assert hits[0].score < 0.9  # the cosine
    alone = both_ways("red", "--hybrid", "--where", "split = 'test'", hybrid=True, where="split = 'test'", k=2)
    assert alone[0].label == "red"


def test_a_hybrid_search_needs_words(place):
    said = run("search", "red.wav", "--store", "store", "--hybrid", code=2).stderr
    assert "'red.wav' has no words for a hybrid search; add a text to it" in " ".join(said.split())
    hits = both_ways("red.wav", "--item", "43", "--hybrid", items=["43"], hybrid=True, k=9)
    assert "yellow" in labels(hits)


def test_diverse_results_do_not_repeat_themselves(place):
    plain = both_ways("red", "--in", "image", modalities=["image"], k=2)
    assert labels(plain) == ["red", "red"]
    assert [hit.same_as for hit in plain] == [None, 1]
    mixed = {"items": ["green"], "weights": [1, 0.5], "modalities": ["image"], "k": 2}
    arguments = ("--item", "green", "--weights", "1,0.5", "--in", "image")
    assert labels(both_ways("red", *arguments, **mixed)) == ["yellow", "yellow"]
    assert labels(both_ways("red", *arguments, "--diverse", diverse=True, **mixed)) == ["yellow", "red"]
    table = run("search", "red", "--store", "store", "--in", "image").stdout
    assert "same as" in table
    assert "moment" not in table  # nothing is a segment


def test_results_of_a_composed_search_are_kept_in_every_form(place, tmp_path):
    names = ("hits.csv", "hits.json", "hits.parquet")
    arguments = ("search", "red", "--item", "green.wav", "--not", "blue", "--store", "store", "--diverse")
    for name in names:
        run(*arguments, "--out", tmp_path / name, *(("--html", tmp_path / "hits.html") if name == names[0] else ()))
    hits = unibind.search("red", "store", items=["green.wav"], negatives=["blue"], diverse=True, k=5)
    assert json.loads((tmp_path / "hits.json").read_text()) == hits.to_rows()
    assert parquet.read_table(tmp_path / "hits.parquet").to_pylist() == hits.to_rows()
    assert "red, green.wav, not blue" in (tmp_path / "hits.html").read_text()


def test_a_model_searches_as_the_function_does(place):
    model = unibind.UniBind(ToyBackbone())
    options = {"items": ["green"], "negatives": ["blue"], "where": "split = 'test'", "diverse": True, "hybrid": True}
    assert (
        model.search("red", "store", **options).to_rows() == unibind.search("red", "store", k=10, **options).to_rows()
    )


def test_copies_in_other_splits_do_not_hide_an_item(place, tmp_path):
    for split in ("train", "test"):
        (tmp_path / split / "red").mkdir(parents=True)
        shutil.copy("red-test.png", tmp_path / split / "red" / "1.png")
    unibind.encode(tmp_path, tmp_path / "copies", backbone=ToyBackbone(), workers=0)
    assert len(unibind.search("red", tmp_path / "copies")) == 1
    for split in ("train", "test"):
        (hit,) = unibind.search("red", tmp_path / "copies", where=f"split = '{split}'")
        assert Path(str(hit.uri)).parts[-3] == split


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"items": ["green"], "negatives": ["blue"], "weights": [1, 0.5]},
        {"where": "label is null or text like '%number%' and split != 'train'"},
        {"where": "uri like '%.png' and not uri like '%yellow%'", "per_modality": 3},
        {"hybrid": True, "items": ["43"], "modalities": ["image"]},
        {"diverse": True, "modalities": ["image"]},
        {"diverse": True, "hybrid": True, "where": "split = 'test'", "modalities": ["image"]},
    ],
)
def test_an_index_gives_the_same_answers(indexed, options):
    found = unibind.search("red", "indexed", k=6, **options)
    plain = unibind.search("red", "store", k=6, **options)
    assert [hit.id for hit in found] == [hit.id for hit in plain]
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in plain], abs=2e-3)  # it is in float16
    assert [hit.same_as for hit in found] == [hit.same_as for hit in plain]


@pytest.fixture
def indexed(place):
    """The same store with an index, which small ones do without."""
    if not Path("indexed").exists():
        shutil.copytree("store", "indexed")
        unibind.build_index("indexed")
    return place
