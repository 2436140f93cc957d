import dataclasses
import json

import numpy as np
import pytest

from tests.align.test_centers import center_sets, unit
from unibind.align.calibration import Calibration, LabelOdds, calibration_from_json, fit_calibration, fit_scale
from unibind.align.centers import Scoring
from unibind.errors import UnibindError
from unibind.evaluate.metrics import expected_calibration_error

CLASSES = 6
DIM = 12


def world(per_class, noise, seed=0, classes=CLASSES):
    """Items about the first axes of space, one axis per class; a center per class; and the items' classes."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(classes), per_class)
    items = unit(np.eye(DIM)[truth] + rng.normal(0, noise, (len(truth), DIM)))
    return center_sets(np.eye(DIM)[:classes], (1,) * classes, Scoring("mean")), items, truth


def test_probabilities_by_hand():
    p = Calibration(scale=2.0).probabilities(np.log([[2.0, 1.0]]).astype(np.float32))
    assert p[0] == pytest.approx([0.8, 0.2])


def test_probabilities_of_many_items_equal_the_plain_softmax():
    scores = np.random.default_rng(0).normal(size=(600, 1000)).astype(np.float32)  # more than are computed at once
    before, exact = scores.copy(), scores.astype(np.float64)
    powers = np.exp(50 * (exact - exact.max(axis=1, keepdims=True)))
    plain = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(Calibration(scale=50.0).probabilities(scores), plain, rtol=1e-9)
    assert np.array_equal(scores, before)


def test_probabilities_of_several_labels_by_hand():
    odds = LabelOdds(1.0, (0.0, np.log(3.0)))
    assert odds.probabilities(np.array([[0.0, 0.0]], np.float32))[0] == pytest.approx([0.5, 0.75])
    shared = LabelOdds(2.0, (-1.0,))
    assert shared.probabilities(np.array([[0.5, 0.0]]))[0] == pytest.approx([0.5, 1 / (1 + np.e)])


@pytest.mark.slow
def test_the_scale_is_that_of_maximum_likelihood_less_what_leaving_each_item_out_tells():
    centers, items, truth = world(3, 0.6)
    scores = centers.scores(items).astype(np.float64)

    def best(kept):  # by trying many
        logs = np.linspace(0, 4, 801)
        logits = np.exp(logs)[:, None, None] * scores[kept]
        losses = np.log(np.exp(logits).sum(axis=2)) - logits[:, np.arange(len(kept)), truth[kept]]
        return logs[losses.sum(axis=1).argmin()]

    rows = np.arange(len(truth))
    without = np.mean([best(np.delete(rows, row)) for row in rows])
    jackknife = len(rows) * best(rows) - (len(rows) - 1) * without
    assert np.log(fit_scale(scores, truth)) == pytest.approx(jackknife, abs=0.05)  # one Newton step is not all the way


@pytest.mark.parametrize("count", [1, 4, 20])
def test_right_answers_make_no_one_surer_than_their_number_allows(count):
    scores = np.tile([[0.4, 0.1, 0.0]], (count, 1))
    scale = fit_scale(scores, np.zeros(count, np.intp))
    confidence = Calibration(scale).probabilities(scores).max(axis=1).mean()
    assert confidence == pytest.approx((count + 1) / (count + 2), abs=1e-6)


def test_scores_that_tell_nothing_give_no_confidence():
    rng = np.random.default_rng(0)
    scale = fit_scale(rng.normal(0, 0.1, (400, 4)), rng.integers(0, 4, 400))
    assert Calibration(scale).probabilities(np.array([[0.1, 0, 0, 0]])).max() < 0.35


def test_noisier_scores_get_a_smaller_scale():
    clean, noisy = (fit_calibration(*world(60, noise), learned=False).scale for noise in (0.2, 0.5))
    assert clean > 1.5 * noisy


@pytest.mark.parametrize("noise", [0.25, 0.4])
def test_confidence_matches_accuracy_on_fresh_items(noise):
    centers, items, truth = world(40, noise)
    calibration = fit_calibration(centers, items, truth, learned=False)
    _, fresh, fresh_truth = world(400, noise, seed=7)
    scores = centers.scores(fresh)
    p = calibration.probabilities(scores)
    assert p.sum(axis=1) == pytest.approx(1)
    correct = scores.argmax(axis=1) == fresh_truth
    assert 0.6 < correct.mean() < 0.99
    assert expected_calibration_error(p.max(axis=1), correct) < 0.03


def test_every_class_has_a_calibrated_probability_of_its_own():
    centers, items, truth = world(40, 0.3)
    odds = fit_calibration(centers, items, truth, learned=False).label_odds
    _, fresh, fresh_truth = world(400, 0.3, seed=7)
    p = odds.probabilities(centers.scores(fresh))
    applies = np.eye(CLASSES, dtype=bool)[fresh_truth]
    assert expected_calibration_error(p.ravel(), applies.ravel()) < 0.02
    assert (p > 0.5)[applies].mean() > 0.8
    both = unit(np.eye(DIM)[:1] + np.eye(DIM)[1:2])  # of two classes at once
    assert odds.probabilities(centers.scores(both))[0].argsort()[-2:].tolist() in ([0, 1], [1, 0])


def test_many_items_are_thinned_evenly(monkeypatch):
    centers, items, truth = world(50, 0.3)
    whole = fit_calibration(centers, items, truth, learned=False)
    monkeypatch.setattr("unibind.align.calibration._MOST_SCORES", 0)
    monkeypatch.setattr("unibind.align.calibration._FEWEST_USED", 150)
    part = fit_calibration(centers, items, truth, learned=False)
    assert len(part.unknowns.sample) == 150 < len(whole.unknowns.sample)
    assert part.scale == pytest.approx(whole.scale, rel=0.3)


def test_a_calibration_survives_json():
    calibration = fit_calibration(*world(5, 0.3), learned=False)
    stored = json.loads(json.dumps(dataclasses.asdict(calibration)))
    assert calibration_from_json(stored, "it", "fix it") == calibration
    bare = Calibration(3.0)
    assert calibration_from_json(dataclasses.asdict(bare), "it", "fix it") == bare


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scale": 0}, "'scale' is not a positive number"),
        ({"unknowns": 3}, "'unknowns' is not an object or null"),
        ({"unknowns": {"slope": 1, "intercept": 0, "sample": ["1"]}}, "'sample' is not a list"),
        ({"label_odds": {"slope": 1}}, "has no 'offsets'"),
        ({"threshold": 1}, "unknown field 'threshold'"),
    ],
)
def test_what_is_no_calibration_is_refused(change, words):
    with pytest.raises(UnibindError, match=words):
        calibration_from_json({"scale": 1, "unknowns": None, "label_odds": None, **change}, "it", "fix it")
