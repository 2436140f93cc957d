"""Means of modalities, by hand."""

import numpy as np
import pytest

from unibind.centering import PRIOR_ITEMS, Mean
from unibind.data.means_file import load_means, save_means
from unibind.errors import UnibindError


def test_a_mean_is_shrunk_as_if_more_items_were_at_the_origin():
    mean = Mean.of(np.float32([[3, 0], [0, 3], [3, 3]]))
    np.testing.assert_allclose(mean.vector, np.array([6, 6]) / (3 + PRIOR_ITEMS), rtol=1e-6)
    assert mean.items == 3


def test_the_mean_of_many_items_is_the_plain_one():
    vectors = np.random.default_rng(0).normal(1, 1, (40_000, 4)).astype(np.float32)
    np.testing.assert_allclose(Mean.of(vectors).vector, vectors.mean(axis=0), atol=1e-3)


def test_it_is_removed_and_the_rest_is_scaled_to_unit_length():
    mean = Mean(np.float32([1, 0]), 9)
    np.testing.assert_allclose(mean(np.float32([[4, 4], [1, -2], [1, 0]])), [[0.6, 0.8], [0, -1], [0, 0]], atol=1e-6)


def test_at_most_as_much_of_the_mean_is_removed_as_a_vector_has_of_it():
    mean = Mean(np.float32([2, 0]), 9)
    # [1, 1] has half of the mean, [-3, 4] none of it, and [5, 4] more than all of it
    found = mean.at_most(np.float32([[1, 1], [-3, 4], [5, 4]]))
    np.testing.assert_allclose(found, [[0, 1], [-0.6, 0.8], [0.6, 0.8]], atol=1e-6)


def test_nothing_is_removed_where_nothing_was_seen():
    vectors = np.float32([[0.6, 0.8]])
    np.testing.assert_array_equal(Mean.nothing(2)(vectors), vectors)
    assert Mean.nothing(2).items == 0


@pytest.mark.parametrize("vector", [np.ones(2), np.ones((1, 2), np.float32), np.float32([1, np.nan])])
def test_what_is_not_one_finite_float32_vector_is_refused(vector):
    with pytest.raises(UnibindError, match="one finite float32 vector"):
        Mean(vector, 1)


def test_fingerprints_differ_with_the_vector():
    a, b = Mean(np.float32([1, 0]), 9), Mean(np.float32([1, 0.5]), 9)
    assert a.fingerprint == Mean(np.float32([1, 0]), 8).fingerprint != b.fingerprint


def test_means_are_saved_and_loaded(tmp_path):
    means = {"image": Mean(np.float32([1, 0]), 9), "text": Mean.nothing(2)}
    save_means(means, tmp_path / "means.safetensors")
    loaded = load_means(tmp_path / "means.safetensors", "save again")
    assert loaded.keys() == means.keys()
    for m, mean in means.items():
        np.testing.assert_array_equal(loaded[m].vector, mean.vector)
        assert loaded[m].items == mean.items
