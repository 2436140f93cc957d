import itertools

import numpy as np
import pytest

from unibind.align.centers import SCORINGS, Centers, Scoring, load_centers, save_centers
from unibind.backbones.contract import Contract
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
    monkeypatch.setitem(SCORINGS, "first", lambda similarity, _: similarity[:, 0])
    centers = center_sets([[1, 0], [0, 1], [0.6, 0.8]], (2, 1), Scoring("first"))
    assert centers.scores(unit([[0, 1]])) == pytest.approx(np.array([[0, 0.8]]))


def slow_scores(centers, samples):
    pairs = list(itertools.pairwise(centers.offsets))
    return np.array([[max(float(z @ x) for z in centers.vectors[a:b]) for a, b in pairs] for x in samples])


def test_blocked_scores_equal_the_slow_version(monkeypatch):
    rng = np.random.default_rng(0)
    centers = center_sets(rng.normal(size=(40, 6)), (6, 6, 6, 6, 6, 5, 5))
    samples = unit(rng.normal(size=(11, 6)))
    monkeypatch.setattr("unibind.align.centers.BLOCK", 80)  # two samples per block
    assert np.allclose(centers.scores(samples), slow_scores(centers, samples), atol=1e-6)


def test_the_nearest_description_is_one_of_the_given_category():
    centers = center_sets([[1, 0, 0], [1, 0.1, 0], [0.5, 0.9, 0], [0, 1, 0], [0, 1, 0.1], [0, 0.2, 1]], (3, 3))
    samples = unit([[0.5, 0.9, 0], [0, 0, 1]])
    assert centers.nearest_descriptions(samples, np.array([0, 1])) == ["d2", "d5"]


def test_saved_centers_load_unchanged(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(4, 3))
    centers = {"image": center_sets(vectors, (2, 2)), "event": center_sets(vectors, (1, 3), Scoring("top_mean", 3))}
    save_centers(centers, tmp_path / "centers.safetensors")
    loaded = load_centers(tmp_path / "centers.safetensors")
    assert list(loaded) == ["image", "event"]
    for modality, saved in centers.items():
        assert np.array_equal(loaded[modality].vectors, saved.vectors)
        for field in ("sizes", "labels", "description_ids", "strategy", "scoring", "contract"):
            assert getattr(loaded[modality], field) == getattr(saved, field)
