"""Fitting one's own data, whatever labels and splits it has: on the command line and in Python, and what it says."""

from pathlib import Path

import numpy as np
import pytest

import unibind
from tests.helpers.command import run, run_json
from tests.helpers.registered import entry, register, spec
from tests.helpers.toy_store import RAW_MAKERS, picture
from tests.helpers.toys import CATEGORIES, ToyBackbone
from unibind.data.encode import embed
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.errors import UnibindError


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    """An empty working directory, and the toy backbone."""
    toy = spec("toy", lambda argument=None, **options: ToyBackbone(), modalities=ToyBackbone.modalities)
    register(monkeypatch, entry("toy", toy))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def store_of(*groups, mislabeled=False):
    """A store of groups of items: (modality, split, {label: count}) each; the label "none" stands for no label.

    `mislabeled` items of every label show each category as often.
    """
    store, backbone = Store.create("store"), ToyBackbone()
    for number, (modality, split, counts) in enumerate(groups):
        items, raws = [], []
        for label, count in counts.items():
            shown = CATEGORIES[number % 3] if label == "none" else label
            for i in range(count):
                shown = CATEGORIES[i % 3] if mislabeled else shown
                name = f"{modality}-{number}-{label}-{i}"
                items.append(
                    Item(name, modality, uri=f"/{name}", label=None if label == "none" else label, split=split)
                )
                raws.append(RAW_MAKERS[modality](shown, 100 * number + i))
        store.add(items, embed(raws, backbone), backbone.contract(modality))
    store.note_backbone(backbone.name, backbone.options)
    return "store"


def each(count, labels=CATEGORIES):
    return dict.fromkeys(labels, count)


def both_ways(store, *options, **arguments):
    """The summary, after checking that both ways fit the same heads, and what the command line said."""
    said = run("fit", store, "--out", "model", *options)
    found = run_json("fit", store, "--out", "again", *options)
    model = unibind.fit(store, progress=False, **arguments)
    saved = unibind.UniBind.from_pretrained("model")
    assert {m: h.fingerprint for m, h in saved.heads.items()} == {m: h.fingerprint for m, h in model.heads.items()}
    assert saved.summary == model.summary
    assert found == {"model": "again"} | model.summary.to_json()
    return model, said.stdout


def right(model, categories=CATEGORIES):
    return [p.label for p in model.classify([picture(name, 9000) for name in categories])] == list(categories)


@pytest.mark.parametrize("splits", [("train",), ("train", "test"), (None,), ("train", "val", "test")])
def test_any_splits_will_do(splits):
    model, said = both_ways(store_of(*(("image", split, each(4)) for split in splits)))
    learned = 4 * sum(split != "test" for split in splits)
    assert model.summary.class_items == {"image": each(learned, sorted(CATEGORIES))}
    assert model.summary.measured_on == {"image": "cross-validation"}
    assert "33.3" in said  # chance
    assert "cross-validation" in said
    assert right(model)


def test_a_validation_split_can_be_held_out():
    store = store_of(("image", "train", each(4)), ("image", "val", each(2)))
    model, _ = both_ways(store, "--hold-out-val", hold_out_validation=True)
    assert model.summary.train_items == {"image": 12}
    assert model.summary.measured_on == {"image": "validation"}
    few, _ = both_ways(store, "--few-shot", 1, "--force", few_shot=1)
    assert few.summary.class_items == {"image": each(1, sorted(CATEGORIES))}
    assert few.summary.measured_on == {"image": "validation"}


def test_unlabeled_items_beside_labeled_ones_are_counted(caplog):
    model, _ = both_ways(store_of(("image", None, each(3) | {"none": 5})))
    assert model.summary.train_items == {"image": 9}
    assert "items without a label take no part: 5 image" in caplog.text


def test_a_class_may_be_absent_from_train_or_from_val():
    groups = ("image", "train", each(4, ("red", "green"))), ("image", "val", each(2, ("red", "blue")))
    model, _ = both_ways(store_of(*groups), "--hold-out-val", hold_out_validation=True)
    assert model.summary.class_items == {"image": each(4, ("green", "red"))}
    assert right(model)


def test_a_class_that_only_the_knowledge_has_is_known_by_its_texts(caplog):
    Path("names.txt").write_text("\n".join(CATEGORIES))
    store = store_of(("image", "train", each(6, ("red", "green"))))
    model, _ = both_ways(store, "--knowledge", "names.txt", knowledge="names.txt")
    assert "classes without image training items are known by their texts (1): blue" in caplog.text
    assert right(model)


