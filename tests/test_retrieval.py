import numpy as np
import pytest

from unibind.backbones.contract import Contract
from unibind.data.embeddings import Embeddings
from unibind.errors import ContractError, UnibindError
from unibind.retrieval import Index


def contract(modality, space="toy@1", weights="w"):
    return Contract(space=space, backbone="toy", modality=modality, weights=weights)


def stored(modality, vectors, labels=None, **changes):
    vectors = np.asarray(vectors, np.float32)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    n = len(vectors)
    names = [f"{modality}{i}" for i in range(n)]
    return Embeddings(
        modality=modality,
        ids=names,
        labels=list(labels or names),
        vectors=vectors,
        contract=contract(modality, **changes),
        uris=[f"{name}.file" for name in names],
        objects=names,
        descriptions=[None] * n,
    )


def test_results_come_best_first_and_say_what_they_are():
    index = Index({"image": stored("image", [[1, 0], [0, 1]]), "audio": stored("audio", [[1, 1]])})
    hits = index.search(np.array([[0.0, 1.0]], np.float32), contract("text"), 3)[0]
    assert [h.id for h in hits] == ["image1", "audio0", "image0"]
    assert [h.rank for h in hits] == [1, 2, 3]
    assert hits[0].score == pytest.approx(1)
    assert hits[1].score == pytest.approx(0.5**0.5)
    assert hits[1].uri == "audio0.file"


def test_many_queries_equal_one_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    index = Index({"image": stored("image", rng.normal(size=(50, 6)))})
    queries = rng.normal(size=(9, 6)).astype(np.float32)
    alone = [index.search(q[None], contract("text"), 4)[0] for q in queries]
    monkeypatch.setattr("unibind.retrieval.BLOCK", 100)  # two queries a block
    together = index.search(queries, contract("text"), 4)
    assert [[h.id for h in hits] for hits in together] == [[h.id for h in hits] for hits in alone]


def two_cones(gap):
    """Images and sounds of the same six things, the sounds pushed away by a common offset."""
    rng = np.random.default_rng(0)
    things = rng.normal(size=(6, 8))
    offset = np.zeros(8)
    offset[0] = gap
    return (
        things,
        stored("image", things - offset, labels=list("abcdef")),
        stored("audio", things + offset, list("abcdef")),
    )


def test_the_gap_crowds_a_modality_out_and_the_correction_brings_it_back():
    _things, image, audio = two_cones(gap=4.0)
    query = image.vectors[2:3]
    plain = Index({"image": image, "audio": audio}).search(query, contract("image"), 2)[0]
    assert [h.modality for h in plain] == ["image", "image"]
    corrected = Index({"image": image, "audio": audio}, correct_gap=True).search(query, contract("image"), 2)[0]
    assert {(h.modality, h.label) for h in corrected} == {("image", "c"), ("audio", "c")}


def test_gaps_are_reported():
    _, image, audio = two_cones(gap=4.0)
    gaps = Index({"image": image, "audio": audio}).gaps()
    assert gaps["image"] == pytest.approx(gaps["audio"])
    assert gaps["image"] > 1
    assert Index({"image": image}).gaps() == {}


def test_vectors_of_another_space_or_head_are_refused():
    index = Index({"image": stored("image", [[1, 0]])})
    with pytest.raises(ContractError, match="other@2"):
        index.search(np.ones((1, 2), np.float32), contract("text", space="other@2"))
    with pytest.raises(ContractError, match="weights"):
        index.search(np.ones((1, 2), np.float32), contract("image", weights="v"))
    with pytest.raises(ContractError):
        Index({"image": stored("image", [[1, 0]]), "audio": stored("audio", [[1, 0]], space="other@2")})


def test_empty_and_absurd_requests_are_refused():
    with pytest.raises(UnibindError, match="empty"):
        Index({})
    with pytest.raises(UnibindError, match="at least 1"):
        Index({"image": stored("image", [[1, 0]])}).search(np.ones((1, 2), np.float32), contract("text"), 0)
