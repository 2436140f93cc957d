"""Zero-shot models: what stands for classes with names, with descriptions, and with unlabeled items beside them."""

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.toy_store import KNOWLEDGE, filled_store, picture, tone
from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind import CenterConfig, UniBind
from unibind.align.centered_texts import text_mean
from unibind.align.centers import Scoring
from unibind.align.selection import select_centers
from unibind.centering import Mean
from unibind.data.encode import embed
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.data.store_means import store_means
from unibind.data.unlabeled import read_unlabeled
from unibind.errors import ContractError, MissingFileError, UnibindError
from unibind.knowledge.embedding import embed_descriptions
from unibind.modalities import ANCHOR


def zero_shot(**arguments):
    return UniBind.zero_shot(knowledge=KNOWLEDGE, backbone=ToyBackbone(), **arguments)


def labels(model):
    made = [make(category, 50 + i) for make in (picture, tone) for i, category in enumerate(CATEGORIES)]
    return [prediction.label for prediction in model.classify(made)]


def test_without_items_every_description_counts_for_every_modality():
    model = zero_shot()
    texts = embed_descriptions(KNOWLEDGE, ToyBackbone())
    assert set(model.centers) == set(ToyBackbone.modalities)
    for centers in model.centers.values():
        assert (centers.strategy, centers.scoring, centers.sizes) == ("all", Scoring("centroid"), (3, 3, 3))
    assert model.means.keys() == {ANCHOR}
    np.testing.assert_array_equal(model.means[ANCHOR].vector, text_mean(texts).vector)
    assert labels(model) == 2 * list(CATEGORIES)


@pytest.mark.slow
def test_a_store_gives_means_and_samples_of_its_training_items(tmp_path):
    store = filled_store(tmp_path / "store", ToyBackbone())
    model, texts = zero_shot(unlabeled=store.path), embed_descriptions(KNOWLEDGE, ToyBackbone())
    expected = store_means(store)
    assert model.means.keys() == {"image", "audio", ANCHOR}
    for modality in ("image", "audio"):
        np.testing.assert_array_equal(model.means[modality].vector, expected[modality].vector)
        samples = expected[modality](store.vectors(modality, "train").vectors)
        centers = select_centers(texts, samples=samples)
        assert model.centers[modality].strategy == "discriminative"
        assert model.centers[modality].description_ids == centers.description_ids
    assert model.centers[ANCHOR].strategy == "all"
    assert labels(model) == 2 * list(CATEGORIES)


@pytest.mark.slow
def test_labels_are_not_looked_at(tmp_path):
    backbone = ToyBackbone()
    named, other = filled_store(tmp_path / "named", backbone), Store.create(tmp_path / "other")
    for modality in named.modalities():
        stored = named.vectors(modality, "train")
        items = [Item(name, modality, uri=f"{name}.x", split="train") for name in stored.ids]
        other.add(items, stored.vectors, stored.contract)
    first, second = zero_shot(unlabeled=named), zero_shot(unlabeled=other)
    for modality in named.modalities():
        assert first.centers[modality].description_ids == second.centers[modality].description_ids
        np.testing.assert_allclose(first.means[modality].vector, second.means[modality].vector, atol=1e-6)


def test_items_of_any_kind_will_do():
    items = [make(category, i) for make in (picture, tone) for i in range(4) for category in CATEGORIES]
    model = zero_shot(unlabeled=items)
    pictures = embed(items[:12], ToyBackbone())
    np.testing.assert_allclose(model.means["image"].vector, Mean.of(pictures).vector, atol=1e-6)
    assert model.centers["audio"].strategy == "discriminative"
    assert zero_shot(unlabeled=["red", "a green thing", "blue"]).centers[ANCHOR].strategy == "discriminative"
    assert labels(model) == 2 * list(CATEGORIES)