def test_one_modality_without_val_is_cross_validated():
    groups = ("image", "train", each(4)), ("image", "val", each(2)), ("audio", "train", each(4))
    model, _ = both_ways(store_of(*groups), "--hold-out-val", hold_out_validation=True)
    assert model.summary.measured_on == {"audio": "cross-validation", "image": "validation"}


def test_classes_may_be_in_one_modality_only():
    groups = ("image", "train", each(4, ("red", "green"))), ("audio", "train", each(4, ("green", "blue")))
    model, _ = both_ways(store_of(*groups))
    assert set(model.summary.class_items["image"]) == {"red", "green"}
    assert set(model.summary.class_items["audio"]) == {"green", "blue"}
    assert right(model)  # blue pictures, too: by its texts


def test_one_item_per_class_holds_nothing_out(caplog):
    model, said = both_ways(store_of(("image", None, each(1))))
    assert model.summary.validation_top1 == {"image": None}
    assert model.summary.measured_on == {"image": "nothing"}
    assert "unknown" in said
    assert "image" not in model.calibration
    assert "no image items could be held out" in caplog.text
    assert right(model)


def test_only_the_modalities_asked_for_are_fitted():
    store = store_of(("image", "train", each(3)), ("audio", "train", each(3)))
    model, _ = both_ways(store, "-m", "audio", modalities=["audio"])
    assert set(model.heads) == {"audio"}


def test_a_single_class_is_a_sentence(caplog):
    store = store_of(("image", "train", {"red": 4}), ("audio", "train", each(3)))
    words = "all 4 labeled image items have the same label, red; a fit needs training items of at least two classes"
    assert words in run("fit", store, "--out", "model", "-m", "image", code=2).stderr
    with pytest.raises(UnibindError, match=words):
        unibind.fit(store, modalities=["image"])
    model, _ = both_ways(store)
    assert set(model.heads) == {"audio"}
    assert "image is left out: all 4 labeled image items have the same label, red" in caplog.text


@pytest.mark.parametrize("method", ["gda", "ridge"])
def test_closed_forms_are_a_choice(method):
    model, said = both_ways(
        store_of(("image", "train", each(6))), "--method", method, config=unibind.FitConfig(method=method)
    )
    assert model.summary.method == method
    assert model.summary.learned("image") in said
    assert right(model)


def test_rank_and_steps_are_a_choice():
    config = unibind.FitConfig(rank=1, steps=40)
    model, _ = both_ways(store_of(("image", "train", each(6))), "--rank", 1, "--steps", 40, config=config)
    assert model.summary.learned_parameters == 8 + 2 + 2 + 1  # two factors, the bias along two directions, the scale
    assert "the method gda has no rank" in run("fit", "store", "-o", "m", "--method", "gda", "--rank", 1, code=2).stderr
    assert "unknown method 'lda'" in run("fit", "store", "-o", "m", "--method", "lda", code=2).stderr


def test_labels_that_say_nothing_leave_a_modality_unfitted(caplog):
    model, said = both_ways(store_of(("image", "train", each(6)), mislabeled=True))
    assert model.summary.unfitted == ["image"]
    assert model.summary.learned_parameters == 0
    assert "unfitted" in said
    assert "image stays unfitted: its 18 training items do not prove" in caplog.text
    assert right(model)  # by the texts alone


@pytest.mark.slow
def test_ten_steps_on_a_loss(caplog):
    store = store_of(("image", "train", each(6)))
    config = unibind.FitConfig(loss="released", steps=10)
    model, _ = both_ways(store, "--loss", "released", "--steps", 10, config=config)
    assert "there is no validation split: 15 items are used for training and 3 for validation" in caplog.text
    assert model.summary.history["image"][-1]["step"] == 10
    assert np.isfinite(model.heads["image"].affine.weight).all()


@pytest.mark.slow
def test_centers_are_tuned_only_where_that_is_asked_for():
    store = store_of(("image", "train", each(6)), ("image", "val", each(4)))
    given, _ = both_ways(store, "--strategy", "consensus", "-k", "1", centers=unibind.CenterConfig("consensus", 1))
    assert (given.centers["image"].strategy, given.centers["image"].sizes) == ("consensus", (1, 1, 1))
    assert str(given.centers["image"].scoring) == "mean"
    tuned, _ = both_ways(
        store, "--tune-centers", "--scoring", "max", "--force", centers=unibind.CenterConfig(scoring="max", tune=True)
    )
    assert str(tuned.centers["image"].scoring) == "max"
    assert tuned.centers["image"].strategy == "all"  # of equals the simplest
    default, _ = both_ways(store, "--force")
    assert (default.centers["image"].strategy, str(default.centers["image"].scoring)) == ("all", "centroid")
