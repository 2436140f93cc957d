from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from unibind.align.centered_texts import centered_texts, text_mean
from unibind.align.centers import Scoring
from unibind.align.selection import (
    CANDIDATE_KS,
    CANDIDATE_SCORINGS,
    DEFAULT_K,
    STRATEGIES,
    CenterConfig,
    Strategy,
    select_centers,
    tune_centers,
)
from unibind.backbones.contract import Contract
from unibind.centering import PRIOR_ITEMS
from unibind.data.embeddings import TextEmbeddings, row_blocks
from unibind.errors import UnibindError, UnknownNameError

CONTRACT = Contract(space="toy@1", backbone="toy", modality="text", weights="w")
CENTERED = CONTRACT.centered_by("0" * 12)  # nothing more is removed


def unit(x):
    x = np.asarray(x, np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def texts(vectors, categories, contract=CENTERED):
    return TextEmbeddings([f"d{i}" for i in range(len(categories))], list(categories), unit(vectors), contract)


# two categories along the x and y axes; d2 of "a" leans far toward "b"
PLAIN = texts([[1, 0, 0], [1, 0.1, 0], [0.5, 0.9, 0], [0, 1, 0], [0, 1, 0.1], [0, 0.2, 1]], "aaabbb")


def selected(centers, label):
    offsets, c = centers.offsets, centers.labels.index(label)
    return set(centers.description_ids[offsets[c] : offsets[c + 1]])


# --- defaults ---------------------------------------------------------------------------------------------------------


def test_without_samples_all_descriptions_count_by_their_mean():
    centers = select_centers(PLAIN)
    assert (centers.strategy, centers.scoring, centers.sizes) == ("all", Scoring("centroid"), (3, 3))


@pytest.mark.parametrize("labels", [None, ["c0", "c1"]])
def test_with_samples_the_16_most_discriminative_count_by_their_mean(labels):
    rng = np.random.default_rng(0)
    many = texts(rng.normal(size=(60, 5)), [f"c{i % 2}" for i in range(60)])
    centers = select_centers(many, samples=unit(rng.normal(size=(2, 5))), labels=labels)
    assert (centers.strategy, centers.scoring, centers.sizes) == ("discriminative", Scoring("mean"), (DEFAULT_K,) * 2)
    assert DEFAULT_K == 16


def test_a_given_number_without_samples_is_of_the_discriminative_by_their_texts():
    centers = select_centers(PLAIN, k=2)
    assert (centers.strategy, centers.sizes) == ("discriminative", (2, 2))


# --- centering --------------------------------------------------------------------------------------------------------


def test_the_mean_counts_every_category_the_same():
    mean = text_mean(texts([[1, 0], [1, 0], [1, 0], [0, 1]], "aaab", CONTRACT))
    np.testing.assert_allclose(mean.vector, np.array([0.5, 0.5]) * 4 / (4 + PRIOR_ITEMS), rtol=1e-6)


def test_of_a_single_category_nothing_is_removed():
    alone = texts([[1, 0], [0, 1]], "aa", CONTRACT)
    assert not text_mean(alone).vector.any()
    np.testing.assert_allclose(select_centers(alone).vectors[:], alone.vectors, rtol=1e-6)
    assert select_centers(alone, samples=unit([[1, 0.1]]), k=1).description_ids == ("d0",)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_centers_are_centered_once_and_say_so(strategy):
    rng = np.random.default_rng(3)
    plain = texts(rng.normal(1, 1, size=(20, 4)), [f"c{i % 2}" for i in range(20)], CONTRACT)
    samples = {"samples": unit(rng.normal(size=(6, 4)))}
    mean, centered = text_mean(plain), centered_texts(plain)
    assert centered_texts(centered) is centered
    for given in (plain, centered):
        centers = select_centers(given, strategy=strategy, **samples)
        rows = [plain.ids.index(name) for name in centers.description_ids]
        np.testing.assert_allclose(centers.vectors[:], mean(plain.vectors[rows]), atol=1e-6)
        assert centers.contract == CONTRACT.centered_by(mean.fingerprint)


# --- strategies ------------------------------------------------------------------------------------------------------


def test_all_keeps_every_description():
    centers = select_centers(PLAIN, strategy="all")
    assert centers.sizes == (3, 3)
    assert selected(centers, "a") == {"d0", "d1", "d2"}


def test_consensus_drops_the_outlier():
    centers = select_centers(PLAIN, strategy="consensus", k=2)
    assert selected(centers, "a") == {"d0", "d1"}
    assert selected(centers, "b") == {"d3", "d4"}


def test_adaptive_follows_the_samples():
    samples = unit([[0.5, 0.9, 0], [0, 0.1, 1]])
    centers = select_centers(PLAIN, strategy="adaptive", k=1, samples=samples, labels=["a", "b"])
    assert selected(centers, "a") == {"d2"}
    assert selected(centers, "b") == {"d5"}


def test_adaptive_assigns_unlabeled_samples_to_the_nearest_mean():
    samples = unit([[1, 0.1, 0], [0.1, 0.4, 1]])
    centers = select_centers(PLAIN, strategy="adaptive", k=1, samples=samples)
    assert selected(centers, "a") == {"d1"}
    assert selected(centers, "b") == {"d5"}


def test_discriminative_avoids_descriptions_that_fit_another_category():
    # d2 is nearest to the mean sample of "a", but nearer still to that of "b"
    samples = unit([[1, 0.6, 0], [0.2, 1, 0]])
    adaptive = select_centers(
        PLAIN, strategy="adaptive", k=1, samples=unit([[0.6, 0.8, 0], [0.2, 1, 0]]), labels=["a", "b"]
    )
    discriminative = select_centers(PLAIN, strategy="discriminative", k=1, samples=samples, labels=["a", "b"])
    assert selected(adaptive, "a") == {"d2"}
    assert selected(discriminative, "a") == {"d0"}


def test_a_category_without_samples_uses_its_texts():
    centers = select_centers(PLAIN, strategy="adaptive", k=2, samples=unit([[1, 0, 0]]), labels=["a"])
    assert selected(centers, "b") == {"d3", "d4"}


def test_a_category_with_few_descriptions_keeps_all_of_them():
    ragged = texts([[1, 0], [0, 1], [0.1, 1], [0.2, 1]], "abbb")
    assert select_centers(ragged, strategy="consensus", k=2).sizes == (1, 2)
    assert select_centers(ragged, strategy="consensus", k=50).sizes == (1, 3)


def test_few_samples_count_beside_half_a_mean_description():
    # of "a" the mean description is [1, 0], and the sum with one sample [0.6, 0.8] is [1.1, 0.8]: nearest to d2
    tied = texts([[0, -1], [0, 1], [1.1, 0.8], [1.1, -0.8], [-1, 0]], "aaaab")
    centers = select_centers(tied, strategy="adaptive", k=1, samples=unit([[0.6, 0.8]]), labels=["a"])
    assert selected(centers, "a") == {"d2"}
    assert selected(centers, "b") == {"d4"}


def test_samples_may_come_in_batches():
    rng = np.random.default_rng(5)
    many = texts(rng.normal(size=(40, 6)), [f"c{i % 4}" for i in range(40)])
    samples = unit(rng.normal(size=(50, 6)))
    whole = select_centers(many, samples=samples)
    batched = select_centers(many, samples=(samples[i : i + 7] for i in range(0, 50, 7)))
    assert batched.description_ids == whole.description_ids


def plain_ratings(strategy, vectors, categories, samples):
    """Ratings one text at a time, with an unlabeled sample in the category of the nearest mean text."""
    names = list(dict.fromkeys(categories))
    means = {c: unit(sum(v for v, own in zip(vectors, categories, strict=True) if own == c)) for c in names}
    nearest = [max(names, key=lambda c, x=x: float(x @ means[c])) for x in samples]
    of_samples = {
        c: unit(0.5 * means[c] + sum(x for x, own in zip(samples, nearest, strict=True) if own == c)) for c in names
    }
    ratings = []
    for v, own in zip(vectors, categories, strict=True):
        to = {c: float(v @ of_samples[c]) for c in names}
        rating = {
            "consensus": float(v @ means[own]),
            "adaptive": to[own],
            "discriminative": to[own] - max([t for c, t in to.items() if c != own], default=0),
        }
        ratings.append(rating[strategy])
    return ratings


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if STRATEGIES[name].limited])
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("precision", [np.float32, np.float16])
def test_selection_by_blocks_equals_the_plain_one(strategy, classes, precision, monkeypatch):
    monkeypatch.setattr("unibind.align.selection.MULTIPLIED", 40)  # a few texts per block
    monkeypatch.setattr("unibind.data.embeddings.row_blocks", partial(row_blocks, numbers=24))
    monkeypatch.setattr("unibind.align.centered_texts.row_blocks", partial(row_blocks, numbers=24))
    rng = np.random.default_rng(7)
    vectors, categories = unit(rng.normal(size=(45, 8))), [f"c{i % classes}" for i in rng.integers(0, 9, 45)]
    samples = unit(rng.normal(size=(12, 8)))
    stored = TextEmbeddings([f"d{i}" for i in range(45)], categories, vectors.astype(precision), CENTERED)
    ratings = plain_ratings(strategy, vectors, categories, samples)
    centers = select_centers(stored, strategy=strategy, k=4, samples=samples)
    names = list(dict.fromkeys(categories))
    best = [sorted((i for i in range(45) if categories[i] == c), key=lambda i: -ratings[i])[:4] for c in names]
    assert centers.labels == tuple(names)
    assert centers.description_ids == tuple(f"d{i}" for rows in best for i in rows)
    np.testing.assert_allclose(
        centers.vectors, vectors[[i for rows in best for i in rows]], atol=2e-3 if precision == np.float16 else 1e-6
    )
    assert centers.vectors.dtype == np.float32


