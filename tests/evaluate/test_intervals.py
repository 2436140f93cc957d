"""Bootstrap intervals over objects."""

import numpy as np
import pytest

from unibind.evaluate.intervals import Group, bootstrap


def group(correct, objects=None, **others):
    correct = np.asarray(correct, bool)
    return Group(objects or [f"item {i}" for i in range(len(correct))], {"a": correct, **others})


def test_the_interval_is_that_of_the_binomial():
    right = np.arange(400) < 300
    low, high = bootstrap({"image": group(right)}, seed=1).interval("a", "image", 0.75)
    half = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert low == pytest.approx(0.75 - half, abs=0.008)
    assert high == pytest.approx(0.75 + half, abs=0.008)


def test_items_of_one_object_move_together():
    right = np.repeat(np.arange(100) < 75, 4)  # four items per object, all right or all wrong
    alone = bootstrap({"image": group(right)}).interval("a", "image", 0.75)
    shared = bootstrap({"image": group(right, [f"o{i // 4}" for i in range(400)])})
    low, high = shared.interval("a", "image", 0.75)
    assert (high - low) / (alone[1] - alone[0]) == pytest.approx(2, abs=0.25)  # as many independent draws as objects
    assert shared.objects == {"image": 100}


def test_objects_move_together_across_modalities():
    right, names = np.arange(200) % 2 == 0, [f"o{i}" for i in range(200)]
    both = bootstrap({"image": group(right, names), "audio": group(~right, names)})
    low, high = both.mean_interval("a", ["image", "audio"])
    assert low == pytest.approx(0.5)  # what one modality gains, the other loses
    assert high == pytest.approx(0.5)


def test_a_paired_difference_is_narrower_than_its_parts():
    better = np.arange(200) < 120
    worse = np.arange(200) < 110
    found = bootstrap({"image": group(better, b=worse)})
    low, high = found.difference("a", "b", ["image"])
    assert 0 < low < 0.05 < high < 0.1
    assert found.difference("b", "a", ["image"]) == pytest.approx((-high, -low))


@pytest.mark.parametrize("right", [True, False])
def test_without_a_single_error_the_open_end_is_the_exact_one(right):
    low, high = bootstrap({"image": group([right] * 10)}).interval("a", "image", float(right))
    exact = 0.025 ** (1 / 10)
    assert (low, high) == pytest.approx((exact, 1) if right else (0, 1 - exact))


def test_equal_seeds_give_equal_intervals():
    right = np.random.default_rng(0).random(50) < 0.6
    drawn = [bootstrap({"image": group(right)}, seed=s).accuracy["a"]["image"] for s in (3, 3, 4)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_many_objects_are_drawn_in_blocks(monkeypatch):
    right = np.arange(40) % 4 > 0
    whole = bootstrap({"image": group(right)}, seed=2).accuracy["a"]["image"]
    monkeypatch.setattr("unibind.evaluate.intervals.BLOCK", 40 * 7)
    assert np.array_equal(bootstrap({"image": group(right)}, seed=2).accuracy["a"]["image"], whole)
