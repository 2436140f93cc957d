import numpy as np
import pytest

from unibind.align.pools import effective_number, why_not_at_once


def answers(*counts):
    """Probabilities of items, as many of each class as `counts` says."""
    return np.full((sum(counts), len(counts)), 0.1) + np.eye(len(counts))[np.repeat(np.arange(len(counts)), counts)]


def test_the_effective_number_of_classes():
    assert effective_number(np.full(5, 0.2)) == pytest.approx(5)
    assert effective_number(np.array([0, 1, 0])) == pytest.approx(1)
    assert effective_number(np.array([0.5, 0.25, 0.25])) == pytest.approx(2**1.5)


@pytest.mark.parametrize("method", ["em", "transclip"])
def test_even_pools_of_enough_items_are_accepted(method):
    assert why_not_at_once(answers(4, 4, 4), method=method) is None
    assert why_not_at_once(answers(*[100] * 50), method=method) is None


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ((4, 4, 3), "are too few for about 3 classes, each of which needs 4"),
        ((1, 0, 0), "is too few for about 1 class, each of which needs 4"),
        ((95, 5, 0), "are nearly all of one class (95 %)"),
        ((40, 0, 0), "are nearly all of one class (100 %)"),
    ],
)
def test_small_pools_and_those_of_one_class_are_refused(counts, reason):
    assert why_not_at_once(answers(*counts)) == reason


def test_few_classes_and_long_tails_are_refused_where_even_classes_are_assumed():
    few, tail = answers(30, 30, 30, *[0] * 21), answers(100, 50, 25, 12, 6, 3)
    assert why_not_at_once(few) is why_not_at_once(tail) is None
    assert why_not_at_once(few, method="transclip") == (
        "are of about 3 classes, not of 24 as the method 'transclip' assumes; 'em' does not"
    )
    assert why_not_at_once(tail, method="transclip") is not None
    assert why_not_at_once(few, class_prior="uniform") == ("are of about 3 classes, not of 24 as the class prior says")
    assert why_not_at_once(tail, class_prior=np.array([0.5, 0.25, 0.13, 0.06, 0.04, 0.02])) is None
