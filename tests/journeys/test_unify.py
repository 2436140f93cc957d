"""A unified model from files to answers, on the command line and in Python: what mixes, and what is refused."""

import json

import numpy as np
import pytest

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toy_store import KNOWLEDGE, RAW_MAKERS, filled_store, picture, tone
from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind.align.problem import FitConfig
from unibind.data.encode import embed
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.errors import ContractError, UnibindError
from unibind.evaluate.fits import Recipe
from unibind.evaluate.unity import neighbor_mix
from unibind.modalities.text import Text

pytestmark = pytest.mark.slow

STEPS = 40
OFFSET_AXIS = {"text": 4, "image": 5, "audio": 6}


class Islands(ToyBackbone):
    """The toy backbone with an offset of its own for each modality."""

    name = "islands"

    def encode(self, modality, batch):
        z = super().encode(modality, batch)
        z[:, OFFSET_AXIS[modality]] += 1.5
        return z / z.norm(dim=1, keepdim=True)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A store of pictures, tones and captions, a knowledge base, and models fitted both ways."""
    place = tmp_path_factory.mktemp("unify")
    backbone = Islands()
    store = filled_store(place / "store", backbone)
    for split in ("train", "test"):
        names = [f"{split}-{category}-{i}" for category in CATEGORIES for i in range(4)]
        items = [Item(f"text-{n}", "text", text=f"{n.split('-')[1]} filler", label=n.split("-")[1], split=split)
                 for n in names]  # fmt: skip
        store.add(items, embed([Text(item.text) for item in items], backbone), backbone.contract("text"))
    store.note_backbone(backbone.name, backbone.options)
    KNOWLEDGE.save(place / "kb.jsonl")
    return place


@pytest.fixture(autouse=True)
def toy_backbone(monkeypatch):
    register(monkeypatch, entry("islands", spec("islands", lambda argument=None, **_: Islands())))


@pytest.fixture(scope="module")
def model(places):
    return unibind.fit(
        places / "store",
        knowledge=places / "kb.jsonl",
        backbone=Islands(),
        unify=True,
        config=FitConfig(steps=STEPS),
        progress=False,
    )


def test_both_ways_give_the_same_model(places, model):
    command = ("fit", places / "store", "--knowledge", places / "kb.jsonl", "--unify", "--steps", STEPS, "--force")
    said = run(*command, "--out", places / "model").stdout
    assert "text" in said and "unified" in said
    assert run_json(*command, "--out", places / "model") == {"model": str(places / "model")} | model.summary.to_json()
    again = unibind.UniBind.from_pretrained(places / "model", backbone=Islands())
    assert again.unified == model.unified is not None
    assert again.summary == model.summary
    items = [picture("red", 5), tone("blue", 6), "green thing"]
    assert np.array_equal(again.embed(items), model.embed(items))
    card = (places / "model" / "README.md").read_text()
    assert "This model is unified" in card and "| text |" in card
    spaces = {again.contract(m).space for m in again.modalities}
    assert spaces == {f"toy@1/unified@{model.unified}"}


def test_modalities_mix_and_answers_are_right(places, model):
    opened = Store.open(places / "store")
    before = {m: opened.vectors(m, "test") for m in opened.modalities()}
    after = {m: model.project(e).vectors for m, e in before.items()}
    assert all(mix.share == 0 for mix in neighbor_mix({m: e.vectors for m, e in before.items()}).values())
    assert all(mix.share > 0.3 for mix in neighbor_mix(after).values())
    items = [make(name, 900) for make in RAW_MAKERS.values() for name in CATEGORIES]
    answers = model.classify([*items, *(f"{name} thing" for name in CATEGORIES)])
    assert [a.label for a in answers] == [*CATEGORIES] * 3
    assert all(top1 == 1 for top1 in model.summary.validation_top1.values())
    explanation = model.explain("blue thing")
    assert explanation.winner.label == "blue" and "blue" in explanation.winner.evidence[0].description


def test_queries_go_through_the_text_head(places, model):
    hits = model.search("green", places / "store", where="split = 'test'", k=12)
    assert {hit.label for hit in hits} == {"green"}
    assert {hit.modality for hit in hits} == {"text", "image", "audio"}
    model.save_pretrained(places / "searched")
    where = ("--where", "split = 'test'")
    found = run_json("search", "green", "--store", places / "store", "--model", places / "searched", *where)
    assert {hit["label"] for hit in found["hits"]} == {"green"}


def test_text_vectors_from_before_are_refused(places, model):
    texts = Store.open(places / "store").vectors("text", "test")
    images = Store.open(places / "store").vectors("image", "test")
    with pytest.raises(ContractError, match="a unified model moves texts, too"):
        unibind.similarity(texts, model.project(images))
    assert unibind.similarity(model.project(texts), model.project(images)).shape == (12, 12)


@pytest.fixture(scope="module")
def part(places):
    return unibind.fit(
        places / "store",
        knowledge=KNOWLEDGE,
        backbone=Islands(),
        modalities=["image"],
        unify=True,
        config=FitConfig(steps=STEPS),
        progress=False,
    )


def test_a_modality_that_was_not_fitted_stays_outside(places, part):
    assert sorted(part.heads) == ["image", "text"]
    hits = part.search("red", places / "store", where="split = 'test'")
    assert hits.outside_anchor_space == ("audio",)
    with pytest.raises(ContractError, match="what it has no head for stays where it was"):
        part.search("red", places / "store", modalities=["audio"])


def test_validation_items_calibrate_where_they_are_held_out(places):
    held = unibind.fit(
        places / "store",
        knowledge=KNOWLEDGE,
        backbone=Islands(),
        few_shot=2,
        unify=True,
        config=FitConfig(steps=STEPS),
        progress=False,
    )
    assert held.summary.measured_on == {"image": "validation", "audio": "validation", "text": "nothing"}
    assert held.summary.class_items["image"] == dict.fromkeys(sorted(CATEGORIES), 2)
    assert set(held.calibration) == {"image", "audio"}


def test_settings_of_other_fits_are_refused(places):
    said = run("fit", places / "store", "--out", places / "none", "--unify", "--method", "gda", "--rank", 4, code=2)
    assert "a unified fit has a method of its own; leave out method, rank" in " ".join(said.stderr.split())
    with pytest.raises(UnibindError, match="leave out loss"):
        unibind.fit(places / "store", unify=True, backbone=Islands(), config=FitConfig(loss="released"))


def test_without_knowledge_and_captions_names_are_the_texts(places, tmp_path):
    store = filled_store(tmp_path / "store", Islands(), splits=("train",))
    model = unibind.fit(store, backbone=Islands(), unify=True, config=FitConfig(steps=STEPS), progress=False)
    assert [p.label for p in model.classify([picture(name, 7) for name in CATEGORIES])] == [*CATEGORIES]
    assert model.summary.measured_on["text"] == "nothing"
    assert model.summary.validation_top1["text"] is None


def test_own_descriptions_are_captions_of_their_objects(tmp_path):
    store = filled_store(tmp_path / "store", Islands(), splits=("train",), described=True)
    model = unibind.fit(
        store, knowledge=KNOWLEDGE, backbone=Islands(), unify=True, config=FitConfig(steps=STEPS), progress=False
    )
    assert model.summary.measured_on["text"] == "cross-validation"  # captions can be held out, unlike descriptions


def test_progress_is_reported(places):
    steps = []
    unibind.fit(
        places / "store",
        knowledge=KNOWLEDGE,
        backbone=Islands(),
        unify=True,
        config=FitConfig(steps=5),
        progress=lambda name, step: steps.append((name, step)),
    )
    assert {name for name, _ in steps} == {"all modalities"}
    assert [step for _, step in steps] == list(range(1, 5 * 6 + 1))


def test_an_evaluation_shows_both_sides(places, model):
    model.save_pretrained(places / "evaluated")
    run("eval", places / "store", "--model", places / "evaluated", "--out", places / "report")
    unity = json.loads((places / "report" / "report.json").read_text())["unity"]
    text_neighbors = {moment: figures["neighbors"]["text"]["share"] for moment, figures in unity.items()}
    assert text_neighbors["uncentered"] == 0 < text_neighbors["before"]
    assert text_neighbors["after"] > 0.3


def test_an_evaluation_leaves_out_what_the_unified_space_lacks(places, part):
    part.save_pretrained(places / "part")
    run("eval", places / "store", "--model", places / "part", "--out", places / "part_report")
    retrieval = json.loads((places / "part_report" / "report.json").read_text())["retrieval"]
    assert retrieval["before"]["modalities"] == ["audio", "image", "text"]
    assert retrieval["after"]["modalities"] == ["image", "text"]


def test_controls_get_the_same_fit(places, model):
    recipe = Recipe.of(model, Store.open(places / "store"))
    assert recipe.unify and recipe.config == FitConfig() and set(recipe.modalities) == {"image", "audio"}
