import numpy as np
import pytest

from tests.helpers.toys import CATEGORIES, DIM, ToyBackbone
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.errors import UnibindError, UnknownNameError
from unibind.evaluate.controls import CLASS_NAME, CONTROLS, RANDOM_WORDS, TEMPLATE, TEMPLATE_ENSEMBLE
from unibind.evaluate.methods import DESCRIPTIONS, FITTED, FITTED_ON, METHODS, NEIGHBORS, PROBE, UNLEARNED, TextSources
from unibind.evaluate.parts import split_of
from unibind.evaluate.protocols import evaluate
from unibind.evaluate.stores import evaluate_store
from unibind.evaluate.texts import class_texts
from unibind.fitting import fit
from unibind.knowledge import Description, KnowledgeBase

KNOWLEDGE = KnowledgeBase(
    Description(f"{name}-{i}", name, " ".join([name] * 2 + ["filler"] * (i % 5)))
    for name in CATEGORIES
    for i in range(12)
)
BACKBONE = ToyBackbone()
WITHOUT_FIT = tuple(method for method in METHODS if method not in (FITTED, *FITTED_ON.values()))


def recognized(store, **arguments):
    """The recognition of a store with the base of this file."""
    return evaluate(BACKBONE, store, knowledge=KNOWLEDGE, **arguments).recognition


def centers_of(found, method):
    """The centers of a method, by modality."""
    return {m: r.centers[method] for m, r in found.by_modality.items() if method in r.centers}


