"""The index over stored embeddings: exact, ranked, and checked against contracts."""

import dataclasses

import numpy as np
import pytest

from unibind.backbones.contract import Contract
from unibind.centering import Mean
from unibind.data.embeddings import Embeddings
from unibind.errors import ContractError, UnibindError
from unibind.retrieval import Index


def contract(modality, space="toy@1", weights="w"):
    return Contract(space=space, backbone="toy", modality=modality, weights=weights)


def stored(modality, vectors, labels=None, **changes):
    """Stored embeddings of one modality, from vectors of any length."""
    vectors = np.asarray(vectors, np.float32)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"{modality}{i}" for i in range(len(vectors))]
    return Embeddings(
        modality=modality,
        ids=names,
        labels=list(labels or names),
        vectors=vectors,
        contract=contract(modality, **changes),
        uris=[f"{name}.file" for name in names],
        objects=names,
        descriptions=[None] * len(names),
        contents=[None] * len(names),
    )


def test_results_are_ranked_by_score_and_describe_the_item():
    index = Index({"image": stored("image", [[1, 0], [0, 1]]), "audio": stored("audio", [[1, 1]])})
    hits = index.search(np.array([[0.0, 1.0]], np.float32), contract("text"), 3)[0]
    assert [h.id for h in hits] == ["image1", "audio0", "image0"]
    assert [h.rank for h in hits] == [1, 2, 3]
    assert hits[0].score == pytest.approx(1)
    assert hits[1].score == pytest.approx(0.5**0.5)
    assert (hits[1].modality, hits[1].uri) == ("audio", "audio0.file")


@pytest.mark.parametrize("k", [1, 4, 50, 99])
def test_the_nearest_k_equal_a_full_sort(k):
    rng = np.random.default_rng(k)
    image = stored("image", rng.normal(size=(50, 6)))
    query = rng.normal(size=(1, 6)).astype(np.float32)
    order = np.argsort(-(query @ image.vectors.T)[0], kind="stable")[:k]
    assert [h.id for h in Index({"image": image}).search(query, contract("text"), k)[0]] == [
        image.ids[i] for i in order
    ]


def test_equal_scores_keep_the_order_of_the_index():
    index = Index({"image": stored("image", [[0, 1], *[[1, 0]] * 5])})
    hits = index.search(np.array([[1.0, 0.0]], np.float32), contract("text"), 3)[0]
    assert [h.id for h in hits] == ["image1", "image2", "image3"]


def test_many_queries_give_the_results_of_single_ones(monkeypatch):
    rng = np.random.default_rng(0)
    index = Index({"image": stored("image", rng.normal(size=(50, 6)))})
    queries = rng.normal(size=(9, 6)).astype(np.float32)
    single = [index.search(q[None], contract("text"), 4)[0] for q in queries]
    monkeypatch.setattr("unibind.retrieval.index.BLOCK", 100)  # two queries per block
    together = index.search(queries, contract("text"), 4)
    assert [[h.id for h in hits] for hits in together] == [[h.id for h in hits] for hits in single]


def two_cones(gap):
    """Images and audio of the same six objects, moved in opposite directions by a common offset."""
    objects = np.random.default_rng(0).normal(size=(6, 8))
    offset = np.zeros(8)
    offset[0] = gap
    image = stored("image", objects - offset, labels=list("abcdef"))
    return image, stored("audio", objects + offset, labels=list("abcdef"))


def centered(embeddings, mean):
    """Embeddings without a mean, which their contract says."""
    contract = embeddings.contract.centered_by(mean.fingerprint)
    return dataclasses.replace(embeddings, vectors=mean(embeddings.vectors), contract=contract)


def test_centering_lets_another_modality_through_the_gap():
    parts = dict(zip(("image", "audio"), two_cones(gap=4.0), strict=True))
    query = parts["image"].take([2])
    plain = Index(parts).search(query.vectors, query.contract, 2)[0]
    assert [h.modality for h in plain] == ["image", "image"]
    means = {m: Mean.of(np.tile(e.vectors, (99, 1))) for m, e in parts.items()}
    query = centered(query, means["image"])
    found = Index({m: centered(e, means[m]) for m, e in parts.items()}).search(query.vectors, query.contract, 2)[0]
    assert {(h.modality, h.label) for h in found} == {("image", "c"), ("audio", "c")}


def test_centered_and_plain_vectors_are_not_compared():
    image, audio = two_cones(gap=1.0)
    mean = Mean.of(image.vectors)
    index = Index({"image": centered(image, mean)})
    with pytest.raises(ContractError, match="a mean was removed from the index's image part only"):
        index.search(audio.vectors, audio.contract)
    with pytest.raises(ContractError, match="a mean was removed from some of the index only"):
        Index({"image": centered(image, mean), "audio": audio})
    with pytest.raises(ContractError, match="a mean was removed from the query only"):
        Index({"image": image}).search(audio.vectors, audio.contract.centered_by(mean.fingerprint))
    with pytest.raises(ContractError, match="differ in centered"):
        index.search(image.vectors, image.contract.centered_by(Mean.nothing(8).fingerprint))


def test_vectors_of_another_space_or_head_are_refused():
    index = Index({"image": stored("image", [[1, 0]])})
    with pytest.raises(ContractError, match="other@2"):
        index.search(np.ones((1, 2), np.float32), contract("text", space="other@2"))
    with pytest.raises(ContractError, match="weights"):
        index.search(np.ones((1, 2), np.float32), contract("image", weights="v"))
    with pytest.raises(ContractError):
        Index({"image": stored("image", [[1, 0]]), "audio": stored("audio", [[1, 0]], space="other@2")})


def test_empty_indexes_and_requests_are_refused():
    with pytest.raises(UnibindError, match="empty"):
        Index({})
    with pytest.raises(UnibindError, match="at least 1"):
        Index({"image": stored("image", [[1, 0]])}).search(np.ones((1, 2), np.float32), contract("text"), 0)
