import numpy as np
import pytest

from unibind.align.calibration import Calibration, fit_calibration


def test_probabilities_by_hand():
    p, none = Calibration(scale=1.0, threshold=0.0).probabilities(np.log([[2.0, 1.0]]).astype(np.float32))
    assert p[0] == pytest.approx([0.5, 0.25])
    assert none[0] == pytest.approx(0.25)


def test_with_a_very_low_threshold_none_is_never_the_answer():
    p, none = Calibration(100.0, -1.0).probabilities(np.array([[0.9, 0.1]], np.float32))
    assert none[0] < 1e-9
    assert p.sum() == pytest.approx(1)


def separable(n, noise, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, n)
    scores = rng.normal(0.1, noise, (n, 5))
    scores[np.arange(n), labels] += 0.3
    return scores.astype(np.float32), labels


def test_the_threshold_lies_between_known_and_unknown_scores():
    scores, labels = separable(400, 0.02)
    fitted = fit_calibration(scores, labels)
    assert 0.12 < fitted.threshold < 0.4
    unknown = np.random.default_rng(1).normal(0.1, 0.02, (200, 5)).astype(np.float32)
    assert fitted.probabilities(unknown)[1].mean() > 0.9
    assert fitted.probabilities(scores)[1].mean() < 0.1


def test_noisier_scores_get_a_smaller_scale():
    clean, noisy = (fit_calibration(*separable(400, noise)) for noise in (0.02, 0.2))
    assert clean.scale > 2 * noisy.scale


def test_confidence_matches_accuracy_on_fresh_data():
    fitted = fit_calibration(*separable(2000, 0.12))
    scores, labels = separable(2000, 0.12, seed=7)
    p, none = fitted.probabilities(scores)
    known = p / (1 - none)[:, None]  # given that one of the categories is correct
    assert known.max(axis=1).mean() == pytest.approx((known.argmax(axis=1) == labels).mean(), abs=0.1)
