import numpy as np
import pytest

from unibind.align.centers import Scoring
from unibind.align.selection import (
    CANDIDATE_KS,
    CANDIDATE_SCORINGS,
    STRATEGIES,
    CenterConfig,
    Strategy,
    select_centers,
    tune_centers,
)
from unibind.backbones.contract import Contract
from unibind.data.embeddings import TextEmbeddings
from unibind.errors import UnibindError, UnknownNameError

CONTRACT = Contract(space="toy@1", backbone="toy", modality="text", weights="w")


def unit(x):
    x = np.asarray(x, np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def texts(vectors, categories):
    return TextEmbeddings([f"d{i}" for i in range(len(categories))], list(categories), unit(vectors), CONTRACT)


# two categories along the x and y axes; d2 of "a" leans far toward "b"
PLAIN = texts([[1, 0, 0], [1, 0.1, 0], [0.5, 0.9, 0], [0, 1, 0], [0, 1, 0.1], [0, 0.2, 1]], "aaabbb")


def selected(centers, label):
    offsets, c = centers.offsets, centers.labels.index(label)
    return set(centers.description_ids[offsets[c] : offsets[c + 1]])


# --- strategies ------------------------------------------------------------------------------------------------------


def test_all_keeps_every_description():
    centers = select_centers(PLAIN, strategy="all", k=1)
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
    assert select_centers(ragged, strategy="consensus", k=None).sizes == (1, 3)


def test_every_strategy_gives_every_category_its_centers():
    rng = np.random.default_rng(1)
    many = texts(rng.normal(size=(30, 5)), [f"c{i % 3}" for i in range(30)])
    for strategy in STRATEGIES:
        centers = select_centers(many, strategy=strategy, k=4, samples=unit(rng.normal(size=(9, 5))))
        assert len(centers.labels) == 3
        assert min(centers.sizes) >= 4
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
        ({"strategy": "adaptive"}, "needs encoded samples"),
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
    assert [s.parameter for s in CenterConfig(scoring="log_mean_exp").scorings()] == [1.0, 20.0]


def test_a_given_strategy_that_needs_samples_is_refused_without_them():
    with pytest.raises(UnibindError, match="needs encoded samples"):
        tune_centers(PLAIN, VALIDATION, config=CenterConfig(strategy="adaptive"))


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
