"""Choosing among candidates: the default stays unless another is proven better."""

import numpy as np
import pytest

from unibind.align.choice import best_scale, candidate_row, choose, cross_entropy

TRUTH = np.arange(60) % 3


def scores(right, seed=0):
    """Scores that are right for a share of the items."""
    rng = np.random.default_rng(seed)
    shown = np.where(rng.random(60) < right, TRUTH, rng.integers(0, 3, 60))
    return np.eye(3)[shown] + 0.1 * rng.normal(size=(60, 3))


def test_cross_entropy_by_hand():
    found = cross_entropy(np.array([[1.0, 0.0]]), np.array([1]), scale=2.0)
    assert found == pytest.approx([np.log(1 + np.exp(2.0))])


def test_the_best_scale_is_larger_for_better_scores():
    assert best_scale(scores(0.99), TRUTH) > best_scale(scores(0.5), TRUTH) > best_scale(-scores(1.0), TRUTH)


def test_scores_count_whatever_their_scale():
    assert candidate_row(scores(0.8), TRUTH)["held_out_loss"] == pytest.approx(
        candidate_row(10 * scores(0.8), TRUTH)["held_out_loss"], rel=0.05
    )


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ((0.6, 0.95), 1),  # the default is best
        ((0.95, 0.6), 0),  # another is proven better
        ((0.82, 0.8), 1),  # another is better, but that may be chance
        ((0.0, 0.0), 0),  # the default knows nothing
    ],
)
def test_the_default_stays_unless_another_is_proven_better(right, expected):
    candidates = [scores(r, seed) for seed, r in enumerate(right)]
    assert choose(candidates, TRUTH, default=1, unfitted=0) == expected


def test_a_row_leaves_out_what_is_infinite():
    assert set(candidate_row(scores(1), TRUTH, penalty=np.inf)) == {"held_out_top1", "held_out_loss"}
    assert candidate_row(scores(1), TRUTH, penalty=3.0)["penalty"] == 3.0