def test_all_of_many_texts_are_not_copied_before_they_are_used():
    stored = TextEmbeddings(["x", "y", "z"], list("aab"), unit([[3, 4], [1, 0], [0, 1]]).astype(np.float16), CONTRACT)
    centers = select_centers(stored)
    assert centers.vectors.stored is stored.vectors
    mixed = select_centers(TextEmbeddings(["x", "z", "y"], list("aba"), stored.vectors[[0, 2, 1]], CONTRACT))
    assert mixed.description_ids == centers.description_ids == ("x", "y", "z")
    np.testing.assert_array_equal(mixed.vectors, centers.vectors)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_texts_may_be_mapped_from_a_file(strategy, tmp_path):
    rng = np.random.default_rng(9)
    vectors, categories = unit(rng.normal(size=(40, 6))).astype(np.float16), [f"c{i % 2}" for i in range(40)]
    np.save(tmp_path / "texts.npy", vectors)
    ids, samples = [f"d{i}" for i in range(40)], unit(rng.normal(size=(9, 6)))
    mapped = TextEmbeddings(ids, categories, np.load(tmp_path / "texts.npy", mmap_mode="r"), CONTRACT)
    found = select_centers(mapped, strategy=strategy, samples=samples)
    expected = select_centers(replace(mapped, vectors=vectors), strategy=strategy, samples=samples)
    assert found.description_ids == expected.description_ids
    np.testing.assert_array_equal(found.scores(samples), expected.scores(samples))


