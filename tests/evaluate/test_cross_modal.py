"""Retrieval between modalities, by hand and against slow plain versions."""

import math

import numpy as np
import pytest

from tests.helpers.toys import DIM
from unibind.backbones import Contract
from unibind.data.embeddings import Embeddings, TextEmbeddings
from unibind.errors import ContractError
from unibind.evaluate.cross_modal import BY_CLASS, BY_OBJECT, between_moments, cross_modal, directions
from unibind.evaluate.intervals import Group


def contract(modality, space="toy@1"):
    return Contract(space=space, backbone="toy", modality=modality, weights="1")


def stored(modality, axes, labels, objects=None, space="toy@1"):
    n = len(axes)
    return Embeddings(
        modality,
        [f"{modality}{i}" for i in range(n)],
        list(labels),
        np.eye(DIM, dtype=np.float32)[list(axes)] if np.ndim(axes) == 1 else axes,
        contract(modality, space),
        [None] * n,
        list(objects or [None] * n),
        [None] * n,
        [None] * n,
    )


def test_retrieval_by_hand():
    images = stored("image", (0, 1, 2), "abc", ("x", "y", "z"))
    tones = stored("audio", (0, 2, 1), "abc", ("x", "z", "y"))  # the same objects with other labels
    found = cross_modal({"image": images, "audio": tones})
    assert found.modalities == ("image", "audio")
    for pair in (("image", "audio"), ("audio", "image")):
        assert found.pair(*pair, "hit@1") == found.pair(*pair, "R-precision") == pytest.approx(1 / 3)
        assert found.pair(*pair, "hit@5") == found.pair(*pair) == 1
    assert found.by_object["recall@1"][0, 1] == found.by_object["recall@1"][1, 0] == 1
    assert np.isnan(np.diag(found.by_class["hit@1"])).all()  # nothing else of the category
    assert np.isnan(np.diag(found.by_object["recall@1"])).all()
    assert found.gap == pytest.approx(np.zeros((2, 2)), abs=1e-7)
    assert found.spread("hit@1") == pytest.approx({"mean": 1 / 3, "std": 0, "min": 1 / 3, "max": 1 / 3, "range": 0})
    assert found.queries["class"]["image to audio"].objects == ["object x", "object y", "object z"]


def slow(similarity, relevant, measure):
    """One measure of one query, from the definition."""
    kind, _, k = measure.partition("@")
    if not any(relevant):
        return math.nan
    best_first = sorted(range(len(similarity)), key=lambda j: (-similarity[j], j))
    among = [bool(relevant[j]) for j in best_first]
    if kind == "hit":
        return float(any(among[: int(k)]))
    wanted = sum(relevant) if kind == "R-precision" else min(int(k), sum(relevant))
    return sum(among[: sum(relevant) if kind == "R-precision" else int(k)]) / wanted


def test_every_measure_equals_its_definition():
    rng = np.random.default_rng(0)

    def random_items(modality, n):
        vectors = rng.normal(size=(n, DIM)).astype(np.float32)
        labels = [None if i % 7 == 3 else "abcd"[rng.integers(4)] for i in range(n)]
        return stored(modality, vectors, labels, [f"o{i}" for i in rng.permutation(n)])

    parts = {"image": random_items("image", 40), "audio": random_items("audio", 30)}
    found = cross_modal(parts)
    for i, query in enumerate(parts.values()):
        for j, gallery in enumerate(parts.values()):
            similarity = query.vectors @ gallery.vectors.T
            rows, columns = ([n for n, label in enumerate(e.labels) if label] for e in (query, gallery))
            for measure in BY_CLASS:
                scores = [
                    slow(
                        [similarity[q, g] for g in columns if i != j or q != g],
                        [query.labels[q] == gallery.labels[g] for g in columns if i != j or q != g],
                        measure,
                    )
                    for q in rows
                ]
                assert found.by_class[measure][i, j] == pytest.approx(np.nanmean(scores)), measure
            if i != j:
                for measure in BY_OBJECT:
                    same = [[o == p for p in gallery.objects] for o in query.objects]
                    scores = [slow(s, r, measure) for s, r in zip(similarity, same, strict=True)]
                    assert found.by_object[measure][i, j] == pytest.approx(np.nanmean(scores)), measure


def test_a_query_does_not_retrieve_itself():
    found = cross_modal({"image": stored("image", (0, 0, 1, 2), "abba")})
    # 0 and 1 retrieve each other, with other labels; 2 and 3 retrieve 0, the first of equals: correct for a only
    assert found.by_class["hit@1"][0, 0] == pytest.approx(1 / 4)
    assert found.queries == {"class": {}, "object": {}}  # which are of pairs


def test_class_names_are_queries_of_their_own():
    images, texts = stored("image", (0, 1, 1), "aab"), stored("text", (0, 1), "ab")
    unlabeled = stored("audio", (0, 1), (None, None))
    names = TextEmbeddings(["a", "b"], ["a", "b"], np.eye(DIM, dtype=np.float32)[[0, 1]], contract("text"))
    found = cross_modal({"image": images, "text": texts, "audio": unlabeled}, names)
    assert found.by_name["hit@1"] == {"image": 0.5}  # b finds the second picture of a first, and texts are no gallery
    assert found.by_name["R-precision"] == {"image": 0.5}
    assert found.by_name["recall@20"] == {"image": 1}
    assert found.from_text("hit@1") == {"image": 0.5}
    assert cross_modal({"image": images}).by_name == {}
    assert cross_modal({"image": images}).from_text() == {}


def test_the_gap_is_the_distance_of_the_means():
    a, b = stored("image", (0, 0), "ab"), stored("audio", (1, 1), "ab")
    assert cross_modal({"image": a, "audio": b}).gap == pytest.approx(np.array([[0, 2**0.5], [2**0.5, 0]]))


@pytest.mark.parametrize("objects", [(None, None), ("x", None)])
def test_unknown_objects_are_not_scored(objects):
    a = stored("image", (0, 1), "ab", ("x", "y"))
    b = stored("audio", (0, 1), "ab", objects)
    found = cross_modal({"image": a, "audio": b})
    assert np.isnan(found.by_object["recall@1"]).all()
    assert not found.knows_objects
    assert found.pair("image", "audio", "hit@1") == 1


def test_different_spaces_are_not_compared():
    a, b = stored("image", (0, 1), "ab"), stored("audio", (0, 1), "ab", space="toy@2")
    with pytest.raises(ContractError, match="image live in the space toy@1 and audio in toy@2"):
        cross_modal({"image": a, "audio": b})


def test_figures_are_plain_and_missing_ones_null():
    a, b = stored("image", (0, 1), "ab"), stored("audio", (0, 1), "xy")
    facts = cross_modal({"image": a, "audio": b}).to_json()
    assert facts["by_class"]["hit@1"] == [[None, None], [None, None]]
    assert "spread" not in facts
    assert "by_name" not in facts


def test_moments_are_paired_where_they_have_the_same_queries():
    def group(objects, scores):
        return Group(objects, {"recall@20": np.array(scores)})

    before = {"a to b": group("xy", [0, 1]), "b to a": group("xy", [0, 0]), "a to c": group("x", [1])}
    after = {"a to b": group("xy", [1, 1]), "b to a": group("x", [1])}
    found = between_moments({"before": before, "after": after})
    assert list(found) == ["a to b"]
    assert {moment: scores.tolist() for moment, scores in found["a to b"].correct.items()} == {
        "before": [0, 1],
        "after": [1, 1],
    }
    assert between_moments({}) == {}
    assert directions(["text", "a", "b"], queries="text") == ["text to a", "text to b"]
