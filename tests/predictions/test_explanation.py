"""What descriptions contributed to a score: by hand where that is easy, and for any scoring in sum."""

import numpy as np
import pytest

from tests.align.test_centers import center_sets
from unibind.align.centers import SCORINGS, Scoring
from unibind.knowledge import Description
from unibind.predictions import Prediction, explain
from unibind.predictions.explanation import contributions
from unibind.predictions.words import shortened

COSINES = np.array([0.5, 0.3, -0.2, 0.1])


@pytest.mark.parametrize("kind", SCORINGS)
@pytest.mark.parametrize("parameter", [1.0, 2.0, 20.0])
def test_contributions_add_up_to_the_score_that_was_used(kind, parameter):
    scoring = Scoring(kind, parameter)
    expected = float(scoring(COSINES[None], 0.5)[0])
    assert contributions(COSINES, scoring, 0.5).sum() == pytest.approx(expected, abs=1e-5)


def softmax(scales):
    """What the first of the cosines weighs at each scale."""
    powers = np.exp(scales[:, None] * COSINES)
    return powers[:, 0] / powers.sum(axis=1)


def test_contributions_by_hand():
    assert contributions(COSINES, Scoring("mean")) == pytest.approx(COSINES / 4)
    assert contributions(COSINES, Scoring("centroid"), 0.5) == pytest.approx(COSINES / 4 / 0.5)
    assert contributions(COSINES, Scoring("max")) == pytest.approx([0.5, 0, 0, 0])
    assert contributions(COSINES, Scoring("top_mean", 2)) == pytest.approx([0.25, 0.15, 0, 0])
    soft = contributions(COSINES, Scoring("log_mean_exp", 20.0))
    assert soft[0] == pytest.approx(0.5 * softmax(20 * (np.arange(10_000) + 0.5) / 10_000).mean(), abs=1e-5)


def case_of(vector, scoring, top=9):
    """Two classes, a with three descriptions and b with one."""
    centers = center_sets(np.eye(4), (3, 1), scoring)
    prediction = Prediction("it", "image", "a", 0.9, None, True, ["a"], [("a", 0.9), ("b", 0.1)], "", "")
    known = {"d0": Description("d0", "a", "the first", aspect="shape", generator="someone")}
    return explain(np.array(vector, np.float32), prediction, centers=centers, descriptions=known, top=top)


def test_what_speaks_against_a_class_has_a_share_too():
    explanation = case_of([0.6, 0.0, -0.2, 0.4], Scoring("mean"))
    winner = explanation.winner
    assert [e.description_id for e in winner.evidence] == ["d0", "d2", "d1"]
    assert [e.share for e in winner.evidence] == pytest.approx([0.75, 0.25, 0])
    assert [e.contribution for e in winner.evidence] == pytest.approx([0.2, -0.2 / 3, 0], abs=1e-6)
    assert winner.score == pytest.approx(0.4 / 3)
    assert (winner.evidence[0].aspect, winner.evidence[0].generator, winner.evidence[0].description) == (
        "shape",
        "someone",
        "the first",
    )
    assert winner.evidence[1].description == ""  # not in the knowledge at hand
    assert winner.aspects == {"shape": pytest.approx(0.2)}
    assert explanation.runner_up.evidence[0].share == 1
    assert explanation.sentence == (
        "it is most like a (90.0 %) rather than b (10.0 %): it scores 0.133 against 0.400, by mean over 1 and 3 "
        'descriptions. "the first" is 75.0 % of what counted for a.'
    )


def test_where_nothing_counts_all_shares_are_equal():
    winner = case_of([0.0, 0.0, 0.0, 1.0], Scoring("mean")).winner
    assert [e.share for e in winner.evidence] == pytest.approx([1 / 3] * 3)
    assert winner.score == 0


def test_top_limits_what_is_shown_and_not_what_counts():
    whole, part = (case_of([0.6, 0.3, -0.2, 0.4], Scoring("mean"), top).winner for top in (9, 1))
    assert part.evidence == whole.evidence[:1]
    assert (part.score, part.descriptions, part.aspects) == (whole.score, 3, whole.aspects)


def test_long_descriptions_are_shortened():
    assert shortened("one  two\nthree") == "one two three"
    assert shortened("x" * 50, 10) == "x" * 7 + "..."
