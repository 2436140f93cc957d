"""Ablations: cells with known answers, the same figures as an evaluation, and fits on the texts of controls."""

import json

import numpy as np
import pytest

from tests.evaluate.test_protocols import BACKBONE, KNOWLEDGE, filled_store
from tests.helpers.toys import CATEGORIES
from unibind.align.centers import Scoring
from unibind.align.problem import FitConfig
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.errors import UnibindError
from unibind.evaluate.ablations import Cell, Row, grid, groups_of_rows, run_grid
from unibind.evaluate.controls import CLASS_NAME, RANDOM_WORDS, TEMPLATE
from unibind.evaluate.fits import Recipe, fit_on
from unibind.evaluate.intervals import Group, bootstrap
from unibind.evaluate.methods import DESCRIPTIONS, TextSources
from unibind.evaluate.parts import split_of
from unibind.evaluate.protocols import evaluate
from unibind.evaluate.texts import class_texts
from unibind.fitting import fit


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Pictures are where their words are; red and green tones are swapped."""
    return filled_store(tmp_path_factory.mktemp("stores") / "store")


def test_a_grid_has_every_combination():
    cells = grid(texts=[DESCRIPTIONS, CLASS_NAME], shots=[0, 4])
    assert [(c.texts, c.shots) for c in cells] == [
        (DESCRIPTIONS, 0),
        (DESCRIPTIONS, 4),
        (CLASS_NAME, 0),
        (CLASS_NAME, 4),
    ]
    assert grid() == [Cell()]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (Cell(), "defaults"),
        (Cell(CLASS_NAME, 4), "texts class name, shots 4"),
        (Cell(shots=None, base_size=8), "shots None, base size 8"),
        (Cell(k=3, scoring=Scoring("top_mean", 5)), "k 3, scoring top_mean 5"),
        (Cell(fit=FitConfig(seed=7)), "fit (seed 7)"),
    ],
)
def test_a_cell_in_words(cell, words):
    assert str(cell) == words


@pytest.mark.slow
def test_every_cell_has_its_known_accuracy(store):
    cells = [*grid(texts=[DESCRIPTIONS, CLASS_NAME, TEMPLATE, RANDOM_WORDS]), Cell(shots=2), Cell(TEMPLATE, None)]
    seen = []
    rows = run_grid(cells, store, BACKBONE, KNOWLEDGE, progress=seen.append)
    assert seen == rows
    assert [row.cell for row in rows] == cells
    for row in rows[:4]:
        assert row.top1 == {"audio": pytest.approx(1 / 3), "image": 1.0}
        assert row.mean == pytest.approx(2 / 3)
    assert [row.top1 for row in rows[4:]] == [{"audio": 1.0, "image": 1.0}] * 2  # labels tell red from green tones
    assert json.loads(json.dumps(rows[4].to_json())) == {
        "cell": "shots 2",
        "top1": {"audio": 1.0, "image": 1.0},
        "mean": 1.0,
    }


@pytest.mark.slow
def test_an_unfitted_cell_is_the_row_of_an_evaluation(store):
    measured = evaluate(BACKBONE, store, knowledge=KNOWLEDGE).recognition
    for row in run_grid(grid(texts=[DESCRIPTIONS, CLASS_NAME]), store, BACKBONE, KNOWLEDGE):
        for modality, group in row.correct.items():
            answers = measured.by_modality[modality].answers[row.cell.texts]
            assert group.objects == measured.groups[modality].objects
            assert np.array_equal(group.correct[str(row.cell)], answers.correct)


def test_a_fitted_cell_is_that_fit(store):
    row = run_grid([Cell(shots=1, seed=5)], store, BACKBONE, KNOWLEDGE)[0]
    model = fit(store, knowledge=KNOWLEDGE, backbone=BACKBONE, few_shot=1, config=FitConfig(seed=5))
    for modality, items in split_of(store, "test").items():
        if modality != "text":
            scores = model.centers[modality].scores(model.centered(model.project(items).vectors, modality))
            predicted = [model.centers[modality].labels[i] for i in scores.argmax(axis=1)]
            assert row.top1[modality] == np.mean(np.array(predicted) == np.array(items.labels))


def test_base_size_draws_descriptions_by_seed():
    known = class_texts(KNOWLEDGE, CATEGORIES, BACKBONE)
    drawn = [known.drawn(4, seed) for seed in (0, 0, 1)]
    assert {c: len(texts) for c, texts in drawn[0].by_class.items()} == dict.fromkeys(CATEGORIES, 4)
    assert drawn[0].descriptions.ids == drawn[1].descriptions.ids != drawn[2].descriptions.ids
    texts = {d.id: d.text for d in KNOWLEDGE.descriptions}
    for each in drawn:  # texts and vectors stay together
        assert [texts[name] for name in each.descriptions.ids] == [t for ts in each.by_class.values() for t in ts]
    assert known.drawn(None, 0) is known
    assert TextSources(BACKBONE, drawn[0], full=True).count == 4


def test_rows_merge_into_groups_for_intervals(store):
    rows = run_grid(grid(texts=[DESCRIPTIONS, CLASS_NAME]), store, BACKBONE, KNOWLEDGE)
    found = bootstrap(groups_of_rows(rows))
    gain = found.gain("defaults", ["texts class name"], ["audio", "image"])
    assert (gain.strongest, gain.gain, gain.interval) == ("texts class name", 0, (0, 0))
    other = Row(Cell(k=1), {"image": Group(["elsewhere"], {"k 1": np.array([True])})})
    with pytest.raises(UnibindError, match="measured on different image items"):
        groups_of_rows([*rows, other])


def test_a_store_without_splits_is_refused(tmp_path):
    store = Store.create(tmp_path / "store")
    images = filled_store(tmp_path / "whole").vectors("image", "train")
    items = [Item(n, "image", uri=n, label=label) for n, label in zip(images.ids, images.labels, strict=True)]
    store.add(items, images.vectors, images.contract)
    with pytest.raises(UnibindError, match="an ablation needs the splits train and test"):
        run_grid([Cell()], store, BACKBONE, KNOWLEDGE)


# --- the same fit on other texts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "few_shot", "held_out"),
    [({}, None, False), ({"few_shot": 1}, 1, True), ({"hold_out_validation": True}, None, True)],
)
def test_the_recipe_of_a_model(store, arguments, few_shot, held_out):
    model = fit(store, knowledge=KNOWLEDGE, backbone=BACKBONE, **arguments)
    recipe = Recipe.of(model, store, seed=3)
    assert set(recipe.modalities) == {"audio", "image"}
    assert (recipe.few_shot, recipe.hold_out_validation, recipe.config.seed) == (few_shot, held_out, 3)


@pytest.mark.slow
def test_one_fit_serves_all_modalities_unless_their_texts_differ(store):
    sources = TextSources(BACKBONE, class_texts(KNOWLEDGE, CATEGORIES, BACKBONE))
    models = fit_on(store, sources, RANDOM_WORDS, Recipe(("audio", "image")))
    assert models["audio"] is models["image"]
    assert set(models["audio"].centers) == {"audio", "image", "text"}
    models = fit_on(store, sources, TEMPLATE, Recipe(("audio", "image")))
    assert set(models["audio"].centers) == {"audio", "text"}
    assert models["image"].knowledge.descriptions[0].text == "a photo of a red."
