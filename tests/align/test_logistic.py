import numpy as np
import pytest

from unibind.align.logistic import fit_logistic


def test_known_odds_are_found():
    rng = np.random.default_rng(0)
    x = rng.normal(5, 2, (20000, 1))
    truth = rng.random(x.shape) < 1 / (1 + np.exp(-(1.5 * x - 8)))
    slope, offsets = fit_logistic(x, truth.astype(float))
    assert slope == pytest.approx(1.5, rel=0.05)
    assert offsets == pytest.approx([-8], rel=0.05)


def test_the_slope_stays_finite_where_everything_is_separated():
    slope, offsets = fit_logistic(np.array([[0.0], [1.0]]), np.array([[0.0], [1.0]]))
    p = 1 / (1 + np.exp(-(slope * np.array([0.0, 1.0]) + offsets)))
    assert p == pytest.approx([1 / 3, 2 / 3], abs=1e-3)  # Platt's targets


def test_columns_depart_from_the_common_offset_as_far_as_they_have_proof():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 3))
    truth = rng.random(x.shape) < 1 / (1 + np.exp(-(x + np.array([-1.0, 0.0, 1.0]))))
    _, many = fit_logistic(x, truth.astype(float))
    assert many == pytest.approx([-1, 0, 1], abs=0.2)
    _, few = fit_logistic(x[:6], truth[:6].astype(float))
    assert np.ptp(few) < np.ptp(many)
