"""A fit of items that have descriptions but no labels, on the command line and in Python, and what it says."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toy_store import KNOWLEDGE, RAW_MAKERS, picture, tone
from tests.helpers.toys import CATEGORIES, DIM, ToyBackbone
from unibind.align.problem import FitConfig
from unibind.data.encode import embed
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.errors import NoLabelsError, UnibindError
from unibind.knowledge import Description, KnowledgeBase
from unibind.modalities.text import Text

STEPS = 10


class Blurred(ToyBackbone):
    """The toy backbone, whose pictures have much on an axis that says nothing, and something of the wrong color."""

    name = "blurred"

    def encode(self, modality, batch):
        z = super().encode(modality, batch)
        if modality == "image":
            spread = batch.sum(dim=1).frac() if batch.is_floating_point() else z[:, 0]
            z[:, :3] = z[:, :3] + 0.8 * z[:, :3].roll(1, dims=1)
            z[:, DIM - 1] = 2 * spread
        return z / z.norm(dim=1, keepdim=True)


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    register(monkeypatch, entry("blurred", spec("blurred", lambda argument=None, **_: Blurred())))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def caption(category, i):
    return " ".join([category] + ["filler"] * (i % 3))


def store_of(*, described=True, texts=False, splits=("train",), count=12):
    """A store of pictures and tones without labels; with captions of their own, or with texts of the same objects."""
    store, backbone, number = Store.create("store"), Blurred(), 0
    for modality, make in RAW_MAKERS.items():
        items, raws = [], []
        for split in splits:
            for category in CATEGORIES:
                for i in range(count):
                    shared = f"{split}-{category}-{i}"
                    own = caption(category, i) if described else None
                    name = f"{modality}-{shared}"
                    items.append(Item(name, modality, uri=f"/{name}", split=split, object=shared, description=own))
                    raws.append(make(category, number))
                    number += 1
        store.add(items, embed(raws, backbone), backbone.contract(modality))
    if texts:
        items = [
            Item(f"text-{split}-{c}-{i}", "text", text=caption(c, i), split=split, object=f"{split}-{c}-{i}")
            for split in splits
            for c in CATEGORIES
            for i in range(count)
        ]
        store.add(items, embed([Text(item.text) for item in items], backbone), backbone.contract("text"))
    store.note_backbone(backbone.name, backbone.options)
    return "store"


def both_ways(store, *options, **arguments):
    """The model of both ways, and what the command line printed."""
    command = ("fit", store, "--out", "model", "--force", "--steps", STEPS, *options)
    said, found = run(*command), run_json(*command)
    model = unibind.fit(store, progress=False, config=FitConfig(steps=STEPS), **arguments)
    saved = unibind.UniBind.from_pretrained("model")
    assert {m: h.fingerprint for m, h in saved.heads.items()} == {m: h.fingerprint for m, h in model.heads.items()}
    assert saved.summary == model.summary and saved.centers.keys() == model.centers.keys()
    assert found == {"model": "model"} | model.summary.to_json()
    return model, said.stdout


@pytest.mark.slow
def test_without_knowledge_the_model_searches_and_knows_no_classes(caplog):
    with caplog.at_level(logging.WARNING, "unibind"):
        model, said = both_ways(store_of())
    assert "has no labels, so heads are fitted from the captions of its items (36 audio, 36 image)" in caplog.text
    assert "captions" in said and "own caption" in said
    assert model.summary.method == "captions" and model.summary.captioned == {"image": 36, "audio": 36}
    assert model.summary.train_items == {"image": 36, "audio": 36}
    assert sorted(model.heads) == ["audio", "image"] and not model.centers and model.knowledge is None
    assert np.array_equal(model.embed("red"), embed([Text("red")], Blurred())[0])  # text is where it was
    assert model.search("red", "store", k=3)
    with pytest.raises(UnibindError, match="no centers for image"):
        model.classify(picture("red"))
    assert "| 36 captions | not measured | none |" in Path("model/README.md").read_text()


@pytest.mark.slow
def test_with_knowledge_its_classes_are_known():
    KNOWLEDGE.save("kb.jsonl")
    model, _ = both_ways(store_of(), "--knowledge", "kb.jsonl", knowledge="kb.jsonl")
    assert [p.label for p in model.classify([tone(name, 9) for name in CATEGORIES])] == [*CATEGORIES]
    assert {"image", "audio", "text"} <= model.centers.keys()
    assert unibind.UniBind.from_pretrained("model").classify("red thing").label == "red"


@pytest.mark.slow
def test_pictures_are_sharper_after_captions():
    """The held-out captions prove it, or else the head stays what it was."""
    model = unibind.fit(store_of(count=24), progress=False)
    unfitted, *fitted = model.summary.history["image"]
    assert "image" not in model.summary.unfitted
    assert min(row["held_out_loss"] for row in fitted) < unfitted["held_out_loss"]


@pytest.mark.slow
def test_stored_texts_of_the_same_objects_are_captions_too():
    model, _ = both_ways(store_of(described=False, texts=True))
    assert model.summary.captioned == {"image": 36, "audio": 36}


@pytest.mark.slow
def test_descriptions_of_test_items_are_not_learned_from():
    store = store_of(described=False, splits=("train", "test"), count=4)
    names = [f"image-{split}-{c}-{i}" for split in ("train", "test") for c in CATEGORIES for i in range(4)]
    written = [Description(f"d{n}", n.split("-")[2], n.split("-")[2], kind="data", item=n) for n in names]
    every, some = KnowledgeBase(written), KnowledgeBase(d for d in written if "-train-" in d.item)
    models = [unibind.fit(store, knowledge=base, progress=False) for base in (every, some)]
    assert models[0].heads["image"].fingerprint == models[1].heads["image"].fingerprint
    assert models[0].summary.captioned == {"image": 12}
    assert len(models[0].knowledge.descriptions) == 12


def test_nothing_to_learn_from_is_an_error():
    store = store_of(described=False)
    with pytest.raises(NoLabelsError, match="or descriptions of items to learn from without labels"):
        unibind.fit(store)
    assert "no labeled train items" in run("fit", store, "--out", "model", code=2).stderr


def test_what_needs_labels_is_refused():
    store = store_of()
    for arguments, name in (({"unify": True}, "unify"), ({"few_shot": 4}, "few_shot")):
        with pytest.raises(UnibindError, match=f"the store has captions, but no labels, which {name} needs"):
            unibind.fit(store, **arguments)
    with pytest.raises(UnibindError, match="a fit from captions has a method of its own; leave out method"):
        unibind.fit(store, config=FitConfig(method="gda"))


@pytest.mark.slow
def test_captions_that_teach_nothing_leave_the_head_unfitted(caplog):
    """All pictures look alike to this backbone."""
    store, backbone = Store.create("store"), Blurred()
    items = [
        Item(f"i{i}", "image", uri=f"/i{i}", split="train", description=caption(CATEGORIES[i % 3], i))
        for i in range(30)
    ]
    store.add(items, embed([picture("red", 5)] * 30, backbone), backbone.contract("image"))
    store.note_backbone(backbone.name, backbone.options)
    with caplog.at_level(logging.WARNING, "unibind"):
        model = unibind.fit(store, progress=False, allow_duplicates=True)
    assert model.summary.unfitted == ["image"] and model.summary.learned_parameters == 0
    assert "image stays unfitted: its 30 captions do not prove" in caplog.text


@pytest.mark.slow
def test_an_evaluation_takes_such_a_model():
    KNOWLEDGE.save("kb.jsonl")
    run("fit", store_of(splits=("train",)), "--out", "model", "--knowledge", "kb.jsonl")
    store, backbone = Store.open("store"), Blurred()
    items = [Item(f"t{i}", "image", uri=f"/t{i}", split="test", label=CATEGORIES[i % 3]) for i in range(9)]
    store.add(
        items, embed([picture(CATEGORIES[i % 3], 700 + i) for i in range(9)], backbone), backbone.contract("image")
    )
    run("eval", "store", "--model", "model", "--out", "report", "--full")
    figures = json.loads(Path("report/report.json").read_text())
    assert "unknown_classes" not in figures and figures["recognition"]
