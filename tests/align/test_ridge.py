import numpy as np
import pytest

from unibind.align.ridge import PENALTIES, Ridge, best_map
from unibind.errors import UnibindError


def pairs(count=30, wide=6, narrow=4, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, wide)) * np.arange(1, wide + 1)
    y = x @ rng.normal(size=(wide, narrow)) + 3 + noise * rng.normal(size=(count, narrow))
    return x.astype(np.float32), y.astype(np.float32)


def plain(x, y, penalty):
    """The normal equations, with the offset as one more column that is not penalized."""
    x, y = x.astype(float), y.astype(float)
    scatter = ((x - x.mean(axis=0)) ** 2).sum() / x.shape[1]
    wide = np.hstack([x, np.ones((len(x), 1))])
    damping = penalty * scatter * np.diag([1.0] * x.shape[1] + [0.0])
    both = np.linalg.solve(wide.T @ wide + damping, wide.T @ y)
    return both[:-1].T, both[-1]


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 10.0])
def test_the_map_solves_the_normal_equations(penalty):
    x, y = pairs()
    weight, bias = Ridge(x, y).map(penalty)
    wanted = plain(x, y, penalty)
    assert weight == pytest.approx(wanted[0], abs=1e-4)
    assert bias == pytest.approx(wanted[1], abs=1e-4)
    assert weight.dtype == bias.dtype == np.float32


def test_the_left_out_error_is_that_of_leaving_each_out():
    x, y = pairs(12)
    penalty = 0.3
    scatter = ((x - x.mean(axis=0)) ** 2).sum() / x.shape[1]
    errors = []
    for i in range(len(x)):
        rest = np.arange(len(x)) != i
        smaller = ((x[rest] - x[rest].mean(axis=0)) ** 2).sum() / x.shape[1]
        weight, bias = plain(x[rest], y[rest], penalty * scatter / smaller)  # the same damping as with all
        errors.append(np.sum((y[i] - weight @ x[i] - bias) ** 2))
    assert Ridge(x, y).left_out_error(penalty) == pytest.approx(np.mean(errors), rel=1e-4)


def test_more_noise_chooses_more_damping():
    def chosen(noise):
        x, y = pairs(10, noise=noise)
        return float(np.abs(best_map(x, y)[0]).mean() / np.abs(Ridge(x, y).map(PENALTIES[0])[0]).mean())

    assert chosen(0.0) == pytest.approx(1.0)
    assert chosen(30.0) < 0.8


def test_numbers_that_never_change_get_no_weight():
    x, y = pairs()
    padded = np.pad(x, ((0, 0), (0, 3)))
    weight, _ = best_map(padded, y)
    assert weight[:, :6] == pytest.approx(best_map(x, y)[0], abs=0.05)
    assert not weight[:, 6:].any()


def test_fewer_pairs_than_numbers_are_enough_and_one_is_not():
    x, y = pairs(3)
    assert np.isfinite(best_map(x, y)[0]).all()
    with pytest.raises(UnibindError, match="at least two pairs of vectors, not 1 and 1"):
        best_map(x[:1], y[:1])
