"""Classes that are left out of everything are told from the others, as well as they should be."""

import numpy as np
import pytest

from tests.helpers.axes import CLASSES, KNOWLEDGE, AxesBackbone, labeled_store
from unibind import UniBind, fit
from unibind.errors import UnibindError
from unibind.evaluate.unknown import class_groups, leave_classes_out, tell_apart


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return labeled_store(tmp_path_factory.mktemp("stores") / "store", {"train": 8, "val": 12, "test": 20})


def zero_shot(classes):
    return UniBind.zero_shot(classes, knowledge=KNOWLEDGE, backbone=AxesBackbone())


def measured(store):
    return {"image": store.vectors("image", "test")}


def test_groups_take_turns():
    groups = class_groups(CLASSES, 3, seed=1)
    assert [len(group) for group in groups] == [3, 3, 3]
    assert len(set().union(*groups)) == 9
    assert groups == class_groups(CLASSES, 3, seed=1) != class_groups(CLASSES, 3, seed=2)
    for size in (0, 8):
        with pytest.raises(UnibindError, match="of 10 classes cannot be left out"):
            class_groups(CLASSES, size)


def test_a_calibrated_model_keeps_its_promises_about_classes_that_it_never_met(store):
    found = leave_classes_out(
        lambda classes: zero_shot(classes).calibrate(store), measured(store), size=5, false_accept_rate=0.1
    )
    told = found.by_modality["image"]
    assert told.unknown_share == 0.5
    assert told.items == 200
    assert 0.93 < told.auroc < 1
    assert told.false_accepts == pytest.approx(0.1, abs=0.05)
    assert told.true_accepts > 0.75
    assert told.none_probability == pytest.approx(0.5, abs=0.05)
    assert found.to_json()["mean"]["auroc"] == found.mean("auroc") == told.auroc


def test_an_uncalibrated_model_has_an_area_but_no_threshold(store):
    told = leave_classes_out(zero_shot, measured(store), size=5, groups=1).by_modality["image"]
    assert told.auroc > 0.93
    assert told.false_accepts is told.true_accepts is told.none_probability is None


@pytest.mark.slow
def test_the_models_of_a_fit_know_only_the_classes_that_they_are_given(store):
    known = []

    def model_of(classes):
        model = fit(store, knowledge=KNOWLEDGE, classes=classes, backbone=AxesBackbone(), progress=False)
        known.append(model.centers["image"].labels)
        assert set(model.summary.class_items["image"]) == set(classes)
        return model

    found = leave_classes_out(model_of, measured(store), size=5, false_accept_rate=0.1)
    assert [set(CLASSES) - set(labels) for labels in known] == [set(group) for group in found.groups]
    told = found.by_modality["image"]
    assert told.auroc > 0.9
    assert told.false_accepts < 0.2


def test_items_of_one_kind_cannot_be_told_apart(store):
    with pytest.raises(UnibindError, match="all of known or all of unknown classes"):
        tell_apart(zero_shot(CLASSES), store.vectors("image", "test"))


def test_the_area_does_not_depend_on_calibration(store):
    items = store.vectors("image", "test")
    plain, calibrated = zero_shot(CLASSES[:5]), zero_shot(CLASSES[:5]).calibrate(store)
    assert tell_apart(plain, items).auroc == tell_apart(calibrated, items).auroc
    assert np.array_equal(plain.centers["image"].vectors, calibrated.centers["image"].vectors)
