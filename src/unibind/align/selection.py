"""Selecting centers: which descriptions of a category stand for it (paper, section 3.3).

A strategy rates every description, and the K best of each category become its centers. A strategy sees the texts and,
if available, encoded samples of the modality, labeled or not (an unlabeled sample is assigned to the nearest mean
description). `tune_centers` chooses strategy, K and scoring on validation samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32

from ..centering import Mean
from ..data.embeddings import CategoryIndex, TextEmbeddings, Vectors, class_means
from ..errors import UnibindError, UnknownNameError
from .centers import SCORINGS, Centers, Scoring

Ratings = Float[np.ndarray, " m"]

DEFAULT_K = 50  # as in the paper


# --- strategies: evidence -> a rating per description ----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a strategy sees: M texts and their categories, the unit-length mean text of each of C categories, and, if
    available, N samples and their categories. All vectors have unit length.
    """

    texts: Float32[np.ndarray, "m d"]
    text_category_index: CategoryIndex
    text_means: Float32[np.ndarray, "c d"]
    samples: Float32[np.ndarray, "n d"] | None
    sample_category_index: CategoryIndex | None

    def sample_means(self) -> Float32[np.ndarray, "c d"]:
        """Unit-length mean sample of every category; the mean text for categories without samples.

        Raises UnibindError if there are no samples.
        """
        if self.samples is None or self.sample_category_index is None:
            raise UnibindError(
                "this strategy needs encoded samples of the modality; pass `samples`, or use 'consensus'"
            )
        means = class_means(self.samples, self.sample_category_index, len(self.text_means))
        without_samples = ~np.isin(np.arange(len(means)), self.sample_category_index)
        means[without_samples] = self.text_means[without_samples]
        return means


def _all(evidence: Evidence) -> Ratings:
    """All descriptions are rated equally."""
    return np.zeros(len(evidence.texts), np.float32)


def _consensus(evidence: Evidence) -> Ratings:
    """Similarity to the category's mean description: drops outliers, needs texts only."""
    return np.einsum("md,md->m", evidence.texts, evidence.text_means[evidence.text_category_index])


def _adaptive(evidence: Evidence) -> Ratings:
    """Similarity to the mean of the category's encoded samples (the localization of the paper)."""
    return np.einsum("md,md->m", evidence.texts, evidence.sample_means()[evidence.text_category_index])


def _discriminative(evidence: Evidence) -> Ratings:
    """Similarity to the mean of the own category minus that to the nearest other mean.

    The means are those of samples or, without samples, those of texts.
    """
    means = evidence.text_means if evidence.samples is None else evidence.sample_means()
    similarity = evidence.texts @ means.T  # [M, C]
    rows = np.arange(len(evidence.texts))
    own = similarity[rows, evidence.text_category_index]
    if similarity.shape[1] == 1:
        return own
    similarity[rows, evidence.text_category_index] = -np.inf
    return own - similarity.max(axis=1)


@dataclass(frozen=True)
class Strategy:
    """A way to rate descriptions. `needs_samples`: fails without samples; `limited`: keeps only the K best."""

    rate: Callable[[Evidence], Ratings]
    needs_samples: bool = False
    limited: bool = True


STRATEGIES: dict[str, Strategy] = {
    "all": Strategy(_all, limited=False),
    "consensus": Strategy(_consensus),
    "adaptive": Strategy(_adaptive, needs_samples=True),
    "discriminative": Strategy(_discriminative),
}


# --- centered texts --------------------------------------------------------------------------------------------------


def text_mean(texts: TextEmbeddings) -> Mean:
    """The mean of descriptions, in which every category counts the same; nothing for a single category."""
    names, vectors = texts.category_names(), texts.vectors
    if len(names) < 2:
        return Mean.nothing(vectors.shape[1])
    sums = np.zeros((len(names), vectors.shape[1]))
    np.add.at(sums, texts.category_index(), vectors)
    counts = np.bincount(texts.category_index())[:, None]
    return Mean.of_sum((sums / counts).mean(axis=0) * len(texts), len(texts))


def centered_texts(texts: TextEmbeddings) -> TextEmbeddings:
    """Descriptions without their mean, and a contract that says so; those that are centered stay as they are."""
    if texts.contract.centered is not None:
        return texts
    mean = text_mean(texts)
    return replace(texts, vectors=mean(texts.vectors), contract=texts.contract.centered_by(mean.fingerprint))


# --- selection with a given strategy ---------------------------------------------------------------------------------


def select_centers(
    texts: TextEmbeddings,
    *,
    strategy: str = "consensus",
    k: int | None = DEFAULT_K,
    scoring: Scoring | None = None,
    samples: Vectors | None = None,
    labels: Sequence[str] | None = None,
) -> Centers:
    """Select the K best descriptions of every category as its centers, which are centered (see `centered_texts`).

    `samples` [N, D] are centered embeddings of the modality that the centers are for, and `labels` [N] their
    categories; without labels, a sample is assigned to the nearest mean description. `k=None` keeps all; a category
    with fewer than `k` descriptions keeps all of them. Raises UnknownNameError for an unknown strategy, and
    UnibindError for labels without descriptions, or if a strategy needs samples and there are none.
    """
    if strategy not in STRATEGIES:
        raise UnknownNameError("strategy", strategy, STRATEGIES)
    _check_k(k)
    texts = centered_texts(texts)
    evidence = _evidence(texts, samples, labels)
    ratings = STRATEGIES[strategy].rate(evidence)
    limit = k if STRATEGIES[strategy].limited else None
    rows = [
        _best_rows(np.flatnonzero(evidence.text_category_index == c), ratings, limit)
        for c in range(len(evidence.text_means))
    ]
    selected = texts.take(np.concatenate(rows))
    return Centers(
        np.ascontiguousarray(selected.vectors),
        tuple(len(r) for r in rows),
        texts.category_names(),
        tuple(selected.ids),
        strategy,
        scoring or Scoring(),
        texts.contract,
    )


