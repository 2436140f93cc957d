"""Unity and balance, against hand-worked cases and slow plain versions."""

import math

import numpy as np
import pytest

from unibind.evaluate.unity import (
    Mix,
    balance,
    cosines,
    gaps,
    neighbor_mix,
    separability,
    tower_accuracy,
)

MODALITIES = ("image", "audio", "text")


def unit(vectors):
    vectors = np.asarray(vectors, float)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def cloud(count=60, dim=8, axis=0, offset=0.0, seed=0):
    """Random unit vectors, moved along an axis by `offset` before they are scaled."""
    vectors = np.random.default_rng(seed).normal(size=(count, dim))
    vectors[:, axis] += offset
    return unit(vectors)


def space(offset, count=60):
    """Three modalities, each `offset` away from the origin on an axis of its own."""
    return {m: cloud(count, axis=i, offset=offset, seed=i) for i, m in enumerate(MODALITIES)}


# --- gaps and separability -------------------------------------------------------------------------------------------


def test_gaps_by_hand():
    found = gaps({"image": unit([[1, 0]]), "audio": unit([[0, 1]]), "text": unit([[-1, 0]])})
    root = math.sqrt(2)
    assert found == pytest.approx({"image": (root + 2) / 2, "audio": root, "text": (root + 2) / 2})
    assert gaps({"image": unit([[1, 0]])}) == {}


def test_islands_are_told_apart_and_a_mixture_is_not():
    assert separability(space(20)) > 0.9
    assert separability(space(0, count=600)) == pytest.approx(1 / 3, abs=0.05)


def test_a_small_modality_counts_as_much_as_a_large_one():
    mixed = {"image": cloud(900, seed=1), "audio": cloud(100, seed=2)}
    assert separability(mixed) == pytest.approx(0.5, abs=0.08)  # "always image" would be right for 90 % of the items


def test_items_of_one_object_are_held_out_together():
    # every object has a direction of its own, and the modality of all its items is a coin thrown once: what is learned
    # of an object tells nothing about another, but would tell everything about another item of the same object
    rng = np.random.default_rng(0)
    directions, coins = np.eye(64), rng.integers(0, 2, 64)
    vectors, objects = {"image": [], "audio": []}, {"image": [], "audio": []}
    for i in range(64):
        name = ("image", "audio")[coins[i]]
        for _ in range(4):
            vectors[name].append(directions[i] + rng.normal(0, 0.01, 64))
            objects[name].append(f"o{i}")
    found = {m: unit(v) for m, v in vectors.items()}
    assert separability(found) > 0.95
    assert separability(found, objects) < 0.7


def test_separability_needs_two_modalities_and_two_objects():
    assert math.isnan(separability({"image": cloud()}))
    assert math.isnan(separability({"image": cloud(1), "audio": cloud(1)}, {"image": ["x"], "audio": ["x"]}))
    assert separability(space(20), seed=3) == separability(space(20), seed=3)


# --- neighbors -------------------------------------------------------------------------------------------------------


def slow_mix(space, k):
    items = [(m, v) for m, vectors in space.items() for v in vectors]
    shares = {m: [] for m in space}
    for i, (m, v) in enumerate(items):
        ranked = sorted((j for j in range(len(items)) if j != i), key=lambda j: -float(v @ items[j][1]))[:k]
        shares[m].append(np.mean([items[j][0] != m for j in ranked]))
    return {m: float(np.mean(s)) for m, s in shares.items()}


@pytest.mark.parametrize("k", [1, 5])
def test_neighbor_mix_equals_the_slow_version(k, monkeypatch):
    monkeypatch.setattr("unibind.evaluate.unity.BLOCK", 1000)  # several blocks
    mixed = {"image": cloud(20, seed=1), "audio": cloud(30, offset=0.5, seed=2), "text": cloud(10, offset=3, seed=3)}
    found = neighbor_mix(mixed, k)
    assert {m: mix.share for m, mix in found.items()} == pytest.approx(slow_mix(mixed, k))
    assert found["image"].expected == pytest.approx(40 / 59)


def test_neighbor_mix_of_islands_and_of_twins():
    assert all(mix.share == 0 for mix in neighbor_mix(space(20, count=20)).values())
    twins = {m: np.eye(4, dtype=np.float32) for m in ("image", "audio")}
    assert neighbor_mix(twins, 1) == {m: Mix(1.0, pytest.approx(4 / 7)) for m in twins}
    assert neighbor_mix({"image": cloud(1)}) == neighbor_mix({}) == {}


# --- cosines ---------------------------------------------------------------------------------------------------------


