from collections import Counter

import numpy as np
import pytest

from unibind.backbones import Contract
from unibind.data.manifest import Item
from unibind.data.splits import few_shot, stratified_folds, stratified_split, train_and_validation
from unibind.data.store import Store
from unibind.errors import UnibindError

DIM = 4


def contract(modality):
    return Contract(space="toy@1", backbone="toy", modality=modality, weights=modality)


def item(name, modality="image", label="dog", split=None, object=None):
    content = {"text": name} if modality == "text" else {"uri": f"{name}.x"}
    return Item(f"{modality}-{name}", modality, label=label, split=split, object=object, **content)


def filled_store(path, items):
    store = Store.create(path)
    for modality in dict.fromkeys(i.modality for i in items):
        own = [i for i in items if i.modality == modality]
        store.add(own, np.random.default_rng(0).normal(size=(len(own), DIM)), contract(modality))
    return store


# --- stratified_split ------------------------------------------------------------------------------------------------


def test_every_label_is_split_in_proportion():
    labels = ["a"] * 20 + ["b"] * 10 + ["c"] * 3
    sides = stratified_split(labels, validation_fraction=0.2)
    assert Counter(label for label, side in zip(labels, sides, strict=True) if side == "val") == {
        "a": 4,
        "b": 2,
        "c": 1,
    }


def test_a_single_item_stays_in_train_and_two_items_are_divided():
    assert stratified_split(["a"]) == ["train"]
    assert sorted(stratified_split(["a", "a"], validation_fraction=0.9)) == ["train", "val"]
    assert stratified_split([]) == []


def test_the_split_depends_on_the_seed_only():
    labels = ["a", "b"] * 30
    assert stratified_split(labels, seed=1) == stratified_split(labels, seed=1)
    assert stratified_split(labels, seed=1) != stratified_split(labels, seed=2)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_impossible_fractions_are_refused(fraction):
    with pytest.raises(UnibindError, match="between 0 and 1"):
        stratified_split(["a"], validation_fraction=fraction)


# --- train_and_validation --------------------------------------------------------------------------------------------


def test_given_splits_are_used_as_they_are(tmp_path):
    items = [item(f"{split}-{n}", split=split) for split in ("train", "val", "test") for n in range(3)]
    data = train_and_validation(filled_store(tmp_path / "store", items))
    assert data.train["image"].ids == [f"image-train-{n}" for n in range(3)]
    assert data.validation["image"].ids == [f"image-val-{n}" for n in range(3)]
    assert data.non_train_ids == {f"image-{split}-{n}" for split in ("val", "test") for n in range(3)}
    assert data.message == ""


def test_without_splits_items_are_split_by_label(tmp_path):
    items = [item(f"{label}-{n}", label=label) for label in ("dog", "cat") for n in range(10)]
    store = filled_store(tmp_path / "store", items)
    data = train_and_validation(store, validation_fraction=0.3, seed=3)
    train, validation = data.train["image"], data.validation["image"]
    assert set(train.ids) | set(validation.ids) == store.ids()
    assert data.non_train_ids == set(validation.ids)
    assert Counter(validation.labels) == {"dog": 3, "cat": 3}
    every = store.vectors("image")
    assert np.array_equal(train.vectors, every.vectors[[every.ids.index(i) for i in train.ids]])
    assert data.message == (
        "there is no validation split: 14 items are used for training and 6 for validation, "
        "stratified by label (seed 3)"
    )
    again = train_and_validation(store, validation_fraction=0.3, seed=3)
    assert again.validation["image"].ids == validation.ids
    assert train_and_validation(store, validation_fraction=0.3, seed=4).validation["image"].ids != validation.ids


def test_the_items_of_an_object_stay_together(tmp_path):
    items = [
        item(f"{label}-{n}", modality, label=label, object=f"{label}{n}")
        for modality in ("image", "audio", "text")
        for label in ("dog", "cat")
        for n in range(6)
    ]
    data = train_and_validation(filled_store(tmp_path / "store", items))
    assert set(data.train) == {"image", "audio"}
    assert data.validation["image"].objects == data.validation["audio"].objects
    assert not set(data.train["image"].objects) & set(data.validation["audio"].objects)
    assert sum(name.startswith("text-") for name in data.non_train_ids) == len(data.validation["image"])


