"""Controls without text: a linear probe and nearest neighbors."""

import numpy as np
import pytest

from unibind.errors import UnibindError
from unibind.evaluate.probes import linear_probe, nearest_neighbors

PROBES = [linear_probe, nearest_neighbors]


def blobs(count, seed, spread=0.1):
    """Vectors around three orthogonal directions, and their labels."""
    rng = np.random.default_rng(seed)
    labels = [("ant", "bee", "cat")[i % 3] for i in range(count)]
    x = np.eye(3, 8)[np.arange(count) % 3] + spread * rng.normal(size=(count, 8))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("probe", PROBES)
def test_separate_classes_are_told_apart(probe):
    (train, labels), (test, truth) = blobs(30, 0), blobs(9, 1)
    result = probe(train, labels, test)
    assert result.labels == truth
    assert result.classes == ("ant", "bee", "cat")
    assert result.scores.shape == (9, 3)
    assert result.scores.sum(axis=1) == pytest.approx(np.ones(9))


@pytest.mark.parametrize("probe", PROBES)
def test_one_item_per_class_is_enough(probe):
    (train, labels), (test, truth) = blobs(3, 0), blobs(9, 1)
    assert probe(train, labels, test).labels == truth


@pytest.mark.parametrize("probe", PROBES)
def test_a_single_class_is_refused(probe):
    train, _ = blobs(3, 0)
    with pytest.raises(UnibindError, match="at least two classes, not 1"):
        probe(train, ["ant"] * 3, train)


def test_the_number_of_neighbors_is_chosen_without_the_item_itself():
    # one wrong label in each class: its neighbors outvote it, but a single neighbor would repeat it
    train, labels = blobs(60, 0, spread=0.02)
    noisy = [("bee" if i < 12 and label == "ant" else label) for i, label in enumerate(labels)]
    result = nearest_neighbors(train, noisy, train)
    assert result.setting != "k = 1"
    assert np.mean(np.array(result.labels) == np.array(labels)) > 0.95


def test_votes_by_hand():
    train = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
    result = nearest_neighbors(train, ["a", "b", "a"], np.array([[1, 0]], np.float32))
    assert result.setting == "k = 1"
    assert result.labels == ["a"]
    assert result.scores == pytest.approx(np.array([[1.0, 0.0]]))
