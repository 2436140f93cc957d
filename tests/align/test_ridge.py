import numpy as np
import pytest

from unibind.align.ridge import PENALTIES, Ridge, best_ridge_map
from unibind.errors import UnibindError


def pairs(count=30, wide=6, narrow=4, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, wide)) * np.arange(1, wide + 1)
    y = x @ rng.normal(size=(wide, narrow)) + 3 + noise * rng.normal(size=(count, narrow))
    return x.astype(np.float32), y.astype(np.float32)


def normal_equations(x, y, penalty):
    """Weight and bias from the normal equations, with the bias as one more column that is not penalized."""
    x, y = x.astype(float), y.astype(float)
    scatter = ((x - x.mean(axis=0)) ** 2).sum() / x.shape[1]
    wide = np.hstack([x, np.ones((len(x), 1))])
    damping = penalty * scatter * np.diag([1.0] * x.shape[1] + [0.0])
    both = np.linalg.solve(wide.T @ wide + damping, wide.T @ y)
    return both[:-1].T, both[-1]


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 10.0])
def test_the_map_solves_the_normal_equations(penalty):
    x, y = pairs()
    fitted = Ridge(x, y).fit(penalty)
    weight, bias = normal_equations(x, y, penalty)
    assert fitted.weight == pytest.approx(weight, abs=1e-4)
    assert fitted.bias == pytest.approx(bias, abs=1e-4)
    assert fitted.weight.dtype == fitted.bias.dtype == np.float32


def test_the_leave_one_out_error_equals_refitting_without_each_pair():
    x, y = pairs(12)
    penalty = 0.3
    scatter = ((x - x.mean(axis=0)) ** 2).sum() / x.shape[1]
    errors = []
    for i in range(len(x)):
        rest = np.arange(len(x)) != i
        smaller = ((x[rest] - x[rest].mean(axis=0)) ** 2).sum() / x.shape[1]
        weight, bias = normal_equations(x[rest], y[rest], penalty * scatter / smaller)  # the same damping as with all
        errors.append(np.sum((y[i] - weight @ x[i] - bias) ** 2))
    assert Ridge(x, y).leave_one_out_error(penalty) == pytest.approx(np.mean(errors), rel=1e-4)


def test_errors_without_the_rest_of_a_group_equal_refitting():
    x, y = pairs(12)
    groups = [0, 1, 2, 3] * 3
    solver, smaller = Ridge(x, y), []
    penalty, damping = 0.3, 0.3 * ((x - x.mean(axis=0)) ** 2).sum()
    for group in range(4):
        rest = np.array(groups) != group
        scatter = ((x[rest] - x[rest].mean(axis=0)) ** 2).sum()
        weight, bias = normal_equations(x[rest], y[rest], damping / scatter)
        smaller.append(y[~rest] - x[~rest] @ weight.T - bias)
    found = solver.leave_out_errors(penalty, groups)
    for group in range(4):
        assert found[np.array(groups) == group] == pytest.approx(smaller[group], rel=1e-3, abs=1e-3)
    assert solver.leave_out_errors(penalty, list(range(12))) == pytest.approx(solver.leave_out_errors(penalty))


def test_more_noise_selects_a_larger_penalty():
    def shrinkage(noise):
        x, y = pairs(10, noise=noise)
        least = Ridge(x, y).fit(PENALTIES[0])
        return float(np.abs(best_ridge_map(x, y).weight).mean() / np.abs(least.weight).mean())

    assert shrinkage(0.0) == pytest.approx(1.0)
    assert shrinkage(30.0) < 0.8


def test_constant_dimensions_get_no_weight():
    x, y = pairs()
    padded = np.pad(x, ((0, 0), (0, 3)))
    weight = best_ridge_map(padded, y).weight
    assert weight[:, :6] == pytest.approx(best_ridge_map(x, y).weight, abs=0.05)
    assert not weight[:, 6:].any()


def test_two_pairs_are_enough_and_one_is_not():
    x, y = pairs(2)
    assert np.isfinite(best_ridge_map(x, y).weight).all()
    with pytest.raises(UnibindError, match="at least two pairs of vectors, not 1 and 1"):
        best_ridge_map(x[:1], y[:1])