@pytest.mark.slow
def test_the_same_texts_serve_names_with_items(tmp_path, caplog):
    store = filled_store(tmp_path / "store", ToyBackbone())
    model = UniBind.zero_shot(CATEGORIES, backbone=ToyBackbone(), unlabeled=store)
    assert "by their names alone" in caplog.text
    assert model.centers["image"].strategy == "discriminative"
    assert len(set(model.centers["image"].sizes)) == 1
    assert model.centers["image"].description_ids != model.centers["audio"].description_ids  # templates of their own
    assert labels(model) == 2 * list(CATEGORIES)


def test_items_of_few_of_the_classes_are_not_used(caplog):
    items = [picture("red", i) for i in range(20)] + [tone(c, i) for i in range(4) for c in CATEGORIES]
    model = zero_shot(unlabeled=items)
    assert "the unlabeled image items are not used: they seem to be of about 1 of 3 classes" in caplog.text
    assert model.means.keys() == {"audio", ANCHOR}
    assert (model.centers["image"].strategy, model.centers["audio"].strategy) == ("all", "discriminative")
    assert labels(model) == 2 * list(CATEGORIES)
    asked = zero_shot(unlabeled=items[:20], centers=CenterConfig(strategy="adaptive", k=1))
    assert asked.centers.keys() == {"image"}


@pytest.mark.slow
@pytest.mark.parametrize("with_items", [False, True])
def test_a_single_class_is_the_answer(tmp_path, with_items):
    unlabeled = filled_store(tmp_path / "store", ToyBackbone()) if with_items else None
    for given in ({"classes": ["red"]}, {"classes": ["red"], "knowledge": KNOWLEDGE}):
        model = UniBind.zero_shot(backbone=ToyBackbone(), unlabeled=unlabeled, **given)
        prediction = model.classify(picture("green"))
        assert (prediction.label, prediction.probability) == ("red", 1)


@pytest.mark.slow
def test_other_centers_can_be_asked_for(tmp_path):
    store = filled_store(tmp_path / "store", ToyBackbone())
    paper = CenterConfig(strategy="adaptive", k=2, scoring="max")
    found = zero_shot(unlabeled=store, centers=paper).centers
    assert found.keys() == {"image", "audio"}  # there are no texts in the store
    centers = found["image"]
    assert (centers.strategy, centers.scoring, centers.sizes) == ("adaptive", Scoring("max"), (2, 2, 2))
    with pytest.raises(UnibindError, match="'adaptive' needs encoded samples"):
        zero_shot(centers=paper)
    with pytest.raises(UnibindError, match="nothing to tune centers on"):
        zero_shot(unlabeled=store, centers=CenterConfig(tune=True))


def test_a_store_of_another_backbone_is_refused(tmp_path):
    store = filled_store(tmp_path / "store", ToyBackbone("2"))
    with pytest.raises(ContractError, match="encode both with one backbone"):
        zero_shot(unlabeled=store)
    with pytest.raises(MissingFileError, match="nowhere"):
        zero_shot(unlabeled=tmp_path / "nowhere")


@pytest.mark.slow
def test_what_a_store_gives_is_saved_with_the_model(tmp_path):
    store = filled_store(tmp_path / "store", ToyBackbone())
    model = zero_shot(unlabeled=store)
    model.save_pretrained(tmp_path / "model")
    loaded = UniBind.from_pretrained(tmp_path / "model", backbone=ToyBackbone())
    assert loaded.means.keys() == model.means.keys()
    for modality, centers in model.centers.items():
        np.testing.assert_array_equal(loaded.centers[modality].vectors, np.asarray(centers.vectors))
        assert loaded.centers[modality].contract == centers.contract
        assert centers.contract == replace(ToyBackbone().contract(ANCHOR), centered=centers.contract.centered)
    assert labels(loaded) == labels(model)


@pytest.mark.slow
def test_memory_does_not_grow_with_a_store(tmp_path, monkeypatch):
    store = filled_store(tmp_path / "store", ToyBackbone())
    batches = Store.vector_batches
    monkeypatch.setattr(Store, "vector_batches", lambda *of, **_: batches(*of, size=5))
    monkeypatch.setattr(Store, "vectors", None)
    items = read_unlabeled(store, ToyBackbone())
    assert [len(batch) for batch in items.samples("image")] == [5, 5, 2]
    assert items.samples("thermal") is None