def test_cosines_equal_the_slow_version():
    rng = np.random.default_rng(1)
    points = {m: cloud(12, seed=i) for i, m in enumerate(MODALITIES)}
    classes = {m: [str(c) for c in rng.integers(0, 3, 12)] for m in MODALITIES}
    objects = {m: [f"o{i}" for i in rng.permutation(12)] for m in MODALITIES}
    pairs = [(a, b) for i, a in enumerate(MODALITIES) for b in MODALITIES[:i]]

    def slow(names, equal):
        means = []
        for a, b in pairs:
            values = [
                float(points[a][i] @ points[b][j])
                for i in range(12)
                for j in range(12)
                if (names[a][i] == names[b][j]) is equal
            ]
            means.append(np.mean(values))
        return float(np.mean(means))

    found = cosines(points, classes, objects)
    assert found.same_object == pytest.approx(slow(objects, True), abs=1e-6)
    assert found.same_class == pytest.approx(slow(classes, True), abs=1e-6)
    assert found.other_class == pytest.approx(slow(classes, False), abs=1e-6)
    assert found.margin == pytest.approx(found.same_class - found.other_class)


def test_cosines_without_a_common_class_or_known_objects():
    points = {"image": cloud(3, seed=1), "audio": cloud(3, seed=2)}
    found = cosines(points, {"image": "abc", "audio": "xyz"})
    assert math.isnan(found.same_object)
    assert math.isnan(found.same_class)
    assert found.other_class == pytest.approx(float((points["image"] @ points["audio"].T).mean()), abs=1e-6)


# --- balance ---------------------------------------------------------------------------------------------------------


def test_recall_that_follows_the_accuracies_is_balanced():
    accuracy = np.array([0.9, 0.7, 0.5, 0.3])
    found = balance(0.8 * np.outer(accuracy, accuracy) ** 0.5, accuracy)
    assert found.residual_spread == pytest.approx(0, abs=1e-9)
    assert found.slope == pytest.approx(0.5)
    assert found.correlation == pytest.approx(1)
    assert found.pairs == 12
    assert found.spread > 0.1  # the plain spread is that of the accuracies
    assert found.log_spread > 0.1


def test_a_neglected_pair_is_an_imbalance():
    accuracy = np.array([0.9, 0.7, 0.5, 0.3])
    recall = 0.8 * np.outer(accuracy, accuracy)
    recall[0, 1] /= 2
    assert balance(recall, accuracy).residual_spread > 0.15


def test_balance_by_hand():
    accuracy = np.full(4, 0.5)  # the line is level, so the residuals are the deviations from the mean
    recall = np.full((4, 4), 0.2)
    recall[np.triu_indices(4)] = 0.8
    found = balance(recall, accuracy)
    half = math.log(2)  # of log 0.8 - log 0.2
    assert found.mean == pytest.approx(0.5)
    assert found.spread == pytest.approx(0.3)
    assert found.log_spread == pytest.approx(half)
    assert found.residual_spread == pytest.approx(half * math.sqrt(12 / 10))
    assert found.slope == 0
    assert math.isnan(found.correlation)


def test_pairs_without_a_figure_do_not_count():
    accuracy, recall = np.array([0.9, 0.7, 0.5]), np.full((3, 3), 0.5)
    recall[0, 1] = np.nan
    recall[1, 0] = 0
    assert balance(recall, accuracy).pairs == 4
    recall[1, 2] = np.nan
    assert balance(recall, accuracy) is None


# --- tower accuracy --------------------------------------------------------------------------------------------------


def slow_tower_accuracy(vectors, classes):
    right = []
    for i, (v, own) in enumerate(zip(vectors, classes, strict=True)):
        means = {}
        for name in set(classes):
            members = [vectors[j] for j in range(len(vectors)) if j != i and classes[j] == name]
            mean = np.sum(members, axis=0) if members else np.zeros(len(v))
            means[name] = float(v @ mean) / max(float(np.linalg.norm(mean)), 1e-12)
        right.append(all(means[own] > value + 1e-6 for name, value in means.items() if name != own))
    return float(np.mean(right))


def test_tower_accuracy_equals_the_slow_version():
    vectors = cloud(30, seed=4)
    classes = [str(c) for c in np.random.default_rng(2).integers(0, 4, 30)]
    vectors = unit(vectors + 0.7 * np.eye(8)[[int(c) for c in classes]])
    assert 0.3 < slow_tower_accuracy(vectors, classes) < 1
    assert tower_accuracy(vectors, classes) == pytest.approx(slow_tower_accuracy(vectors, classes))


def test_an_item_does_not_vouch_for_itself():
    lonely = np.eye(3, dtype=np.float32)
    assert tower_accuracy(lonely, "abc") == 0
    assert tower_accuracy(np.repeat(lonely, 2, axis=0), "aabbcc") == 1
    assert math.isnan(tower_accuracy(lonely, "aaa"))