def _check_k(k: int | None) -> None:
    if k is not None and k < 1:
        raise UnibindError(f"k must be at least 1, not {k}")


def _evidence(texts: TextEmbeddings, samples: Vectors | None, labels: Sequence[str] | None) -> Evidence:
    names, category_index = texts.category_names(), texts.category_index()
    means = class_means(texts.vectors, category_index, len(names))
    sample_category_index = None
    if samples is not None:
        sample_category_index = np.argmax(samples @ means.T, axis=1) if labels is None else _positions(labels, names)
    return Evidence(texts.vectors, category_index, means, samples, sample_category_index)


def _positions(labels: Sequence[str], names: Sequence[str]) -> CategoryIndex:
    unknown_labels = sorted(set(labels) - set(names))
    if unknown_labels:
        raise UnibindError(
            f"the knowledge base has no descriptions for the labels {', '.join(unknown_labels)}; add some for each"
        )
    position = {name: i for i, name in enumerate(names)}
    return np.array([position[label] for label in labels], np.intp)


def _best_rows(rows: CategoryIndex, ratings: Ratings, limit: int | None) -> CategoryIndex:
    """The rows with the highest ratings, best first; all of them in their order if there is no limit."""
    return rows if limit is None else rows[np.argsort(-ratings[rows], kind="stable")[:limit]]


# --- selection tuned on validation samples ---------------------------------------------------------------------------

# what `tune_centers` tries, simplest first: of equally accurate choices the first wins
CANDIDATE_KS = (8, 16, 32, 50)
CANDIDATE_SCORINGS = (
    Scoring("log_mean_exp", 1.0),
    Scoring("log_mean_exp", 20.0),
    Scoring("top_mean", 5),
    Scoring("max"),
)


@dataclass(frozen=True)
class CenterConfig:
    """How centers are selected and scored. None means: chosen on the validation samples.

    `strategy` is a name in `STRATEGIES`, `k` the largest number of centers per category, `scoring` a name in
    `SCORINGS`, and `scoring_parameter` its parameter. A given value is fixed and the others are still tuned. Raises
    UnknownNameError for unknown names, and UnibindError for values that contradict each other.
    """

    strategy: str | None = None
    k: int | None = None
    scoring: str | None = None
    scoring_parameter: float | None = None

    def __post_init__(self) -> None:
        """Check every given value."""
        if self.strategy is not None and self.strategy not in STRATEGIES:
            raise UnknownNameError("strategy", self.strategy, STRATEGIES)
        if self.scoring is not None and self.scoring not in SCORINGS:
            raise UnknownNameError("scoring", self.scoring, SCORINGS)
        _check_k(self.k)
        if self.k is not None and self.strategy is not None and not STRATEGIES[self.strategy].limited:
            raise UnibindError(f"the strategy {self.strategy!r} keeps every description; leave out k or the strategy")
        if self.scoring_parameter is not None:
            if self.scoring is None:
                raise UnibindError("a scoring parameter needs the scoring that it belongs to; give both or neither")
            Scoring(self.scoring, self.scoring_parameter)

    def scorings(self) -> list[Scoring]:
        """The scorings to try."""
        if self.scoring is None:
            return list(CANDIDATE_SCORINGS)
        if self.scoring_parameter is not None:
            return [Scoring(self.scoring, self.scoring_parameter)]
        return [s for s in CANDIDATE_SCORINGS if s.kind == self.scoring] or [Scoring(self.scoring)]

    def selections(self, *, has_samples: bool) -> Iterator[tuple[str, int | None]]:
        """The pairs of strategy and K to try.

        Strategies that need samples are skipped if there are none, and with a given `k` those that ignore it; a
        strategy given by name is always tried.
        """
        for name, strategy in STRATEGIES.items():
            if self.strategy is None:
                usable = (has_samples or not strategy.needs_samples) and (self.k is None or strategy.limited)
            else:
                usable = name == self.strategy
            if not usable:
                continue
            if not strategy.limited:
                yield name, None
            else:
                yield from ((name, k) for k in (CANDIDATE_KS if self.k is None else (self.k,)))


def tune_centers(
    texts: TextEmbeddings,
    validation: tuple[Vectors, Sequence[str]],
    *,
    samples: Vectors | None = None,
    labels: Sequence[str] | None = None,
    config: CenterConfig | None = None,
) -> tuple[Centers, float]:
    """The centers with the best top-1 accuracy on `validation` (vectors [N, D], labels [N]), and that accuracy.

    `samples` and `labels` are passed to `select_centers`; values that `config` gives are not tuned. Without validation
    samples the simplest centers are chosen, and their accuracy is 0. Raises what `select_centers` raises.
    """
    config = config or CenterConfig()
    vectors, truth = validation
    best: tuple[Centers, float] | None = None
    for strategy, k in config.selections(has_samples=samples is not None):
        selected = select_centers(texts, strategy=strategy, k=k, samples=samples, labels=labels)
        for scoring in config.scorings():
            centers = replace(selected, scoring=scoring)
            accuracy = _top1(centers, vectors, truth)
            if best is None or accuracy > best[1]:
                best = centers, accuracy
    assert best is not None  # the strategy "consensus" is always usable, and so is a given one
    return best


def _top1(centers: Centers, vectors: Vectors, labels: Sequence[str]) -> float:
    if not len(labels):
        return 0.0
    predicted = np.array(centers.labels)[np.argmax(centers.scores(vectors), axis=1)]
    return float(np.mean(predicted == np.asarray(labels)))
