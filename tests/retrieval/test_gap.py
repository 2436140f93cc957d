"""The means of modalities: plain where many items were seen, drawn towards the others where few were."""

import numpy as np
import pytest

from tests.retrieval.test_index import contract, stored
from unibind.data.embeddings import unit
from unibind.retrieval import Index
from unibind.retrieval.gap import PRIOR_ITEMS, gap_sizes, shrunk_means


def test_means_of_one_item_per_modality_by_hand():
    means = shrunk_means({"image": np.float32([[4, 0]]), "audio": np.float32([[0, 8]])}, prior_items=1)
    # the pooled mean of the others has one zero: [0, 8] / 2 for the image, [4, 0] / 2 for the sound
    np.testing.assert_allclose(means["image"], [(4 + 0) / 2, (0 + 4) / 2])
    np.testing.assert_allclose(means["audio"], [(0 + 2) / 2, (8 + 0) / 2])


def test_the_mean_of_three_items_by_hand():
    means = shrunk_means({"image": np.float32([[1, 0], [3, 0], [5, 3]]), "audio": np.float32([[0, 6]] * 4)}, 2)
    # pooled: 4 * [0, 6] / (4 + 2) = [0, 4]; the mean: ([9, 3] + 2 * [0, 4]) / (3 + 2)
    np.testing.assert_allclose(means["image"], [9 / 5, 11 / 5], rtol=1e-6)


def test_the_mean_of_the_only_modality_is_drawn_towards_zero():
    means = shrunk_means({"image": np.float32([[1, 0]])}, prior_items=3)
    np.testing.assert_allclose(means["image"], [0.25, 0])


def test_no_prior_gives_plain_means_and_many_items_come_close():
    rng = np.random.default_rng(0)
    vectors = {m: unit(rng.normal(size=(4000, 8)).astype(np.float32) + i) for i, m in enumerate(("image", "audio"))}
    plain = {m: v.mean(axis=0) for m, v in vectors.items()}
    for modality, mean in shrunk_means(vectors, prior_items=0).items():
        np.testing.assert_allclose(mean, plain[modality], atol=1e-6)
    for modality, mean in shrunk_means(vectors).items():
        np.testing.assert_allclose(mean, plain[modality], atol=2 * PRIOR_ITEMS / 4000)


def test_the_only_sound_of_an_index_is_found():
    """Without shrinking, its mean is itself and its score 0."""
    objects = np.random.default_rng(1).normal(size=(8, 16))
    objects[:, 0] = -1
    image, sound = stored("image", objects), objects[3].copy()
    sound[0] = 1
    index = Index({"image": image, "audio": stored("audio", [sound])}, correct_gap=True)
    hits = index.search(image.vectors[3:4], contract("image"), 9)[0]
    assert [h.id for h in hits[:2]] == ["image3", "audio0"]
    assert hits[1].score > 0.3


def test_the_only_item_of_an_index_keeps_its_score():
    vector = np.float32([[0.6, 0.8]])
    hits = Index({"image": stored("image", vector)}, correct_gap=True).search(vector, contract("text"), 1)[0]
    assert hits[0].score == pytest.approx(1)


def test_vectors_beside_the_index_correct_the_query():
    image = stored("image", [[1, 0, 4], [0, 1, 4], [-1, -1, 4]])
    texts = unit(np.float32([[1, 0, -4], [0, 1, -4], [-1, -1, -4]]))
    index = Index({"image": image}, correct_gap=True, beside={"text": texts})
    assert set(index.means) == {"image", "text"}
    assert [h.id for h in index.search(texts[1:2], contract("text"), 1)[0]] == ["image1"]


def test_gap_sizes_are_distances_between_means():
    vectors = {"a": np.float32([[0, 0], [2, 0]]), "b": np.float32([[4, 4]]), "c": np.float32([[4, -4]])}
    # the mean of b and c is [4, 0], that of a and c [2.5, -2], that of a and b [2.5, 2]
    assert gap_sizes(vectors) == pytest.approx({"a": 3, "b": (1.5**2 + 6**2) ** 0.5, "c": (1.5**2 + 6**2) ** 0.5})
    assert gap_sizes({"a": vectors["a"]}) == {}
