"""The gap between modalities, and what removing their means does to an index."""

import numpy as np
import pytest

from tests.retrieval.test_index import contract, stored
from unibind.centering import Mean
from unibind.data.embeddings import unit
from unibind.retrieval import Index
from unibind.retrieval.gap import gap_sizes


def means_of(**vectors):
    return {m: Mean.of(np.asarray(v, np.float32)) for m, v in vectors.items()}


def test_the_only_sound_of_an_index_is_found():
    """Its mean is itself, and would leave nothing of it if it were not shrunk."""
    objects = np.random.default_rng(1).normal(size=(8, 16))
    objects[:, 0] = -1
    image, sound = stored("image", objects), objects[3].copy()
    sound[0] = 1
    audio = stored("audio", [sound])
    index = Index({"image": image, "audio": audio}, means=means_of(image=image.vectors, audio=audio.vectors))
    hits = index.search(image.vectors[3:4], contract("image"), 9)[0]
    assert [h.id for h in hits[:2]] == ["image3", "audio0"]
    assert hits[1].score > 0.3


def test_the_only_item_of_an_index_keeps_its_score():
    vector = np.float32([[0.6, 0.8]])
    index = Index({"image": stored("image", vector)}, means=means_of(image=vector))
    assert index.search(vector, contract("text"), 1)[0][0].score == pytest.approx(1)


def test_the_mean_of_queries_that_are_not_searched_is_removed_from_them():
    image = stored("image", [[1, 0, 4], [0, 1, 4], [-1, -1, 4]])
    texts = unit(np.float32([[1, 0, -4], [0, 1, -4], [-1, -1, -4]]))
    index = Index({"image": image}, means=means_of(image=np.tile(image.vectors, (99, 1)), text=np.tile(texts, (99, 1))))
    assert [h.id for h in index.search(texts[1:2], contract("text"), 1)[0]] == ["image1"]


def test_gap_sizes_are_distances_between_means():
    vectors = {"a": np.float32([[0, 0], [2, 0]]), "b": np.float32([[4, 4]]), "c": np.float32([[4, -4]])}
    # the mean of b and c is [4, 0], that of a and c [2.5, -2], that of a and b [2.5, 2]
    assert gap_sizes(vectors) == pytest.approx({"a": 3, "b": (1.5**2 + 6**2) ** 0.5, "c": (1.5**2 + 6**2) ** 0.5})
    assert gap_sizes({"a": vectors["a"]}) == {}
