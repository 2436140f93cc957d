import numpy as np
import pytest

from tests.data.test_duplicates import store_of
from unibind.backbones import Contract
from unibind.data.embeddings import unit
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.evaluate import leakage
from unibind.evaluate.leakage import find_leakage, near_copies
from unibind.evaluate.parts import take_inventory


def spread(count, dim=12, seed=0):
    """Distinct items, spread over all directions."""
    return unit(np.random.default_rng(seed).normal(size=(count, dim))).astype(np.float32)


def nudged(vectors, distance, seed=1):
    """Copies at about that distance."""
    noise = np.random.default_rng(seed).normal(size=vectors.shape)
    return unit(vectors + distance * unit(noise)).astype(np.float32)


def test_distinct_items_are_no_copies():
    for seed in range(20):
        assert near_copies(spread(100, seed=seed), spread(300, seed=100 + seed)) == set()


def test_few_dimensions_raise_no_alarm():
    """On a circle, neighbors are often very near by chance."""
    found = [len(near_copies(spread(50, 2, seed), spread(100, 2, 100 + seed))) for seed in range(40)]
    assert sum(found) <= 6  # 0.05 each are expected


@pytest.mark.parametrize("distance", [0, 0.01, 0.1])
def test_copies_are_found_one_by_one_and_all_together(distance):
    measured, others = spread(60), spread(200, seed=5)
    few = np.concatenate([others, nudged(measured[:3], distance)])
    assert near_copies(measured, few) == {(0, 200), (1, 201), (2, 202)}
    every = np.concatenate([others, nudged(measured, distance)])
    assert near_copies(measured, every) == {(i, 200 + i) for i in range(60)}


def test_several_copies_of_one_item_are_found():
    measured, others = spread(60), spread(200, seed=5)
    twice = np.concatenate([others, nudged(measured[:1], 0.05), nudged(measured[:1], 0.02, seed=2)])
    assert near_copies(measured, twice) == {(0, 200), (0, 201)}
    twins = np.concatenate([measured, nudged(measured[:1], 0.01)])  # measured twice, and once in another split
    assert near_copies(twins, np.concatenate([others, measured[:1]])) == {(0, 200), (60, 200)}


def test_a_class_whose_items_all_look_alike_is_no_heap_of_copies():
    """Five tight classes, four items of each on either side."""
    centers = np.repeat(spread(5), 4, axis=0)
    assert near_copies(nudged(centers, 0.02), nudged(centers, 0.02, seed=2)) == set()


def test_hardly_any_items_are_compared_without_alarm():
    assert near_copies(spread(1), spread(1, seed=1)) == set()
    assert near_copies(spread(2), spread(0)) == set()
    assert near_copies(spread(1), np.concatenate([spread(1), spread(3, seed=3)])) == {(0, 0)}


def store_with(path, parts, objects=lambda split, i: None):
    """A store of pictures whose vectors are given, by split."""
    store = Store.create(path)
    for split, vectors in parts.items():
        items = [
            Item(f"{split}{i}", "image", uri=f"{split}{i}", split=split, object=objects(split, i))
            for i in range(len(vectors))
        ]
        store.add(items, vectors, Contract(space="toy@1", backbone="toy", modality="image", weights="1"))
    return store


def found_in(store):
    return find_leakage(store, take_inventory(store))


def test_copies_are_named_with_their_split_and_nearest_first(tmp_path):
    measured = spread(40)
    train = np.concatenate([spread(80, seed=3), nudged(measured[:1], 0.1)])
    store = store_with(tmp_path / "store", {"train": train, "val": measured[7:8], "test": measured})
    found = found_in(store)
    assert found.looked_at == {"image": 40}
    assert found.items() == {"image": 2}
    assert [(c.measured, c.other, c.split) for c in found.copies] == [
        ("test7", "val0", "val"),
        ("test0", "train80", "train"),
    ]
    (remark,) = found.remarks()
    assert remark == (
        "2 measured image items seem to be in another split too, so that the figures may be too good; look at them: "
        "test7 = val0 (val, cosine 1.0000) and others in the JSON"
    )
    assert found.to_json()["copies"][0] == {
        "modality": "image",
        "measured": "test7",
        "other": "val0",
        "split": "val",
        "cosine": 1.0,
        "same_content": False,
    }


def test_the_same_content_is_found_whatever_the_vectors(tmp_path):
    store = store_of(
        tmp_path / "store",
        ("a", "image", "train", "1"),
        ("b", "image", "test", "1"),
        ("c", "image", "test", "2"),
        ("d", "audio", "train", "2"),
        ("e", "image", None, "2"),
    )
    found = found_in(store)
    assert [(c.measured, c.other, c.same_content) for c in found.copies if c.same_content] == [("b", "a", True)]
    assert "b = a (train, the same content)" in found.remarks()[0]


def test_an_object_on_both_sides_is_a_leak_in_whatever_modality(tmp_path):
    parts = {"train": spread(20), "test": spread(20, seed=9)}
    apart = store_with(tmp_path / "apart", parts, lambda split, i: f"{split}-{i}")
    assert found_in(apart).remarks() == []
    shared = store_with(tmp_path / "shared", parts, lambda split, i: "cup" if i == 3 else None)
    assert found_in(shared).objects == ("cup",)
    assert found_in(shared).remarks() == [
        "1 object has measured items and items in another split, such as cup, so that the figures may be too good; "
        "give all items of an object one split"
    ]


def test_where_all_items_are_measured_nothing_can_leak(tmp_path):
    measured = spread(10)
    assert found_in(store_with(tmp_path / "store", {None: np.concatenate([measured, measured])})).copies == ()


def test_of_very_many_items_some_are_looked_at(tmp_path, monkeypatch):
    measured = spread(40)
    store = store_with(tmp_path / "store", {"train": np.concatenate([spread(80), measured]), "test": measured})
    monkeypatch.setattr(leakage, "_MOST_PAIRS", 20 * 160)
    found = found_in(store)
    assert found.looked_at == {"image": 20}
    assert found.items() == {"image": 20}