def near(axes, seed):
    """Unit vectors [N, 8] near the given axes."""
    vectors = np.eye(DIM)[list(axes)] + np.random.default_rng(seed).normal(0, 0.02, (len(axes), DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def filled_store(path, test_labels=CATEGORIES * 2, train_labels=CATEGORIES * 2):
    """Pictures and texts lie near the axis of their word; red and green tones are swapped."""
    store = Store.create(path)
    for seed, (modality, places) in enumerate({"image": (0, 1, 2), "audio": (1, 0, 2), "text": (0, 1, 2)}.items()):
        for n, split in enumerate(("train", "val", "test")):
            labels = {"train": train_labels, "test": test_labels}.get(split, CATEGORIES * 2)
            items = [
                Item(
                    f"{modality}-{split}-{i}",
                    modality,
                    uri=f"{split}-{i}.x",
                    label=label,
                    split=split,
                    object=f"{split}-{i}",
                )
                for i, label in enumerate(labels)
            ]
            store.add(items, near(places * 2, 10 * seed + n), BACKBONE.contract(modality))
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return filled_store(tmp_path_factory.mktemp("stores") / "store")


@pytest.fixture(scope="module")
def fitted(store):
    return fit(store, knowledge=KNOWLEDGE, backbone=BACKBONE)


# --- zero-shot -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_method_reaches_its_known_accuracy(store, fitted):
    found = recognized(store, fitted=fitted)
    assert tuple(found.methods) == (*WITHOUT_FIT, FITTED)
    for method in (CLASS_NAME, TEMPLATE, DESCRIPTIONS):
        assert found.top1(method) == {"image": 1.0, "audio": pytest.approx(1 / 3)}
        assert found.mean(method) == pytest.approx(2 / 3)
    for method in (NEIGHBORS, PROBE, FITTED):
        assert found.top1(method) == {"image": 1.0, "audio": 1.0}


def test_without_a_fit_there_is_no_row_for_it(store):
    assert tuple(recognized(store).methods) == WITHOUT_FIT


def test_controls_get_as_many_texts_and_the_same_selection_as_descriptions(store):
    found = recognized(store)
    sizes = found.to_json()["texts_per_class"]
    for name, control in CONTROLS.items():
        if control.of_descriptions:
            assert sizes[name] == sizes[DESCRIPTIONS] == {"audio": 12, "image": 12}
    assert sizes[CLASS_NAME] == sizes[TEMPLATE] == {"audio": 1, "image": 1}
    assert sizes[TEMPLATE_ENSEMBLE] == {"audio": 5, "image": 5}
    chosen_as = {(c.strategy, c.scoring) for method in UNLEARNED for c in centers_of(found, method).values()}
    assert len(chosen_as) == 1


def test_controls_follow_the_seed_and_are_embedded_once(monkeypatch):
    seen = []
    monkeypatch.setattr("unibind.evaluate.methods.embed_descriptions", lambda texts, _: seen.append(texts))
    known = class_texts(KNOWLEDGE, CATEGORIES, BACKBONE)
    for seed in (0, 0, 1):
        sources = TextSources(BACKBONE, known, seed=seed)
        for modality in ("image", "audio"):
            sources.embedded(RANDOM_WORDS, modality)
            sources.embedded(TEMPLATE, modality)
    random_words, again, other = seen[0::3]
    assert random_words == again != other
    assert seen[1] != seen[2]  # templates differ by modality


def test_there_is_no_control_of_descriptions_without_any(store):
    found = evaluate(BACKBONE, store).recognition
    assert set(found.methods) & set(UNLEARNED) == {n for n, c in CONTROLS.items() if not c.of_descriptions}


def test_large_bases_have_smaller_controls_unless_the_evaluation_is_full(monkeypatch):
    monkeypatch.setattr("unibind.evaluate.methods.FEW_TEXTS", 9)
    monkeypatch.setattr("unibind.evaluate.methods.LEAST_TEXTS", 2)
    texts = class_texts(KNOWLEDGE, CATEGORIES, BACKBONE)
    assert TextSources(BACKBONE, texts).count == 3
    assert TextSources(BACKBONE, texts, full=True).count == 12
    assert len(TextSources(BACKBONE, texts).embedded(RANDOM_WORDS, "image")) == 9


def chosen(found):
    return {
        (method, m): (c.strategy, c.scoring, c.sizes, c.labels, c.description_ids)
        for method in found.methods
        for m, c in centers_of(found, method).items()
    }


@pytest.mark.slow
def test_test_labels_never_influence_what_is_chosen(store, tmp_path):
    permuted = filled_store(tmp_path / "store", test_labels=("blue", "red", "green", "green", "blue", "red"))
    honest, other = (recognized(s) for s in (store, permuted))
    assert chosen(honest) == chosen(other)
    assert honest.top1(DESCRIPTIONS) != other.top1(DESCRIPTIONS)


@pytest.mark.slow
def test_training_labels_do_not_reach_the_unfitted_methods(store, tmp_path):
    unlabeled = filled_store(tmp_path / "store", train_labels=(None,) * 6)
    honest, other = (recognized(s) for s in (store, unlabeled))
    assert chosen(honest) == chosen(other)
    assert all(honest.top1(method) == other.top1(method) for method in UNLEARNED)


# --- calibration ---------------------------------------------------------------------------------------------------


def test_the_calibration_error_is_that_of_the_conditional_confidence(store, fitted):
    calibrated = evaluate(BACKBONE, store, knowledge=KNOWLEDGE, fitted=fitted).calibrated
    assert calibrated.keys() == {"audio", "image"}
    stored = fitted.project(store.vectors("audio", "test"))
    confidence = fitted.calibration["audio"].probabilities(fitted.centers["audio"].scores(stored.vectors)).max(axis=1)
    assert calibrated["audio"].error == pytest.approx(1 - confidence.mean(), abs=1e-6)  # all correct, in one bin
    assert sum(b.count for b in calibrated["audio"].bins if b is not None) == 6


# --- everything ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_evaluation_measures_before_and_after(store, fitted):
    measured = evaluate(BACKBONE, store, knowledge=KNOWLEDGE, fitted=fitted, seed=3)
    assert measured.inventory.items == {s: {"audio": 6, "image": 6, "text": 6} for s in ("train", "val", "test")}
    assert measured.learned_parameters == fitted.summary.learned_parameters
    for moment in (measured.uncentered, measured.before):
        assert moment.retrieval.pair("image", "audio", "hit@1") == pytest.approx(1 / 3)
    assert measured.after.retrieval.pair("image", "audio", "hit@1") == 1
    assert measured.after.retrieval.pair("image", "text", "hit@1") == 1
    assert measured.after.retrieval.by_name["hit@1"] == {"audio": 1, "image": 1}
    facts = measured.to_json()
    gains = {name: (found["baseline"], found["points"]) for name, found in facts["gains"].items()}
    assert gains["fitted over the best unfitted, top-1"] == (CLASS_NAME, 33.33)
    assert gains["descriptions over class names, top-1"] == (CLASS_NAME, 0)
    assert gains["descriptions over the strongest control, top-1"] == (CLASS_NAME, 0)  # of equals the first
    assert facts["recognition"]["mean"][FITTED] == 1
    # all 6 items are among the first 20 hits, whatever their order
    assert gains["text to others by class, after the fit over before, recall@20"] == ("before", 0)
    assert facts["retrieval"]["before"]["by_object"]["recall@1"][0][0] is None
    assert facts["unity"].keys() == {"uncentered", "before", "after"}
    assert evaluate(BACKBONE, store, knowledge=KNOWLEDGE, fitted=fitted, seed=3).to_json() == facts


def test_an_evaluation_without_a_fit_reports_no_gains(store):
    facts = evaluate(BACKBONE, store, knowledge=KNOWLEDGE).to_json()
    assert facts["gains"].keys() == {
        "descriptions over class names, top-1",
        "descriptions over the strongest control, top-1",
    }
    assert "calibration_error" not in facts
    assert "after" not in facts["retrieval"]
    assert facts["learned_parameters"] == 0
    assert set(split_of(store, "test")) == {"audio", "image", "text"}


@pytest.mark.slow
def test_a_store_is_evaluated_with_descriptions_of_training_items_only(store, fitted, tmp_path, monkeypatch):
    monkeypatch.setattr("unibind.evaluate.stores.write_report", lambda out, *_, **__: out.mkdir())
    leak = Description("leak", "red", "a description of a test item", item="image-test-0")
    knowledge = KnowledgeBase([*KNOWLEDGE.descriptions, leak])
    measured = evaluate_store(store, model=fitted, knowledge=knowledge, out=tmp_path / "report", seed=3)
    assert measured.to_json() == evaluate(BACKBONE, store, knowledge=KNOWLEDGE, fitted=fitted, seed=3).to_json()
    assert (tmp_path / "report").is_dir()
    assert evaluate_store(store.path, model=fitted, seed=3).to_json() == measured.to_json()
    unfitted = evaluate_store(store, backbone=BACKBONE, knowledge=KNOWLEDGE, seed=3)
    assert unfitted.to_json() == evaluate(BACKBONE, store, knowledge=KNOWLEDGE, seed=3).to_json()
    with pytest.raises(UnibindError, match="the model was fitted on toy, not on mini; leave out the backbone"):
        evaluate_store(store, model=fitted, backbone="mini")


def test_labels_without_descriptions_are_refused(store):
    without_blue = KnowledgeBase(d for d in KNOWLEDGE.descriptions if d.category != "blue")
    with pytest.raises(UnknownNameError, match="unknown label 'blue'; choose one of: red, green"):
        evaluate_store(store, backbone=BACKBONE, knowledge=without_blue)