def test_every_modality_is_split_even_if_it_has_other_objects(tmp_path):
    items = [item(f"{n}", m, object=f"{m}{n}") for m in ("image", "audio") for n in range(10)]
    data = train_and_validation(filled_store(tmp_path / "store", items))
    assert data.report.validation_items == {"audio": 2, "image": 2}


def test_classes_without_validation_items_are_named(tmp_path):
    items = [item(f"dog-{n}") for n in range(5)] + [item("rare", label="okapi")]
    report = train_and_validation(filled_store(tmp_path / "store", items)).report
    assert report.classes_without_validation == {"image": ("okapi",)}
    assert report.message.endswith("; classes without validation items: okapi (image)")


def test_stores_that_cannot_be_split_are_refused(tmp_path):
    with pytest.raises(UnibindError, match="no modality to fit other than text"):
        train_and_validation(filled_store(tmp_path / "texts", [item("a", "text")]))
    with pytest.raises(UnibindError, match="no class has two image items"):
        train_and_validation(filled_store(tmp_path / "single", [item("a"), item("b", label="cat")]))
    given = [item("a", split="train"), item("b", split="val"), item("a", "audio", split="train")]
    with pytest.raises(UnibindError, match="no val items of audio; encode a manifest whose split column contains val"):
        train_and_validation(filled_store(tmp_path / "given", given))
    with pytest.raises(UnibindError, match="no train items of image"):  # never train on the test split
        train_and_validation(filled_store(tmp_path / "test", [item("a", split="test"), item("b"), item("c")]))


def test_without_a_validation_split_the_training_items_are_split(tmp_path):
    items = [item(f"{split}-{n}", split=split) for split in ("train", "test") for n in range(10)]
    data = train_and_validation(filled_store(tmp_path / "store", items))
    train, validation = set(data.train["image"].ids), set(data.validation["image"].ids)
    assert (len(train), len(validation)) == (8, 2)
    assert train | validation == {f"image-train-{n}" for n in range(10)}
    assert data.non_train_ids == validation | {f"image-test-{n}" for n in range(10)}


# --- few_shot --------------------------------------------------------------------------------------------------------


def test_few_shot_keeps_some_items_per_class_in_order(tmp_path):
    items = [item(f"{label}-{n}", label=label) for label, count in (("dog", 9), ("cat", 2)) for n in range(count)]
    every = filled_store(tmp_path / "store", items).vectors("image")
    few = few_shot(every, 3, seed=1)
    assert Counter(few.labels) == {"dog": 3, "cat": 2}
    assert few.ids == sorted(few.ids)
    assert np.array_equal(few.vectors, every.vectors[[every.ids.index(i) for i in few.ids]])
    assert few_shot(every, 3, seed=1).ids == few.ids
    assert {tuple(few_shot(every, 3, seed=s).ids) for s in range(9)} != {tuple(few.ids)}


def test_few_shot_needs_labels_and_a_count(tmp_path):
    every = filled_store(tmp_path / "store", [item("a", label=None)]).vectors("image")
    with pytest.raises(UnibindError, match="have no label"):
        few_shot(every, 1)
    with pytest.raises(UnibindError, match="at least 1 item per class"):
        few_shot(every, 0)


# --- stratified_folds ------------------------------------------------------------------------------------------------


def test_folds_hold_every_item_out_once_and_no_lone_item():
    labels = ["a"] * 7 + ["b"] * 5 + ["c"]
    folds = stratified_folds(labels, 3)
    assert folds[-1] == -1
    assert sorted(np.bincount(folds[:-1])) == [4, 4, 4]
    for rows in (slice(0, 7), slice(7, 12)):
        assert np.ptp(np.bincount(folds[rows], minlength=3)) <= 1
    assert np.array_equal(folds, stratified_folds(labels, 3))
    assert not np.array_equal(folds, stratified_folds(labels, 3, seed=1))
