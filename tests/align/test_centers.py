import itertools
from dataclasses import replace

import numpy as np
import pytest

from unibind.align.centered_texts import CenteredVectors
from unibind.align.centers import SCORINGS, Centers, Scoring, load_centers, save_centers
from unibind.backbones.contract import Contract
from unibind.centering import Mean
from unibind.errors import UnibindError

CONTRACT = Contract(space="toy@1", backbone="toy", modality="text", weights="w")


def unit(x):
    x = np.asarray(x, np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def center_sets(vectors, sizes, scoring=None):
    """Centers with the labels a, b, ... and the description ids d0, d1, ..."""
    labels = tuple("abcdefghij"[: len(sizes)])
    ids = tuple(f"d{i}" for i in range(len(vectors)))
    return Centers(unit(vectors), sizes, labels, ids, "all", scoring or Scoring(), CONTRACT)


def test_scorings_by_hand():
    similarity = np.array([[0.1, 0.5, 0.3]], np.float32)
    assert Scoring("max")(similarity)[0] == pytest.approx(0.5)
    assert Scoring("top_mean", 2)(similarity)[0] == pytest.approx(0.4)
    assert Scoring("top_mean", 9)(similarity)[0] == pytest.approx(0.3)
    expected = np.log(np.mean(np.exp(2 * similarity))) / 2
    assert Scoring("log_mean_exp", 2.0)(similarity)[0] == pytest.approx(expected)
    assert Scoring("log_mean_exp", 1e-4)(similarity)[0] == pytest.approx(0.3, abs=1e-3)
    assert Scoring("log_mean_exp", 5000.0)(similarity)[0] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(("kind", "parameter", "words"), [("min", 1.0, "log_mean_exp"), ("max", 0.0, "positive")])
def test_invalid_scorings_are_refused(kind, parameter, words):
    with pytest.raises(UnibindError, match=words):
        Scoring(kind, parameter)


def test_a_new_scoring_is_one_function_and_one_row(monkeypatch):
    monkeypatch.setitem(SCORINGS, "first", lambda similarity, sets, _: similarity[:, sets.starts])
    centers = center_sets([[1, 0], [0, 1], [0.6, 0.8]], (2, 1), Scoring("first"))
    assert centers.scores(unit([[0, 1]])) == pytest.approx(np.array([[0, 0.8]]))


PLAIN_SCORES = {
    Scoring("max"): lambda cosines, _: max(cosines),
    Scoring("mean"): lambda cosines, _: np.mean(cosines),
    Scoring("centroid"): lambda cosines, mean: np.mean(cosines) / np.sqrt(sum(mean**2)),
    Scoring("top_mean", 2): lambda cosines, _: np.mean(sorted(cosines)[-2:]),
    Scoring("log_mean_exp", 9.0): lambda cosines, _: np.log(np.mean(np.exp(9 * np.array(cosines)))) / 9,
}


def slow_scores(centers, samples, plain):
    pairs = list(itertools.pairwise(centers.offsets))
    means = [centers.vectors[a:b].mean(axis=0) for a, b in pairs]
    return np.array(
        [
            [
                plain([float(z @ x) for z in centers.vectors[a:b]], mean)
                for (a, b), mean in zip(pairs, means, strict=True)
            ]
            for x in samples
        ]
    )


@pytest.mark.parametrize("scoring", PLAIN_SCORES, ids=str)
@pytest.mark.parametrize("sizes", [(6, 6, 6, 6, 6, 5, 5), (1, 30, 2, 7), (40,)])
def test_blocked_scores_equal_the_slow_version(scoring, sizes, monkeypatch):
    assert {s.kind for s in PLAIN_SCORES} == set(SCORINGS)
    rng = np.random.default_rng(0)
    centers = center_sets(rng.normal(size=(40, 6)), sizes, scoring)
    samples = unit(rng.normal(size=(11, 6)))
    monkeypatch.setattr("unibind.align.centers._CENTERS", 12)  # two categories at a time
    monkeypatch.setattr("unibind.align.centers.MULTIPLIED", 80)  # and a few samples
    assert np.allclose(centers.scores(samples), slow_scores(centers, samples, PLAIN_SCORES[scoring]), atol=1e-6)


@pytest.mark.parametrize("scoring", PLAIN_SCORES, ids=str)
def test_scores_by_float16_texts_equal_those_by_float32_within_rounding(scoring):
    rng = np.random.default_rng(1)
    vectors, mean = unit(rng.normal(1, 1, size=(40, 16))), Mean.of(unit(rng.normal(1, 1, size=(40, 16))))
    samples = unit(rng.normal(size=(7, 16)))
    exact = center_sets(mean(vectors), (10, 20, 10), scoring)
    stored = replace(exact, vectors=CenteredVectors(vectors.astype(np.float16), mean))
    np.testing.assert_allclose(stored.scores(samples), exact.scores(samples), atol=2e-3)
    assert stored.nearest_descriptions(samples, np.zeros(7, int)) == exact.nearest_descriptions(
        samples, np.zeros(7, int)
    )


def test_a_centroid_is_not_farther_for_being_the_mean_of_diverse_centers():
    centers = center_sets([[1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 1, -1]], (2, 2), Scoring("centroid"))
    assert centers.scores(unit([[1, 1, 0]])) == pytest.approx(np.sqrt([[0.5, 0.5]]))
    assert replace(centers, scoring=Scoring("mean")).scores(unit([[1, 1, 0]]))[0, 1] == pytest.approx(0.5)


def test_top1_is_the_share_of_right_answers():
    centers = center_sets([[1, 0], [0, 1]], (1, 1))
    assert centers.top1(unit([[1, 0.1], [0.1, 1], [1, 0]]), ["a", "b", "b"]) == pytest.approx(2 / 3)
    assert centers.top1(np.zeros((0, 2), np.float32), []) == 0


def test_the_nearest_description_is_one_of_the_given_category():
    centers = center_sets([[1, 0, 0], [1, 0.1, 0], [0.5, 0.9, 0], [0, 1, 0], [0, 1, 0.1], [0, 0.2, 1]], (3, 3))
    samples = unit([[0.5, 0.9, 0], [0, 0, 1]])
    assert centers.nearest_descriptions(samples, np.array([0, 1])) == ["d2", "d5"]


def test_saved_centers_load_unchanged(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(4, 3))
    centers = {"image": center_sets(vectors, (2, 2)), "event": center_sets(vectors, (1, 3), Scoring("top_mean", 3))}
    centers["audio"] = replace(
        center_sets(vectors, (2, 2)), vectors=CenteredVectors(unit(vectors).astype(np.float16), Mean.nothing(3))
    )
    save_centers(centers, tmp_path / "centers.safetensors")
    loaded = load_centers(tmp_path / "centers.safetensors")
    assert list(loaded) == ["image", "event", "audio"]
    for modality, saved in centers.items():
        assert np.array_equal(loaded[modality].vectors, saved.vectors)
        assert loaded[modality].vectors.dtype == np.float32
        for field in ("sizes", "labels", "description_ids", "strategy", "scoring", "contract"):
            assert getattr(loaded[modality], field) == getattr(saved, field)
