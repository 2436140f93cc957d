import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unibind.evaluate.metrics import (
    Bin,
    ClassScores,
    Ranked,
    auroc,
    category_relevance,
    class_scores,
    confusions,
    expected_calibration_error,
    hits,
    mean_score,
    modality_gap,
    r_precisions,
    ranking,
    recall_at_k,
    recalls,
    reliability,
    spread,
)


def test_recall_counts_what_can_be_found():
    similarity = np.array([[0.9, 0.8, 0.7, 0.6]])
    relevant = np.array([[True, False, True, True]])
    assert recall_at_k(similarity, relevant, 1) == 1  # one of one possible
    assert recall_at_k(similarity, relevant, 2) == pytest.approx(1 / 2)  # one of two possible
    assert recall_at_k(similarity, relevant, 3) == pytest.approx(2 / 3)
    assert recall_at_k(similarity, relevant, 100) == 1


def test_recall_leaves_out_queries_without_an_answer():
    similarity = np.array([[0.9, 0.1], [0.9, 0.1]])
    assert recall_at_k(similarity, np.array([[True, False], [False, False]]), 1) == 1
    assert math.isnan(recall_at_k(similarity, np.zeros((2, 2), bool), 1))


def slow_recall(similarity, relevant, k):
    shares = []
    for row, answers in zip(similarity, relevant, strict=True):
        if answers.any():
            ranked = sorted(range(len(row)), key=lambda j: (-row[j], j))[:k]
            shares.append(sum(bool(answers[j]) for j in ranked) / min(k, int(answers.sum()), len(row)))
    return sum(shares) / len(shares) if shares else math.nan


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 9), st.integers(1, 12))
def test_recall_equals_the_slow_version(seed, queries, gallery, k):
    rng = np.random.default_rng(seed)
    similarity = rng.integers(0, 4, (queries, gallery)).astype(float)  # many ties
    relevant = rng.random((queries, gallery)) < 0.4
    ours, slow = recall_at_k(similarity, relevant, k), slow_recall(similarity, relevant, k)
    assert ours == pytest.approx(slow) or (math.isnan(ours) and math.isnan(slow))


def test_hits_and_r_precision_by_hand():
    nearest = np.array([[False, True, True, False], [True, False, False, True], [False, False, False, False]])
    ranks = Ranked(nearest, nearest.sum(axis=1))
    assert hits(ranks, 1)[:2].tolist() == [0, 1]
    assert hits(ranks, 2)[:2].tolist() == [1, 1]
    assert r_precisions(ranks)[:2].tolist() == [0.5, 0.5]  # of two relevant ones, one is among the first two
    assert recalls(ranks, 3)[:2].tolist() == [1, 0.5]
    assert all(math.isnan(scores[2]) for scores in (hits(ranks, 1), r_precisions(ranks), recalls(ranks, 1)))
    assert mean_score(recalls(ranks, 3)) == 0.75


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 60), st.integers(1, 20), st.integers(1, 30))
def test_a_ranking_of_some_depth_is_the_beginning_of_the_whole(seed, queries, gallery, depth, values):
    rng = np.random.default_rng(seed)
    similarity = rng.integers(0, values, (queries, gallery)).astype(float)  # ties, also at the end
    similarity[rng.random((queries, gallery)) < 0.05] = -np.inf
    expected = [sorted(range(gallery), key=lambda j: (-row[j], j))[:depth] for row in similarity]
    assert ranking(similarity, depth).tolist() == expected
    assert ranking(similarity)[:, :depth].tolist() == expected


def test_category_relevance():
    assert category_relevance(["a", "b"], ["b", "a", "b"]).tolist() == [[False, True, False], [True, False, True]]


def test_modality_gap_is_the_distance_of_the_means():
    a, b = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[-1.0, 0.0], [0.0, -1.0]])
    assert modality_gap(a, b) == pytest.approx(math.sqrt(2))
    assert modality_gap(a, a) == 0


def test_spread_leaves_out_nan():
    found = spread(np.array([0.2, np.nan, 0.6]))
    assert found["mean"] == pytest.approx(0.4)
    assert found["range"] == pytest.approx(0.4)
    assert found["std"] == pytest.approx(0.2)


def test_calibration_error_by_hand():
    confidence, correct = np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, False, True, False])
    assert expected_calibration_error(confidence, correct) == pytest.approx(0.5 * 0.45 + 0.5 * 0.05)
    assert expected_calibration_error(np.array([1.0]), np.array([True])) == 0


def test_reliability_by_hand():
    confidence, correct = np.array([0.95, 0.85, 0.25, 1.0]), np.array([True, False, True, True])
    bins = reliability(confidence, correct, bins=2)
    assert bins[0] == Bin(1, 0.25, 1.0)
    assert bins[1].count == 3
    assert bins[1].confidence == pytest.approx(2.8 / 3)
    assert bins[1].accuracy == pytest.approx(2 / 3)
    assert reliability(confidence, correct, bins=10)[4] is None


def test_class_scores_by_hand():
    truth, predicted = ["a", "a", "a", "b", "c"], ["a", "a", "b", "b", "d"]
    assert class_scores(truth, predicted) == {
        "a": ClassScores(1.0, 2 / 3, 3),
        "b": ClassScores(0.5, 1.0, 1),
        "c": ClassScores(None, 0.0, 1),  # never answered
        "d": ClassScores(0.0, None, 0),  # answered, but never true
    }


def test_confusions_come_most_frequent_first():
    found = confusions(["a", "a", "b", "b", "b"], ["b", "a", "b", "c", "c"])
    assert list(found.items()) == [(("b", "c"), 2), (("a", "a"), 1), (("a", "b"), 1), (("b", "b"), 1)]


def test_area_under_the_roc_curve_by_hand():
    assert auroc(np.array([0.9, 0.4]), np.array([0.5, 0.1])) == 0.75  # three of four pairs in order
    assert auroc(np.array([0.5]), np.array([0.5])) == 0.5
    assert math.isnan(auroc(np.array([]), np.array([0.5])))
