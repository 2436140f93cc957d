"""The compact form of a run: nothing is lost that intervals need, and damage is a sentence."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unibind.errors import UnibindError
from unibind.evaluate.intervals import Group, hierarchical_bootstrap
from unibind.evaluate.runs import Run, groups_of, pack, unpack


def run(tower="t0", data="d0", seed=0, objects=24):
    """Pictures of every object, and sounds of some of them in another order, one of them twice."""
    rng = np.random.default_rng(seed)
    names = [f"test/drum/{i:04}" for i in range(objects)]
    heard = [names[i] for i in (*rng.permutation(objects)[: objects // 2], 0, 0)]
    top1 = {
        "image": Group(names, {m: rng.random(objects) < 0.7 for m in ("class name", "descriptions")}),
        "audio": Group(heard, {"class name": rng.random(len(heard)) < 0.5}),
    }
    recall = {"text to image": Group(names, {"before": rng.integers(0, 13, objects) / 12})}
    return Run(tower, data, {"top1": top1, "recall@20": recall})


def test_a_run_survives_json():
    before = run()
    after = Run.from_json(json.loads(json.dumps(before.to_json())))
    assert (after.tower, after.data) == ("t0", "d0")
    assert {m: list(by) for m, by in after.measures.items()} == {m: list(by) for m, by in before.measures.items()}
    same_object = {}
    for measure, by_part in before.measures.items():
        for part, group in by_part.items():
            found = after.measures[measure][part]
            for name, number in zip(group.objects, found.objects, strict=True):
                assert same_object.setdefault(name, number) == number  # in all modalities and measures
            for method, scores in group.correct.items():
                assert found.correct[method] == pytest.approx(np.asarray(scores, float), abs=1e-12)
    assert len(set(same_object.values())) == len(same_object)


def test_intervals_of_committed_runs_are_those_of_the_measured_ones():
    runs = [run(t, d, seed) for seed, (t, d) in enumerate((t, d) for t in ("t0", "t1") for d in ("d0", "d1"))]
    for one in runs:  # the same objects were measured by both towers
        one.measures["top1"].pop("audio")
    read = [Run.from_json(one.to_json()) for one in runs]
    fresh, found = (hierarchical_bootstrap(groups_of(each, "top1"), replicates=50) for each in (runs, read))
    assert found.measured == fresh.measured
    assert hierarchical_bootstrap(groups_of(read, "recall@20")).measured["before"].keys() == {"text to image"}


def test_a_run_is_small():
    names = [f"test/drum/{i:04}" for i in range(288)]
    rng = np.random.default_rng(0)
    groups = {m: Group(names, {f"method {i}": rng.random(288) < 0.5 for i in range(12)}) for m in "abcdef"}
    assert len(json.dumps(Run("t", "d", {"top1": groups}).to_json())) < 8000


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 255), st.lists(st.floats(0, 1), max_size=40))
def test_fractions_are_exact_and_others_are_close(steps, shares):
    scores = np.round(np.array(shares, float) * steps) / steps
    assert unpack(pack(scores), len(scores)) == pytest.approx(scores, abs=1e-3 if steps > 99 else 1e-9)
    assert unpack(pack(np.array(shares, float)), len(shares)) == pytest.approx(shares, abs=1 / 255)


def test_packed_by_hand():
    assert pack(np.array([1, 0, 0, 0, 0, 0, 0, 1, 1.0])) == "1:8180"
    assert pack(np.array([0, 0.5, 1])) == "2:012"
    assert pack(np.array([0, 0.5, 1]) / 20) == "40:000102"
    assert pack(np.array([])) == "1:"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda j: j.pop("tower"), "tower"),
        (lambda j: j["measures"]["top1"]["image"].pop("scores"), "damaged scores"),
        (lambda j: j["measures"]["top1"]["image"]["scores"].update(x="1:zz"), "damaged scores"),
        (lambda j: j["measures"]["top1"]["image"]["scores"].update(x="1:00"), "8 bits for 24 items"),
        (lambda j: j["measures"]["top1"]["image"]["scores"].update(x="2:01"), "2 digits for 24 items"),
        (lambda j: j["measures"]["top1"]["image"].update(objects="many"), "damaged scores"),
        (lambda j: j["measures"].update(top1=3), "damaged scores"),
    ],
)
def test_a_damaged_run_is_one_sentence(damage, message):
    recorded = run().to_json()
    damage(recorded)
    with pytest.raises(UnibindError, match=message):
        Run.from_json(recorded, "runs/1.json")


def test_runs_of_the_same_seeds_or_without_the_measure_are_refused():
    with pytest.raises(UnibindError, match="two runs are of the tower 't0' on the data 'd0'"):
        groups_of([run(), run(seed=1)], "top1")
    with pytest.raises(UnibindError, match="did not measure recall@5"):
        groups_of([run()], "recall@5")
