import itertools

import numpy as np
import pytest

from unibind.align.centers import (
    DEFAULT_SCORINGS,
    STRATEGIES,
    Centers,
    Scoring,
    load_centers,
    save_centers,
    select_centers,
    tune_centers,
)
from unibind.backbones.contract import Contract
from unibind.data.embeddings import TextEmbeddings
from unibind.errors import UnibindError

CONTRACT = Contract(space="toy@1", backbone="toy", modality="text", weights="w")


def unit(x):
    x = np.asarray(x, np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def texts(vectors, categories):
    return TextEmbeddings(
        ids=[f"d{i}" for i in range(len(categories))],
        categories=list(categories),
        vectors=unit(vectors),
        contract=CONTRACT,
    )


# two categories on the x and y axes; d2 of "a" leans far towards "b"
PLAIN = texts([[1, 0, 0], [1, 0.1, 0], [0.5, 0.9, 0], [0, 1, 0], [0, 1, 0.1], [0, 0.2, 1]], "aaabbb")


def chosen(centers, label):
    edges, c = centers.edges, centers.labels.index(label)
    return set(centers.description_ids[edges[c] : edges[c + 1]])


def test_all_keeps_everything():
    centers = select_centers(PLAIN, strategy="all", k=1)
    assert centers.sizes == (3, 3)
    assert chosen(centers, "a") == {"d0", "d1", "d2"}


def test_consensus_drops_the_outlier():
    centers = select_centers(PLAIN, strategy="consensus", k=2)
    assert chosen(centers, "a") == {"d0", "d1"}
    assert chosen(centers, "b") == {"d3", "d4"}


def test_adaptive_follows_the_samples():
    samples = unit([[0.5, 0.9, 0], [0, 0.1, 1]])
    centers = select_centers(PLAIN, strategy="adaptive", k=1, samples=samples, labels=["a", "b"])
    assert chosen(centers, "a") == {"d2"}
    assert chosen(centers, "b") == {"d5"}


def test_adaptive_without_labels_sorts_samples_by_the_nearest_mean():
    samples = unit([[1, 0.1, 0], [0.1, 0.4, 1]])
    centers = select_centers(PLAIN, strategy="adaptive", k=1, samples=samples)
    assert chosen(centers, "a") == {"d1"}
    assert chosen(centers, "b") == {"d5"}


def test_discriminative_avoids_what_fits_another_category():
    # d2 is nearest to the mean sample of "a", but nearer still to that of "b"
    samples = unit([[1, 0.6, 0], [0.2, 1, 0]])
    adaptive = select_centers(
        PLAIN, strategy="adaptive", k=1, samples=unit([[0.6, 0.8, 0], [0.2, 1, 0]]), labels=["a", "b"]
    )
    discriminative = select_centers(PLAIN, strategy="discriminative", k=1, samples=samples, labels=["a", "b"])
    assert chosen(adaptive, "a") == {"d2"}
    assert chosen(discriminative, "a") == {"d0"}


def test_a_category_without_samples_falls_back_to_its_texts():
    centers = select_centers(PLAIN, strategy="adaptive", k=2, samples=unit([[1, 0, 0]]), labels=["a"])
    assert chosen(centers, "b") == {"d3", "d4"}


def test_ragged_sets_keep_what_they_have():
    ragged = texts([[1, 0], [0, 1], [0.1, 1], [0.2, 1]], "abbb")
    assert select_centers(ragged, strategy="consensus", k=2).sizes == (1, 2)
    assert select_centers(ragged, strategy="consensus", k=None).sizes == (1, 3)


def test_scorings_by_hand():
    similarity = np.array([[0.1, 0.5, 0.3]], np.float32)
    assert Scoring("max")(similarity)[0] == pytest.approx(0.5)
    assert Scoring("top_mean", 2)(similarity)[0] == pytest.approx(0.4)
    assert Scoring("top_mean", 9)(similarity)[0] == pytest.approx(0.3)
    expected = np.log(np.mean(np.exp(2 * similarity))) / 2
    assert Scoring("log_mean_exp", 2.0)(similarity)[0] == pytest.approx(expected)
    assert Scoring("log_mean_exp", 1e-4)(similarity)[0] == pytest.approx(0.3, abs=1e-3)
    assert Scoring("log_mean_exp", 5000.0)(similarity)[0] == pytest.approx(0.5, abs=1e-3)


def slow_scores(centers, samples):
    edges = centers.edges
    rows = []
    for x in samples:
        rows.append([max(float(z @ x) for z in centers.vectors[a:b]) for a, b in itertools.pairwise(edges)])
    return np.array(rows)


def test_blocked_scores_equal_the_slow_version(monkeypatch):
    rng = np.random.default_rng(0)
    many = texts(rng.normal(size=(40, 6)), [f"c{i % 7}" for i in range(40)])
    samples = unit(rng.normal(size=(11, 6)))
    centers = select_centers(many, strategy="all")
    monkeypatch.setattr("unibind.centers.BLOCK", 80)  # two samples a block
    assert np.allclose(centers.scores(samples), slow_scores(centers, samples), atol=1e-6)


def test_winners_name_the_nearest_description_of_the_category():
    centers = select_centers(PLAIN, strategy="all")
    assert centers.winners(unit([[0.5, 0.9, 0], [0, 0, 1]]), np.array([0, 1])) == ["d2", "d5"]


def test_choice_is_made_on_validation_and_prefers_the_simpler_of_equals():
    validation = unit([[1, 0, 0], [0, 1, 0]]), ["a", "b"]
    centers, accuracy = tune_centers(PLAIN, validation)
    assert accuracy == 1
    assert (centers.strategy, centers.scoring) == ("all", DEFAULT_SCORINGS[0])  # the first of equals
    misleading = texts([[1, 0], [0.9, 0.1], [0, 1], [1, -0.01]], "aabb")  # d3 claims a's samples for b
    found = {}
    for strategy in ("all", "adaptive"):
        centers, found[strategy] = tune_centers(
            misleading,
            (unit([[1, -0.02], [0, 1]]), ["a", "b"]),
            samples=unit([[1, 0], [0, 1]]),
            labels=["a", "b"],
            strategies=(strategy,),
            ks=(1,),
            scorings=(Scoring("max"),),
        )
    assert found == {"all": 0.5, "adaptive": 1.0}
    assert chosen(centers, "b") == {"d2"}


def test_round_trip(tmp_path):
    centers = {
        "image": select_centers(PLAIN, k=2),
        "event": select_centers(PLAIN, strategy="all", scoring=Scoring("top_mean", 3)),
    }
    save_centers(centers, tmp_path / "centers.safetensors")
    for modality, loaded in load_centers(tmp_path / "centers.safetensors").items():
        saved = centers[modality]
        assert isinstance(loaded, Centers)
        assert np.array_equal(loaded.vectors, saved.vectors)
        facts = ("sizes", "labels", "description_ids", "strategy", "scoring", "contract")
        assert {f: getattr(loaded, f) for f in facts} == {f: getattr(saved, f) for f in facts}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strategy": "magic"}, "consensus"),
        ({"k": 0}, "at least 1"),
        ({"strategy": "adaptive"}, "needs encoded samples"),
        ({"samples": unit([[1, 0, 0]]), "labels": ["z"]}, "labels z"),
        ({"scoring": ("min", 1.0)}, "log_mean_exp"),
    ],
)
def test_wrong_requests_are_refused(changes, words):
    with pytest.raises(UnibindError, match=words):
        if "scoring" in changes:
            changes = {"scoring": Scoring(*changes["scoring"])}
        select_centers(PLAIN, **changes)


def test_every_strategy_gives_every_category_its_centers():
    rng = np.random.default_rng(1)
    many = texts(rng.normal(size=(30, 5)), [f"c{i % 3}" for i in range(30)])
    for strategy in STRATEGIES:
        centers = select_centers(many, strategy=strategy, k=4, samples=unit(rng.normal(size=(9, 5))))
        assert len(centers.labels) == 3
        assert min(centers.sizes) >= 4
        assert len(set(centers.description_ids)) == sum(centers.sizes)
