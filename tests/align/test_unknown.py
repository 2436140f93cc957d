import numpy as np
import pytest

from tests.align.test_calibration import DIM, world
from tests.align.test_centers import center_sets, unit
from unibind.align.centers import Scoring
from unibind.align.unknown import Unknowns, _thinned, fit_unknowns, margins, without_own_direction
from unibind.errors import UnibindError

KNOWN = 8


def unknown_items(count, noise, seed=3):
    """Items about the axes that no class of `world` has."""
    rng = np.random.default_rng(seed)
    axes = np.eye(DIM)[rng.integers(KNOWN, DIM, count)]
    return unit(axes + rng.normal(0, noise, (count, DIM)))


def test_margins_by_hand():
    assert margins(np.array([[0.5, 0.1, 0.0], [0.2, 0.2, 0.2]])) == pytest.approx([0.3, 0.0])


def test_bayes_rule_by_hand():
    unknowns = Unknowns(slope=10.0, intercept=0.0, sample=())
    scores = np.array([[0.0, 0.0, 0.0]])  # as likely of a known class as of an unknown one: the prior remains
    assert unknowns.none_probability(scores, 0.25)[0] == pytest.approx(0.25)
    assert unknowns.none_probability(scores, 0.0)[0] == 0
    scores = np.array([[np.log(3) * 0.15, 0.0, 0.0]])  # margin ln 3 / 10: three times as likely of a known class
    assert unknowns.none_probability(scores, 0.5)[0] == pytest.approx(0.25)


def scores_of(values, classes=1000):
    """Scores whose margins are the values, nearly."""
    scores = np.zeros((len(values), classes))
    scores[:, 0] = np.asarray(values) * classes / (classes - 1)
    return scores


def test_the_limit_is_the_margin_that_a_share_of_unknown_items_exceeds():
    unknowns = Unknowns(1.0, 0.0, tuple(np.arange(19, 0, -1) / 100))
    above = scores_of(np.arange(1, 21) / 100 + 0.001)
    assert unknowns.accepted(above, 0.051).sum() == 2  # limit 0.19: one of 20
    assert unknowns.accepted(above, 0.101).sum() == 3
    assert unknowns.accepted(above, 0.999).sum() == 20
    with pytest.raises(UnibindError, match=r"rate of 0\.04 needs at least 25 held-out items, and there are 19"):
        unknowns.accepted(above, 0.04)
    with pytest.raises(UnibindError, match=r"needs at least 29 held-out"):  # two thirds of 0.05 are one in 30
        unknowns.accepted(scores_of([0.1], classes=3), 0.05)


def test_no_more_than_the_share_is_accepted_on_average():
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(300):
        unknowns = Unknowns(1.0, 0.0, tuple(np.sort(rng.random(39))[::-1]))
        rates.append(unknowns.accepted(scores_of(rng.random(200)), 0.1002).mean())
    assert np.mean(rates) == pytest.approx(0.1, abs=0.01)


def test_fewer_margins_give_no_lower_limit():
    values = np.sort(np.random.default_rng(0).random(3001))[::-1]
    whole, thinned = Unknowns(1.0, 0.0, tuple(values)), Unknowns(1.0, 0.0, _thinned(values))
    assert len(thinned.sample) < 300
    scores = scores_of(values)
    for rate in (0.005, 0.01, 0.05, 0.2, 0.5):
        kept, of_all, of_half = (
            u.accepted(scores, r).sum() for u, r in ((thinned, rate), (whole, rate), (whole, rate / 2))
        )
        assert of_half <= kept <= of_all


def test_the_direction_of_the_own_class_is_that_along_which_all_others_are_equal():
    centers = center_sets([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], (1, 1, 1), Scoring("mean"))
    item = unit([[0.8, 0.3, 0.1, 0.2]])
    direction = unit([[2, -1, -1, 0]])[0]
    expected = unit(item - (item @ direction) * direction)
    assert without_own_direction(centers, item, np.array([0])) == pytest.approx(expected, abs=1e-6)


def test_unknown_classes_are_told_with_the_stated_probability_and_rate():
    centers, items, truth = world(200, 0.3, classes=KNOWN)
    unknowns = fit_unknowns(centers, items, truth, learned=False)
    _, fresh, _ = world(200, 0.3, seed=7, classes=KNOWN)
    known, unknown = centers.scores(fresh), centers.scores(unknown_items(1600, 0.3))
    assert unknowns.accepted(unknown, 0.1).mean() == pytest.approx(0.1, abs=0.04)
    assert unknowns.accepted(known, 0.1).mean() > 0.8
    none = np.concatenate([unknowns.none_probability(s, 0.5) for s in (known, unknown)])
    is_unknown = np.repeat([False, True], [len(known), len(unknown)])
    assert none.mean() == pytest.approx(is_unknown.mean(), abs=0.04)
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        part = (none >= low) & (none < low + 0.2)
        assert is_unknown[part].mean() == pytest.approx(none[part].mean(), abs=0.12)


def test_items_that_a_head_moved_to_their_class_are_moved_back():
    """A head that makes much of the known classes' axes: noise along them becomes large in unknown items."""
    head = np.eye(DIM) + 2 * np.diag(np.arange(DIM) < KNOWN)
    centers, items, truth = world(20, 0.3, classes=KNOWN)
    unknown = centers.scores(unit(unknown_items(1600, 0.3) @ head).astype(np.float32))
    moved = unit(items @ head).astype(np.float32)
    accepted = [
        fit_unknowns(centers, moved, truth, learned=learned).accepted(unknown, 0.1).mean() for learned in (True, False)
    ]
    assert accepted[0] < 0.12
    assert accepted[1] > 0.25


def test_two_classes_leave_nothing_to_compare():
    centers, items, truth = world(4, 0.3, classes=2)
    assert fit_unknowns(centers, items, truth, learned=False) is None
