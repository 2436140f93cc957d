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


def items_of(split=None, labels=("dog", "cat"), modality="image", each=3):
    return [item(f"{split}-{label}-{n}", modality, label=label, split=split) for label in labels for n in range(each)]


def test_given_splits_are_used_as_they_are(tmp_path):
    items = [i for split in ("train", "val", "test") for i in items_of(split)]
    data = train_and_validation(filled_store(tmp_path / "store", items))
    assert set(data.train["image"].ids) == {i.id for i in items if i.split == "train"}
    assert set(data.validation["image"].ids) == {i.id for i in items if i.split == "val"}
    assert data.non_train_ids == {i.id for i in items if i.split != "train"}
    assert data.message == ""
    assert data.report.classes == {"image": {"cat": 3, "dog": 3}}


def test_validation_items_can_be_learned_from(tmp_path):
    items = [i for split in ("train", "val", "test") for i in items_of(split)]
    store = filled_store(tmp_path / "store", items)
    data = train_and_validation(store, validation="learn")
    train = data.train["image"]
    assert set(train.ids) == {i.id for i in items if i.split != "test"}
    assert data.validation == {}
    every = store.vectors("image")
    assert np.array_equal(train.vectors, every.vectors[[every.ids.index(i) for i in train.ids]])


def test_without_splits_items_are_split_by_label(tmp_path):
    store = filled_store(tmp_path / "store", items_of(each=10))
    options = {"validation": "make", "validation_fraction": 0.3}
    data = train_and_validation(store, **options, seed=3)
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
    again = train_and_validation(store, **options, seed=3)
    assert again.validation["image"].ids == validation.ids
    assert train_and_validation(store, **options, seed=4).validation["image"].ids != validation.ids
    assert len(train_and_validation(store, validation="learn").train["image"]) == 20


def test_the_items_of_an_object_stay_together(tmp_path):
    items = [
        item(f"{label}-{n}", modality, label=label, object=f"{label}{n}")
        for modality in ("image", "audio", "text")
        for label in ("dog", "cat")
        for n in range(6)
    ]
    data = train_and_validation(filled_store(tmp_path / "store", items), validation="make")
    assert set(data.train) == {"image", "audio"}
    assert data.validation["image"].objects == data.validation["audio"].objects
    assert not set(data.train["image"].objects) & set(data.validation["audio"].objects)
    assert sum(name.startswith("text-") for name in data.non_train_ids) == len(data.validation["image"])


def test_every_modality_is_split_even_if_it_has_other_objects(tmp_path):
    items = [i for m in ("image", "audio") for i in items_of(modality=m, each=5)]
    data = train_and_validation(filled_store(tmp_path / "store", items), validation="make")
    assert data.report.validation_items == {"audio": 2, "image": 2}


def test_classes_without_validation_items_are_named(tmp_path):
    items = [item(f"dog-{n}") for n in range(5)] + [item("rare", label="okapi")]
    report = train_and_validation(filled_store(tmp_path / "store", items), validation="make").report
    assert report.classes_without_validation == {"image": ("okapi",)}
    assert report.message.endswith("; classes without validation items: okapi (image)")


def test_one_item_per_class_leaves_nothing_to_hold_out(tmp_path):
    items = [item("a"), item("b", label="cat")]
    data = train_and_validation(filled_store(tmp_path / "store", items), validation="make")
    assert len(data.train["image"]) == 2
    assert data.validation == {}


def test_unlabeled_items_take_no_part_and_are_counted(tmp_path):
    items = [*items_of("train"), item("stray", label=None, split="train"), item("val", label=None, split="val")]
    data = train_and_validation(filled_store(tmp_path / "store", items))
    assert len(data.train["image"]) == 6
    assert data.validation == {}
    assert data.message == "items without a label take no part: 1 image"


def test_a_modality_without_validation_items_is_held_out_nowhere(tmp_path):
    items = items_of("train") + items_of("val") + items_of("train", modality="audio")
    data = train_and_validation(filled_store(tmp_path / "store", items))
    assert set(data.train) == {"audio", "image"}
    assert set(data.validation) == {"image"}


def test_a_modality_that_cannot_be_fitted_is_left_out_unless_it_was_asked_for(tmp_path):
    items = items_of("train") + items_of("train", ("dog",), "audio") + items_of("test", modality="thermal")
    store = filled_store(tmp_path / "store", items)
    data = train_and_validation(store)
    assert set(data.train) == {"image"}
    assert data.message == (
        "audio is left out: all 3 labeled audio items have the same label, dog; "
        "thermal is left out: the store has no labeled train items of thermal"
    )
    with pytest.raises(UnibindError, match="all 3 labeled audio items have the same label, dog; a fit needs training"):
        train_and_validation(store, ["audio", "image"])


def test_stores_that_cannot_be_fitted_are_refused(tmp_path):
    with pytest.raises(UnibindError, match="no modality to fit other than text"):
        train_and_validation(filled_store(tmp_path / "texts", [item("a", "text")]))
    with pytest.raises(UnibindError, match="all 3 labeled image items have the same label, dog; a fit needs"):
        train_and_validation(filled_store(tmp_path / "single", items_of(labels=("dog",))))
    with pytest.raises(UnibindError, match="no labeled train items of image"):
        train_and_validation(filled_store(tmp_path / "unlabeled", items_of(labels=(None,))))
    for n, items in enumerate([[*items_of("test"), *items_of(None)], items_of("val"), [*items_of("val"), *items_of()]]):
        for validation in ("learn", "hold out", "make"):  # never train on the test split, nor on val alone
            with pytest.raises(UnibindError, match="no labeled train items of image"):
                train_and_validation(filled_store(tmp_path / f"{n}{validation}", items), validation=validation)


def test_without_a_validation_split_the_training_items_are_split(tmp_path):
    items = items_of("train", each=5) + items_of("test", each=5)
    data = train_and_validation(filled_store(tmp_path / "store", items), validation="make")
    train, validation = set(data.train["image"].ids), set(data.validation["image"].ids)
    assert (len(train), len(validation)) == (8, 2)
    assert train | validation == {i.id for i in items if i.split == "train"}
    assert data.non_train_ids == validation | {i.id for i in items if i.split == "test"}


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


def test_items_of_a_group_are_held_out_together():
    labels, groups = ["a"] * 6 + ["b"] * 2, [0, 0, 1, 1, 2, 2, 3, 3]
    folds = stratified_folds(labels, 3, groups=groups)
    assert sorted(folds[:6:2]) == [0, 1, 2]
    assert np.array_equal(folds[::2], folds[1::2])
    assert folds[6] == -1  # one object of the label