def test_every_strategy_gives_every_category_its_centers():
    rng = np.random.default_rng(1)
    many = texts(rng.normal(size=(30, 5)), [f"c{i % 3}" for i in range(30)])
    for strategy in STRATEGIES:
        centers = select_centers(many, strategy=strategy, samples=unit(rng.normal(size=(9, 5))))
        assert len(centers.labels) == 3
        assert min(centers.sizes) == 10  # fewer than K
        assert len(set(centers.description_ids)) == sum(centers.sizes)


def test_a_new_strategy_is_one_function_and_one_row(monkeypatch):
    monkeypatch.setitem(STRATEGIES, "last", Strategy(lambda evidence: np.arange(len(evidence.texts))))
    assert selected(select_centers(PLAIN, strategy="last", k=1), "a") == {"d2"}
    centers, _ = tune_centers(PLAIN, VALIDATION, config=CenterConfig(strategy="last"))
    assert centers.strategy == "last"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"strategy": "magic"}, "consensus"),
        ({"k": 0}, "at least 1"),
        ({"strategy": "adaptive"}, "'adaptive' needs encoded samples"),
        ({"strategy": "all", "k": 3}, "keeps every description"),
        ({"samples": unit([[1, 0, 0]]), "labels": ["z"]}, "no descriptions for the labels z"),
    ],
)
def test_invalid_arguments_are_refused(arguments, words):
    with pytest.raises(UnibindError, match=words):
        select_centers(PLAIN, **arguments)


