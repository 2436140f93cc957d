"""Bootstrap intervals over objects."""

import numpy as np
import pytest

from unibind.errors import UnibindError
from unibind.evaluate.intervals import Group, bootstrap, hierarchical_bootstrap


def group(correct, objects=None, **others):
    correct = np.asarray(correct, bool)
    return Group(objects or [f"item {i}" for i in range(len(correct))], {"a": correct, **others})


def test_the_interval_is_that_of_the_binomial():
    right = np.arange(400) < 300
    low, high = bootstrap({"image": group(right)}, seed=1).interval("a", "image")
    half = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert low == pytest.approx(0.75 - half, abs=0.008)
    assert high == pytest.approx(0.75 + half, abs=0.008)


def test_items_of_one_object_move_together():
    right = np.repeat(np.arange(100) < 75, 4)  # four items per object, all right or all wrong
    alone = bootstrap({"image": group(right)}).interval("a", "image")
    shared = bootstrap({"image": group(right, [f"o{i // 4}" for i in range(400)])})
    low, high = shared.interval("a", "image")
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
    low, high = bootstrap({"image": group([right] * 10)}).interval("a", "image")
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


# --- gains over the strongest of several -----------------------------------------------------------------------------


def test_the_gain_is_over_the_rival_with_the_best_mean():
    ours, one, two = np.arange(300) < 240, np.arange(300) < 210, np.arange(300) < 180
    found = bootstrap({"image": group(ours, one=one, two=two)})
    gain = found.gain("a", ["one", "two"], ["image"])
    assert gain.strongest == "one"
    assert gain.gain == pytest.approx(0.1)
    assert gain.interval == found.difference("a", "one", ["image"])  # it is the strongest in every replicate


def test_the_interval_of_the_gain_accounts_for_the_choice_of_the_rival():
    rng = np.random.default_rng(0)
    rivals = {f"rival {i}": rng.random(400) < 0.7 for i in range(10)}
    ours = rng.random(400) < 0.75
    found = bootstrap({"image": group(ours, **rivals)})
    gain = found.gain("a", list(rivals), ["image"])
    best = np.max([found.accuracy[name]["image"] for name in rivals], axis=0)  # of each replicate
    plain = np.percentile(found.accuracy["a"]["image"] - best, (2.5, 97.5))
    assert gain.interval == pytest.approx(tuple(plain))
    chosen_once = found.difference("a", gain.strongest, ["image"])
    assert gain.interval[0] < chosen_once[0]
    assert gain.interval[1] < chosen_once[1]


# --- several towers and data seeds -----------------------------------------------------------------------------------


def grid(towers, data, objects, seed=0, spread=(0.1, 0.1, 0.2)):
    """Runs whose scores are the sum of an effect of the tower, one of the data, and one of the object."""
    rng = np.random.default_rng(seed)
    tower = rng.normal(0, spread[0], towers)
    of_data = rng.normal(0, spread[1], data)
    of_object = rng.normal(0, spread[2], (data, objects))
    names = [f"o{i}" for i in range(objects)]
    runs = {
        (f"t{t}", f"d{d}"): {"image": Group(names, {"a": 0.5 + tower[t] + of_data[d] + of_object[d]})}
        for t in range(towers)
        for d in range(data)
    }
    return runs, tower, of_data, of_object


@pytest.mark.parametrize(("towers", "data"), [(3, 5), (1, 5), (3, 1), (1, 1)])
def test_the_variance_is_the_sum_of_those_of_towers_data_and_objects(towers, data):
    runs, tower, of_data, of_object = grid(towers, data, 40)
    found = hierarchical_bootstrap(runs, replicates=8000)
    means = of_data + of_object.mean(axis=1)
    # a data seed that is drawn twice has its objects drawn twice
    expected = tower.var() / towers + means.var() / data + of_object.var(axis=1).mean() / 40 / data
    assert found.accuracy["a"]["image"].var() == pytest.approx(expected, rel=0.06)
    assert found.measured["a"]["image"] == pytest.approx(0.5 + tower.mean() + means.mean())
    assert found.accuracy["a"]["image"].mean() == pytest.approx(found.measured["a"]["image"], abs=0.005)
    assert found.objects == {"image": 40 * data}


def test_one_run_is_the_plain_bootstrap():
    groups = {"image": group(np.arange(50) < 30)}
    plain, found = bootstrap(groups, seed=4), hierarchical_bootstrap({("t", "d"): groups}, seed=4)
    assert np.array_equal(plain.accuracy["a"]["image"], found.accuracy["a"]["image"])


def test_towers_see_the_same_objects():
    right = np.arange(60) % 2 == 0
    runs = {("one", "d"): {"image": group(right)}, ("two", "d"): {"image": group(~right)}}
    # drawn together, the towers' errors cancel whenever both towers are drawn; alone, each varies with its objects
    shares = hierarchical_bootstrap(runs).accuracy["a"]["image"]
    assert np.mean(shares == 0.5) > 0.45


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda runs: runs.pop(("t0", "d0")), "do not cross 2 towers with 2 data seeds"),
        (lambda runs: runs.update({("t0", "d0"): {"audio": group([True])}}), "other methods or modalities"),
        (lambda runs: runs.update({("t0", "d0"): {"image": group([True])}}), "different objects of data 'd0'"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(change, message):
    runs, *_ = grid(2, 2, 5)
    change(runs)
    with pytest.raises(UnibindError, match=message):
        hierarchical_bootstrap(runs)
    with pytest.raises(UnibindError, match="0 runs"):
        hierarchical_bootstrap({})
