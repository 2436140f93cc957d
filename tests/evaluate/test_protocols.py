import numpy as np
import pytest

from tests.helpers.toys import CATEGORIES, DIM, ToyBackbone
from unibind.backbones import Contract
from unibind.data.embeddings import Embeddings
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.errors import ContractError, UnibindError, UnknownNameError
from unibind.evaluate.cross_modal import cross_modal
from unibind.evaluate.methods import (
    CLASS_NAME,
    DESCRIPTIONS,
    FITTED,
    METHODS,
    NEIGHBORS,
    PROBE,
    RANDOM_WORDS,
    TEMPLATE,
    UNLEARNED,
)
from unibind.evaluate.parts import split_of
from unibind.evaluate.protocols import evaluate
from unibind.evaluate.stores import evaluate_store
from unibind.fitting import fit
from unibind.knowledge import Description, KnowledgeBase

KNOWLEDGE = KnowledgeBase(
    Description(f"{name}-{i}", name, " ".join([name] * 2 + ["filler"] * (i % 5)))
    for name in CATEGORIES
    for i in range(12)
)
BACKBONE = ToyBackbone()
WITHOUT_FIT = tuple(method for method in METHODS if method != FITTED)


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
    assert tuple(found.methods) == METHODS
    for method in (CLASS_NAME, TEMPLATE, DESCRIPTIONS):
        assert found.top1(method) == {"image": 1.0, "audio": pytest.approx(1 / 3)}
        assert found.mean(method) == pytest.approx(2 / 3)
    for method in (NEIGHBORS, PROBE, FITTED):
        assert found.top1(method) == {"image": 1.0, "audio": 1.0}


def test_without_a_fit_there_is_no_row_for_it(store):
    assert tuple(recognized(store).methods) == WITHOUT_FIT


def test_random_words_get_as_many_texts_as_the_centers(store):
    found = recognized(store)
    sizes = found.to_json()["texts_per_class"]
    assert sizes[RANDOM_WORDS] == sizes[DESCRIPTIONS]
    assert set(sizes[DESCRIPTIONS].values()) <= {8, 12}
    assert sizes[CLASS_NAME] == {"audio": 1, "image": 1}
    assert sizes[TEMPLATE] == {"audio": 5, "image": 5}
    for centers in centers_of(found, RANDOM_WORDS).values():
        assert centers.sizes == (max(centers.sizes),) * len(CATEGORIES)


def test_random_words_follow_the_seed(store, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "unibind.evaluate.methods.random_words",
        lambda categories, count, seed: (
            seen.append(seed) or {c: [f"{c} {i}" for i in range(count)] for c in categories}
        ),
    )
    found = recognized(store, seed=5)
    assert set(seen) == {5}
    assert found.top1(RANDOM_WORDS)["image"] == 1.0


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


# --- cross-modal ---------------------------------------------------------------------------------------------------


def stored(modality, axes, labels, objects, space="toy@1"):
    contract = Contract(space=space, backbone="toy", modality=modality, weights="1")
    n = len(axes)
    vectors = np.eye(DIM, dtype=np.float32)[list(axes)]
    return Embeddings(
        modality,
        [f"{modality}{i}" for i in range(n)],
        list(labels),
        vectors,
        contract,
        [None] * n,
        list(objects),
        [None] * n,
        [None] * n,
    )


def test_retrieval_by_hand():
    images = stored("image", (0, 1, 2), "abc", ("x", "y", "z"))
    tones = stored("audio", (0, 2, 1), "abc", ("x", "z", "y"))  # the same objects with other labels
    found = cross_modal({"image": images, "audio": tones}, ks=(1, 3))
    assert found.modalities == ("image", "audio")
    assert found.pair("image", "audio", 1) == pytest.approx(1 / 3)
    assert found.pair("audio", "image", 1) == pytest.approx(1 / 3)
    assert found.pair("image", "audio", 3) == 1
    assert found.same_object[1][0, 1] == found.same_object[1][1, 0] == 1
    assert np.isnan(np.diag(found.recall[1])).all()  # nothing else of the category
    assert np.isnan(np.diag(found.same_object[1])).all()
    assert found.gap == pytest.approx(np.zeros((2, 2)), abs=1e-7)
    assert found.balance(1) == pytest.approx({"mean": 1 / 3, "std": 0, "min": 1 / 3, "max": 1 / 3, "range": 0})


def test_a_query_does_not_retrieve_itself():
    one = stored("image", (0, 0, 1, 2), "abba", (None,) * 4)
    found = cross_modal({"image": one}, ks=(1,))
    # 0 and 1 retrieve each other, with other labels; 2 and 3 retrieve 0, the first of equals: correct for a only
    assert found.recall[1][0, 0] == pytest.approx(1 / 4)


def test_the_gap_is_the_distance_of_the_means():
    a = stored("image", (0, 0), "ab", (None, None))
    b = stored("audio", (1, 1), "ab", (None, None))
    assert cross_modal({"image": a, "audio": b}).gap == pytest.approx(np.array([[0, 2**0.5], [2**0.5, 0]]))


@pytest.mark.parametrize("objects", [(None, None), ("x", None)])
def test_unknown_objects_are_not_scored(objects):
    a = stored("image", (0, 1), "ab", ("x", "y"))
    b = stored("audio", (0, 1), "ab", objects)
    found = cross_modal({"image": a, "audio": b}, ks=(1,))
    assert np.isnan(found.same_object[1]).all()
    assert found.pair("image", "audio", 1) == 1


def test_different_spaces_are_not_compared():
    a = stored("image", (0, 1), "ab", (None, None))
    b = stored("audio", (0, 1), "ab", (None, None), space="toy@2")
    with pytest.raises(ContractError, match="image live in the space toy@1 and audio in toy@2"):
        cross_modal({"image": a, "audio": b})


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
    assert measured.before.pair("image", "audio", 1) == pytest.approx(1 / 3)
    assert measured.after.pair("image", "audio", 1) == 1
    assert measured.after.pair("image", "text", 1) == 1
    facts = measured.to_json()
    assert facts["gains"]["fitted over the best unfitted, top-1"] == 33.33
    assert facts["gains"]["descriptions over class names, top-1"] == 0
    assert facts["recognition"]["mean"][FITTED] == 1
    for gallery in ("audio", "image"):  # all 6 items are among the first 20 hits
        assert facts["gains"][f"text to {gallery} after fit over before, recall@20"] == 0
    assert facts["retrieval"]["before"]["same_object"]["@1"][0][0] is None
    assert evaluate(BACKBONE, store, knowledge=KNOWLEDGE, fitted=fitted, seed=3).to_json() == facts


def test_an_evaluation_without_a_fit_reports_no_gains(store):
    facts = evaluate(BACKBONE, store, knowledge=KNOWLEDGE).to_json()
    assert not any("fit" in name for name in facts["gains"])
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