# --- tuning ----------------------------------------------------------------------------------------------------------

VALIDATION = unit([[1, 0, 0], [0, 1, 0]]), ["a", "b"]


def test_of_equally_accurate_choices_the_simplest_wins():
    centers, accuracy = tune_centers(PLAIN, VALIDATION)
    assert accuracy == 1
    assert (centers.strategy, centers.scoring) == ("all", CANDIDATE_SCORINGS[0])


def test_the_choice_is_made_on_the_validation_samples():
    misleading = texts([[1, 0], [0.9, 0.1], [0, 1], [1, -0.01]], "aabb")  # d3 of "b" lies among the samples of "a"
    validation = unit([[1, -0.02], [0, 1]]), ["a", "b"]
    samples = {"samples": unit([[1, 0], [0, 1]]), "labels": ["a", "b"]}
    accuracies = {}
    for strategy, k in (("all", None), ("adaptive", 1)):
        config = CenterConfig(strategy=strategy, k=k, scoring="max")
        centers, accuracies[strategy] = tune_centers(misleading, validation, **samples, config=config)
    assert accuracies == {"all": 0.5, "adaptive": 1.0}
    assert selected(centers, "b") == {"d2"}
    chosen, accuracy = tune_centers(misleading, validation, **samples, config=CenterConfig(k=1, scoring="max"))
    assert (chosen.strategy, accuracy) == ("adaptive", 1.0)


def test_given_values_are_fixed_and_the_rest_is_tuned():
    samples = unit([[1, 0.1, 0], [0, 1, 0.1]])

    def choice(**fixed):
        centers, _ = tune_centers(PLAIN, VALIDATION, samples=samples, config=CenterConfig(**fixed))
        return centers

    assert choice(strategy="adaptive", k=2).sizes == (2, 2)
    assert choice(strategy="adaptive", k=2).strategy == "adaptive"
    assert choice(k=1).sizes == (1, 1)
    assert choice(scoring="top_mean").scoring == Scoring("top_mean", 5)
    assert choice(scoring="log_mean_exp", scoring_parameter=7.0).scoring == Scoring("log_mean_exp", 7.0)


def test_what_is_tried():
    def tried(config, has_samples):
        return list(config.selections(has_samples=has_samples))

    assert tried(CenterConfig(), True)[:2] == [("all", None), ("consensus", CANDIDATE_KS[0])]
    assert {strategy for strategy, _ in tried(CenterConfig(), True)} == set(STRATEGIES)
    assert {strategy for strategy, _ in tried(CenterConfig(), False)} == set(STRATEGIES) - {"adaptive"}
    assert tried(CenterConfig(k=3), False) == [("consensus", 3), ("discriminative", 3)]
    assert tried(CenterConfig(strategy="adaptive", k=3), False) == [("adaptive", 3)]
    assert CenterConfig(scoring="log_mean_exp").scorings() == [Scoring("log_mean_exp", 20.0)]


def test_a_given_strategy_that_needs_samples_is_refused_without_them():
    with pytest.raises(UnibindError, match="needs encoded samples"):
        tune_centers(PLAIN, VALIDATION, config=CenterConfig(strategy="adaptive"))


def test_without_tune_nothing_is_tuned():
    samples = unit([[1, 0.1, 0], [0, 1, 0.1]])
    assert CenterConfig().select(PLAIN, samples=samples).strategy == "discriminative"
    assert CenterConfig().select(PLAIN).scoring == Scoring("centroid")
    chosen = CenterConfig(strategy="consensus", k=1, scoring="top_mean").select(PLAIN)
    assert (chosen.strategy, chosen.sizes, chosen.scoring) == ("consensus", (1, 1), Scoring("top_mean", 5))


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"strategy": "magic"}, UnknownNameError, "consensus"),
        ({"scoring": "magic"}, UnknownNameError, "top_mean"),
        ({"k": 0}, UnibindError, "at least 1"),
        ({"strategy": "all", "k": 5}, UnibindError, "keeps every description"),
        ({"scoring_parameter": 5.0}, UnibindError, "needs the scoring"),
        ({"scoring": "top_mean", "scoring_parameter": 0.0}, UnibindError, "positive"),
    ],
)
def test_invalid_configurations_are_refused(values, error, words):
    with pytest.raises(error, match=words):
        CenterConfig(**values)
