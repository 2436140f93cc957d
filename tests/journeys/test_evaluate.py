"""Evaluating one's own data, whatever it has: the same figures on the command line and in Python, an honest page."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import soundfile

from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toy_store import picture, tone
from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind.errors import MissingExtraError, UnibindError, UnknownNameError
from unibind.evaluate.report import charts
from unibind.evaluate.stores import evaluate_store


class DeafBackbone(ToyBackbone):
    """Takes high tones for middle ones, and middle ones for high ones."""

    name = "deaf"

    def encode(self, modality, batch):
        if modality == "audio":
            batch = batch[:, [0, 2, 1]]
        return super().encode(modality, batch)


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    """An empty working directory, the toy backbone, and maps that are quick to draw."""
    kinds = {"toy": ToyBackbone, "deaf": DeafBackbone}
    specs = {
        name: spec(name, lambda argument=None, kind=kind, **options: kind(), modalities=ToyBackbone.modalities)
        for name, kind in kinds.items()
    }
    register(monkeypatch, *(entry(name, value) for name, value in specs.items()))
    monkeypatch.setattr(charts, "_flattened", lambda vectors, seed: np.full((len(vectors), 2), 50.0))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_picture(path, category, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(picture(category, seed).pixels).save(path)


def write_tone(path, category, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = tone(category, seed)
    soundfile.write(path, sound.samples, sound.rate)


WRITERS = {"image": ("png", write_picture), "audio": ("wav", write_tone)}


def encoded(rows, backbone="toy", store="mine"):
    """A store of `rows`: dicts of modality, category (of the file) and other columns of the manifest."""
    table = []
    for i, row in enumerate(rows):
        ending, write = WRITERS[row["modality"]]
        path = Path("files", store, f"{i}.{ending}")
        write(path, row["category"], i)
        table.append({"uri": path, "label": row["category"]} | {k: v for k, v in row.items() if k != "category"})
    columns = list(dict.fromkeys(name for row in table for name in row))
    with Path(f"{store}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(table)
    run("encode", f"{store}.csv", "--out", store, "--backbone", backbone)
    return store


def items(modality="image", categories=CATEGORIES, splits=("",), each=2, **columns):
    """Rows of a manifest: `each` items per category and split."""
    return [
        {"modality": modality, "category": category, "split": split, **columns}
        for split in splits
        for category in categories
        for _ in range(each)
    ]


def both_ways(store, *options, out="report", **arguments):
    """The figures, after checking that the command line and Python give the same ones; the page; what was printed."""
    printed = run_json("eval", store, *options)
    found = evaluate_store(store, **arguments)
    assert printed == json.loads(json.dumps(found.to_json()))
    said = run("eval", store, *options, "--out", out)
    page = Path(out, "report.html").read_text()
    written = json.loads(Path(out, "report.json").read_text())
    assert written == printed
    return printed, page, said.stdout + said.stderr


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


def test_own_labels_without_a_model_or_knowledge():
    facts, page, said = both_ways(encoded(items("image", each=3), store="toys"))
    assert facts["title"] == "toys"
    assert facts["measured"] == "all items"
    names = ("class name", "prompt template", "template ensemble")
    assert facts["recognition"]["top1"] == {name: {"image": 1.0} for name in names}
    assert facts["recognition"]["chance"] == {"image": 0.3333}
    assert "no descriptions were given: class names, as the labels have them, stand for the classes" in said
    assert "neither a test nor a validation split" in said
    assert "airplane" not in page  # nothing of the packaged base
    assert "<h1>toys</h1>" in page
    assert "modalities, one space" not in page
    assert headings(page) == [
        "The data",
        "Recognition",
        "Classes and confusions",
        "The space",
        "What these figures do not tell",
    ]  # one modality: nothing to search between; no mistake; nothing was calibrated


def test_two_modalities_without_a_common_category():
    rows = items("image", ("red", "green")) + items("audio", ("blue",), each=3)
    facts, page, said = both_ways(encoded(rows))
    assert facts["recognition"]["candidate_classes"] == {"audio": 3, "image": 3}
    assert facts["recognition"]["top1"]["class name"] == {"audio": 1.0, "image": 1.0}
    assert "no category in common, so no search by category is measured: image and audio" in said
    assert "balance" not in facts["retrieval"]["before"]
    assert "Search between modalities" not in headings(page)


def test_a_test_split_alone_has_no_means_and_all_texts():
    facts, _, said = both_ways(encoded(items(splits=("test",)), store="only_test"))
    assert facts["measured"] == "the test split"
    assert "no mean is removed from items, and all texts of a class are its centers" in said
    assert facts["recognition"]["chosen"]["class name"]["image"]["strategy"] == "all"


@pytest.mark.slow
def test_train_and_test_without_val_have_all_controls():
    rows = items("image", splits=("train", "test"), each=4) + items("audio", splits=("train", "test"), each=4)
    knowledge = [{"category": c, "text": f"{c} {i}", "generator": "some-llm"} for c in CATEGORIES for i in range(4)]
    Path("kb.jsonl").write_text("\n".join(map(json.dumps, knowledge)))
    store = encoded(rows, backbone="deaf")
    facts, page, said = both_ways(store, "--knowledge", "kb.jsonl", knowledge="kb.jsonl")
    top1 = facts["recognition"]["top1"]
    assert top1["descriptions"] == {"image": 1.0, "audio": pytest.approx(1 / 3)}
    assert top1["linear probe"] == top1["nearest neighbors"] == {"image": 1.0, "audio": 1.0}
    assert facts["recognition"]["chosen"]["descriptions"]["audio"]["strategy"] == "discriminative"
    assert "LLM-written descriptions" in page
    assert facts["description_generators"] == ["some-llm"]
    worst = facts["recognition"]["in_detail"]["audio"]
    assert worst["confusions"] == [["blue", "green", 4], ["green", "blue", 4]]
    assert worst["classes"]["red"] == {"precision": 1.0, "recall": 1.0, "support": 4}
    assert "Worst mistakes" in headings(page)
    mistakes = page[page.index("Worst mistakes") :]
    assert mistakes.count("<audio controls") == 8
    assert mistakes.count("data:image/jpeg;base64,") == 8
    assert "audio: linear probe" not in said  # it is better than the texts beyond doubt; the probes are equal
    assert "image: class name (100.0 %) is not distinguishable from" in said


def test_descriptions_of_an_unknown_writer_are_just_descriptions():
    Path("kb.csv").write_text("category,text\n" + "".join(f"{c},{c} thing\n" for c in CATEGORIES))
    facts, page, said = both_ways(encoded(items(splits=("test",))), "--knowledge", "kb.csv", knowledge="kb.csv")
    assert facts["description_generators"] == []
    assert "LLM" not in page
    assert "no descriptions were given" not in said


def test_knowledge_that_lacks_a_measured_class_is_refused():
    Path("kb.csv").write_text("category,text\nred,red thing\n")
    store = encoded(items(splits=("test",)))
    assert "unknown label 'green'" in run("eval", store, "--knowledge", "kb.csv", code=2).stderr
    with pytest.raises(UnknownNameError, match="unknown label 'green'"):
        evaluate_store(store, knowledge="kb.csv")


def test_unlabeled_items_beside_labeled_ones():
    store = encoded(items(splits=("test",)) + items(splits=("test",), each=1, label=""))
    facts, page, said = both_ways(store)
    assert facts["unlabeled"] == {"image": 3}
    assert facts["recognition"]["measured"] == {"image": 6}
    assert "measured items without a label take no part in recognition: 3 image" in said
    assert "<th>measured without label</th>" in page


def test_nothing_to_measure_is_one_sentence():
    store = encoded(items(label=""))
    words = "there is nothing to measure in mine: all items have no labels"
    assert words in run("eval", store, code=2).stderr
    with pytest.raises(UnibindError, match=words):
        evaluate_store(store)


def test_unlabeled_objects_in_two_modalities_are_searched_by_object():
    rows = [
        row | {"object": f"o{i}"} for m in WRITERS for i, row in enumerate(items(m, each=1, splits=("test",), label=""))
    ]
    facts, page, _ = both_ways(encoded(rows))
    assert "recognition" not in facts
    same = np.array(facts["retrieval"]["before"]["by_object"]["recall@1"], dtype=float)
    assert same[0, 1] == same[1, 0] == 1
    assert headings(page) == [
        "The data",
        "Search between modalities",
        "Unity and balance",
        "What these figures do not tell",
    ]


@pytest.mark.slow
def test_a_fitted_model_with_a_class_that_only_the_test_split_has():
    rows = items("image", ("red", "green"), ("train", "val", "test"), each=3) + items(
        categories=("blue",), splits=("test",)
    )
    store = encoded(rows)
    run("fit", store, "--out", "model")
    facts, page, said = both_ways(store, "--model", "model", model="model")
    assert facts["left_out"] == {"image": {"blue": 2}}
    assert "2 image items of classes that the model does not know (blue) are left out" in said
    assert "would multiply every accuracy by 0.75" in said
    assert facts["recognition"]["measured"] == {"image": 6}
    assert "fitted UniBind" in facts["recognition"]["top1"]
    assert set(facts["calibration_error"]) == {"image"}
    assert "Calibration" in headings(page)
    assert "may be too good" not in said


@pytest.mark.slow
def test_a_full_evaluation_fits_on_controls_and_says_what_is_gained():
    rows = items("image", splits=("train", "val", "test"), each=3) + items("audio", splits=("train", "test"), each=3)
    Path("kb.csv").write_text("category,text\n" + "".join(f"{c},{c} thing {i}\n" for c in CATEGORIES for i in range(4)))
    store = encoded(rows, backbone="deaf")
    run("fit", store, "--knowledge", "kb.csv", "--out", "model")
    facts, page, said = both_ways(store, "--model", "model", "--full", model="model", full=True)
    top1 = facts["recognition"]["top1"]
    assert top1["the same fit on class name"]["audio"] == top1["fitted UniBind"]["audio"] == 1
    assert facts["recognition"]["texts_per_class"]["shuffled descriptions"]["image"] == 4
    gain = facts["gains"]["fitted over the best unfitted, top-1"]
    assert gain["points"] == 33.33
    assert gain["interval"][0] > 0
    assert facts["gains"]["fitted over the same fit on the strongest control, top-1"]["points"] == 0
    assert facts["unity"].keys() == {"uncentered", "before", "after"}
    assert "the same fit on class name" in page
    for words in ("Gains", "Search between modalities", "Unity and balance", "modalities told apart"):
        assert words in said


def test_stores_without_descriptions_have_only_controls_of_names():
    facts, *_ = both_ways(encoded(items(splits=("train", "test"), each=3)))
    unfitted = set(facts["recognition"]["top1"]) - {"nearest neighbors", "linear probe"}
    assert unfitted == {"class name", "prompt template", "template ensemble"}
    assert facts["control_texts_per_class"] == 0


@pytest.mark.slow
def test_a_model_that_may_have_seen_the_measured_items_is_doubted():
    store = encoded(items(each=6))
    run("fit", store, "--out", "model")
    *_, said = both_ways(store, "--model", "model", model="model")
    assert "may have learned from the measured items" in said


def test_user_text_is_escaped_and_paths_stay_out_of_the_page(workplace):
    rows = [row | {"label": f"<b>{row['category']}</b> & co"} for row in items(each=2)]
    _, page, _ = both_ways(encoded(rows, backbone="deaf"))
    assert "<b>red</b> & co" not in page
    assert "&lt;b&gt;red&lt;/b&gt; &amp; co" in page
    assert str(workplace) not in page


def test_more_than_a_hundred_classes_have_no_matrix_but_their_largest_confusions():
    categories = [f"{CATEGORIES[i % 3]} number {i}" for i in range(charts.MATRIX_CLASSES + 2)]
    rows = [{"modality": "image", "category": name.split()[0], "label": name, "split": "test"} for name in categories]
    facts, page, _ = both_ways(encoded(rows))
    assert "Confusion matrix" not in page
    assert "Largest confusions" in page
    assert "the 100 lowest of 102" in page
    assert len(facts["recognition"]["in_detail"]["image"]["confusions"]) == 20


def test_without_its_extra_the_linear_probe_is_left_out_and_named(monkeypatch):
    def missing(module, purpose):
        raise MissingExtraError(purpose, "report")

    monkeypatch.setattr("unibind.evaluate.probes.import_extra", missing)
    store = encoded(items(splits=("train", "test")))
    facts = run_json("eval", store)
    assert "linear probe" not in facts["recognition"]["top1"]
    assert facts["recognition"]["top1"]["nearest neighbors"] == {"image": 1.0}
    assert "the linear probe is left out, because it needs `pip install 'unibind[report]'`" in facts["remarks"]
