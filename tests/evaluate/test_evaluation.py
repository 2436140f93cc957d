"""What methods gain over each other: a control that must win wins, and committed runs give the same intervals."""

import json

import pytest

from tests.evaluate.test_protocols import BACKBONE, KNOWLEDGE, filled_store
from tests.helpers import axes
from tests.helpers.toys import CATEGORIES
from unibind.evaluate.controls import CLASS_NAME, CONTROLS, SHUFFLED
from unibind.evaluate.intervals import bootstrap, hierarchical_bootstrap
from unibind.evaluate.methods import DESCRIPTIONS, FITTED, FITTED_ON
from unibind.evaluate.protocols import evaluate
from unibind.evaluate.report.tables import unknown_rows
from unibind.evaluate.runs import Run, groups_of
from unibind.fitting import fit
from unibind.knowledge import KnowledgeBase


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return filled_store(tmp_path_factory.mktemp("stores") / "store")


@pytest.fixture(scope="module")
def fitted(store):
    return fit(store, knowledge=KNOWLEDGE, backbone=BACKBONE)


def gains(measured):
    return {c.name: c for c in measured.comparisons}


def test_a_control_that_must_win_wins(store):
    other = dict(zip(CATEGORIES, ("green", "blue", "red"), strict=True))  # every description is of another color
    wrong = KnowledgeBase.open({c: [f"{other[c]} {i}" for i in range(8)] for c in CATEGORIES})
    found = evaluate(BACKBONE, store, knowledge=wrong)
    top1 = {method: found.recognition.top1(method)["image"] for method in (DESCRIPTIONS, CLASS_NAME)}
    assert top1 == {DESCRIPTIONS: 0, CLASS_NAME: 1}
    gain = gains(found)["descriptions over the strongest control, top-1"]
    assert gain.baseline in CONTROLS
    assert gain.baseline != SHUFFLED
    assert gain.gain < -0.3
    assert gain.interval[1] < 0


@pytest.mark.slow
def test_a_full_evaluation_fits_on_every_control_too(store, fitted):
    found = evaluate(BACKBONE, store, knowledge=KNOWLEDGE, fitted=fitted, full=True)
    assert set(FITTED_ON.values()) < set(found.recognition.methods)
    assert found.recognition.methods[-1] == FITTED
    for method in FITTED_ON.values():  # the labels alone tell everything
        assert found.recognition.top1(method) == {"image": 1.0, "audio": 1.0}
    gain = gains(found)["fitted over the same fit on the strongest control, top-1"]
    assert (gain.baseline, gain.gain) == (FITTED_ON[CLASS_NAME], 0)


@pytest.mark.slow
def test_what_search_gains_is_paired(store, fitted):
    found = gains(evaluate(BACKBONE, store, knowledge=KNOWLEDGE, fitted=fitted))
    names = [name for name in found if "recall" in name]
    assert names == [
        f"{what} by {kind}, after the fit over before, recall@20"
        for kind in ("class", "object")
        for what in ("text to others", "all pairs")
    ]
    assert all((found[name].better, found[name].baseline) == ("after", "before") for name in names)


@pytest.mark.slow
def test_a_run_gives_the_same_figures_as_its_evaluation(store, fitted):
    measured = evaluate(BACKBONE, store, knowledge=KNOWLEDGE, fitted=fitted)
    run = Run.from_json(json.loads(json.dumps(measured.run("tower 0", "data 0").to_json())))
    assert set(run.measures) == {"top1", "recall@20 by class", "recall@20 by object"}
    found = hierarchical_bootstrap(groups_of([run], "top1"))
    for method in measured.recognition.methods:
        assert found.measured[method] == pytest.approx(measured.recognition.top1(method))
    fresh = bootstrap(measured.recognition.groups)
    assert found.difference(FITTED, CLASS_NAME, ["audio"]) == pytest.approx(
        fresh.difference(FITTED, CLASS_NAME, ["audio"]), abs=0.02
    )
    searched = hierarchical_bootstrap(groups_of([run], "recall@20 by class"))
    assert searched.measured.keys() == {"before", "after"}
    assert searched.measured["after"]["text to audio"] == pytest.approx(measured.after.retrieval.pair("text", "audio"))


def test_a_run_without_a_fit_has_one_moment(store):
    run = evaluate(BACKBONE, store, knowledge=KNOWLEDGE).run("t", "d")
    assert {m for group in run.measures["recall@20 by class"].values() for m in group.correct} == {"before"}


@pytest.mark.slow
def test_a_full_evaluation_leaves_classes_out(tmp_path):
    store = axes.labeled_store(tmp_path / "store", {"train": 8, "val": 12, "test": 20})
    model = fit(store, knowledge=axes.KNOWLEDGE, backbone=axes.AxesBackbone(), progress=False)
    found = evaluate(model.backbone, store, fitted=model, full=True)
    told = found.unknown.by_modality["image"]
    assert told.auroc > 0.9
    assert len(found.unknown.groups[0]) == 6
    assert found.to_json()["unknown_classes"]["by_modality"]["image"]["auroc"] == told.auroc
    _, rows = unknown_rows(found)
    assert [row[0] for row in rows] == ["image", "average"]
    assert evaluate(model.backbone, store, fitted=model).unknown is None
