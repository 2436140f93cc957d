"""Selecting centers: which descriptions of a category stand for it (paper, section 3.3).

A strategy rates every description, and the K best of each category become its centers. A strategy sees the texts and,
if available, encoded samples of the modality, labeled or not (an unlabeled sample is assigned to the nearest mean
description). By default nothing is chosen by validation: see `select_centers`; `tune_centers` is there for who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32

from ..centering import Mean
from ..data.embeddings import (
    MULTIPLIED,
    CategoryIndex,
    TextEmbeddings,
    Vectors,
    category_sums,
    class_means,
    row_blocks,
    unit,
)
from ..errors import UnibindError, UnknownNameError
from .centered_texts import CenteredVectors, text_mean
from .centers import SCORINGS, Centers, Scoring

Ratings = Float[np.ndarray, " m"]

DEFAULT_K = 16  # enough to average the noise of single texts, few enough to leave out what fits other categories too
_TEXT_WEIGHT = 0.5  # of the mean description in a category's mean sample, in samples: where there are few, they mislead

# --- strategies: evidence -> a rating per description ----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a strategy sees: M texts and their categories, and the unit-length mean text of each of C categories.

    `sample_means` are the categories' mean samples, None where there are no samples. All vectors are centered and have
    unit length. The texts of a large base come a part at a time, so a strategy rates each text by itself.
    """

    texts: Float32[np.ndarray, "m d"]
    text_category_index: CategoryIndex
    text_means: Float32[np.ndarray, "c d"]
    sample_means: Float32[np.ndarray, "c d"] | None

    def similarity_to_own(self, means: Float32[np.ndarray, "c d"]) -> Ratings:
        """Cosine of each text to the mean of its category."""
        return np.einsum("md,md->m", self.texts, means[self.text_category_index])


def _all(evidence: Evidence) -> Ratings:
    """All descriptions are rated equally."""
    return np.zeros(len(evidence.texts), np.float32)


def _consensus(evidence: Evidence) -> Ratings:
    """Similarity to the category's mean description: drops outliers, needs texts only."""
    return evidence.similarity_to_own(evidence.text_means)


def _adaptive(evidence: Evidence) -> Ratings:
    """Similarity to the mean of the category's encoded samples (the localization of the paper)."""
    assert evidence.sample_means is not None  # as `needs_samples` says
    return evidence.similarity_to_own(evidence.sample_means)


def _discriminative(evidence: Evidence) -> Ratings:
    """Similarity to the mean of the own category minus that to the nearest other mean.

    The means are those of samples or, without samples, those of texts.
    """
    means = evidence.text_means if evidence.sample_means is None else evidence.sample_means
    similarity = evidence.texts @ means.T  # [M, C]
    rows = np.arange(len(evidence.texts))
    own = similarity[rows, evidence.text_category_index]
    if similarity.shape[1] == 1:
        return own
    similarity[rows, evidence.text_category_index] = -np.inf
    return own - similarity.max(axis=1)


@dataclass(frozen=True)
class Strategy:
    """A way to rate descriptions. `needs_samples`: fails without samples; `limited`: keeps only the K best.

    `scoring` is the kind of score that it is used with unless another is asked for.
    """

    rate: Callable[[Evidence], Ratings]
    needs_samples: bool = False
    limited: bool = True
    scoring: str = "mean"


STRATEGIES: dict[str, Strategy] = {
    "all": Strategy(_all, limited=False, scoring="centroid"),
    "consensus": Strategy(_consensus),
    "adaptive": Strategy(_adaptive, needs_samples=True),
    "discriminative": Strategy(_discriminative),
}


# --- selection with a given strategy ---------------------------------------------------------------------------------


def select_centers(
    texts: TextEmbeddings,
    *,
    strategy: str | None = None,
    k: int | None = None,
    scoring: Scoring | None = None,
    samples: Vectors | Iterable[Vectors] | None = None,
    labels: Sequence[str] | None = None,
) -> Centers:
    """The descriptions that stand for each category, centered (see `centered_texts`).

    By default these are the 16 of every category that tell it best from the others where `samples` are at hand
    ("discriminative"), and a category's score is the mean cosine to them; or else all of them ("all"), and the score is
    the cosine to their mean ("centroid"), so that categories whose descriptions differ more are not at a disadvantage.
    `strategy` is a name in `STRATEGIES`, and `k` the number of descriptions per category that it keeps; a category with
    fewer keeps all of them.

    `samples` [N, D] are centered embeddings of the modality that the centers are for, in one array or in batches, and
    `labels` [N] their categories; without labels, a sample is assigned to the nearest mean description. The mean
    description of a category counts as half a sample of it, so that few samples do not mislead.

    Memory beyond the given texts and the selected ones is small; the texts may be in float16 or mapped from a file.
    Raises UnknownNameError for an unknown strategy, and UnibindError for labels without descriptions, for a `k` that
    the strategy does not use, or if a strategy needs samples and there are none.
    """
    strategy = strategy or _default_strategy(k, has_samples=samples is not None)
    _check_choice(strategy, k)
    chosen = STRATEGIES[strategy]
    if chosen.needs_samples and samples is None:
        raise UnibindError(
            f"the strategy {strategy!r} needs encoded samples of the modality; pass `samples`, or use 'consensus'"
        )
    names, category_index = texts.category_names(), texts.category_index()
    is_centered = texts.contract.centered is not None
    mean = Mean.nothing(texts.vectors.shape[1]) if is_centered else text_mean(texts)
    vectors = CenteredVectors(texts.vectors, mean)
    if chosen.limited:
        ratings = _ratings(chosen, vectors, category_index, _means(vectors, category_index, names, samples, labels))
        rows = _best_rows(category_index, ratings, k or DEFAULT_K)
    else:
        rows = np.argsort(category_index, kind="stable")
    return Centers(
        vectors[rows] if chosen.limited else vectors.reordered(rows),
        tuple(np.bincount(category_index[rows]).tolist()),
        names,
        tuple(texts.ids[row] for row in rows),
        strategy,
        scoring or Scoring(chosen.scoring),
        texts.contract if is_centered else texts.contract.centered_by(mean.fingerprint),
    )


def _default_strategy(k: int | None, *, has_samples: bool) -> str:
    return "discriminative" if has_samples or k is not None else "all"


def _check_choice(strategy: str, k: int | None) -> None:
    if strategy not in STRATEGIES:
        raise UnknownNameError("strategy", strategy, STRATEGIES)
    if k is not None and k < 1:
        raise UnibindError(f"k must be at least 1, not {k}")
    if k is not None and not STRATEGIES[strategy].limited:
        raise UnibindError(f"the strategy {strategy!r} keeps every description; leave out k or the strategy")


@dataclass(frozen=True, eq=False)
class _Means:
    """The unit-length mean text of every category, and its mean sample where there are samples."""

    texts: Float32[np.ndarray, "c d"]
    samples: Float32[np.ndarray, "c d"] | None


def _means(
    vectors: CenteredVectors,
    category_index: CategoryIndex,
    names: Sequence[str],
    samples: Vectors | Iterable[Vectors] | None,
    labels: Sequence[str] | None,
) -> _Means:
    texts = class_means(vectors, category_index, len(names))
    if samples is None:
        return _Means(texts, None)
    batches = [samples] if isinstance(samples, np.ndarray) else samples
    found = nearest_means(batches, texts) if labels is None else zip(batches, [_positions(labels, names)], strict=True)
    sums = _TEXT_WEIGHT * texts.astype(np.float64)
    for batch, index in found:
        sums += category_sums(batch, index, len(names))
    return _Means(texts, unit(sums).astype(np.float32))


def nearest_means(
    batches: Iterable[Vectors], means: Float32[np.ndarray, "c d"]
) -> Iterator[tuple[Vectors, CategoryIndex]]:
    """The samples in parts, with the category of the nearest mean description of each."""
    for batch in batches:
        for rows in row_blocks(len(batch), max(means.shape), MULTIPLIED):
            yield batch[rows], np.argmax(batch[rows] @ means.T, axis=1)


def _positions(labels: Sequence[str], names: Sequence[str]) -> CategoryIndex:
    unknown_labels = sorted(set(labels) - set(names))
    if unknown_labels:
        raise UnibindError(
            f"the knowledge base has no descriptions for the labels {', '.join(unknown_labels)}; add some for each"
        )
    position = {name: i for i, name in enumerate(names)}
    return np.array([position[label] for label in labels], np.intp)


def _ratings(strategy: Strategy, texts: CenteredVectors, category_index: CategoryIndex, means: _Means) -> Ratings:
    parts = [
        strategy.rate(Evidence(texts[rows], category_index[rows], means.texts, means.samples))
        for rows in row_blocks(len(texts), max(len(means.texts), texts.shape[1]), MULTIPLIED)
    ]
    return np.concatenate(parts)


def _best_rows(category_index: CategoryIndex, ratings: Ratings, limit: int) -> CategoryIndex:
    """The rows with the `limit` highest ratings of each category, best first, category by category."""
    order = np.lexsort((-ratings, category_index))
    sizes = np.bincount(category_index)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[rank < limit]


# --- selection tuned on validation samples ---------------------------------------------------------------------------

# what `tune_centers` tries, simplest first: of equally accurate choices the first wins
CANDIDATE_KS = (8, 16, 32, 50)
CANDIDATE_SCORINGS = (
    Scoring("mean"),
    Scoring("centroid"),
    Scoring("log_mean_exp", 20.0),
    Scoring("top_mean", 5),
    Scoring("max"),
)


@dataclass(frozen=True)
class CenterConfig:
    """How centers are selected and scored. None means the default of `select_centers`.

    `strategy` is a name in `STRATEGIES`, `k` the largest number of centers per category, `scoring` a name in
    `SCORINGS`, and `scoring_parameter` its parameter. With `tune`, what is None is chosen on the validation samples
    instead. Raises UnknownNameError for unknown names, and UnibindError for values that contradict each other.
    """

    strategy: str | None = None
    k: int | None = None
    scoring: str | None = None
    scoring_parameter: float | None = None
    tune: bool = False

    def __post_init__(self) -> None:
        """Check every given value."""
        if self.scoring is not None and self.scoring not in SCORINGS:
            raise UnknownNameError("scoring", self.scoring, SCORINGS)
        _check_choice(self.strategy or _default_strategy(self.k, has_samples=True), self.k)
        if self.scoring_parameter is not None:
            if self.scoring is None:
                raise UnibindError("a scoring parameter needs the scoring that it belongs to; give both or neither")
            Scoring(self.scoring, self.scoring_parameter)

    @property
    def needs_samples(self) -> bool:
        """Whether a strategy was asked for that fails without samples."""
        return self.strategy is not None and STRATEGIES[self.strategy].needs_samples

    def select(
        self,
        texts: TextEmbeddings,
        *,
        samples: Vectors | Iterable[Vectors] | None = None,
        labels: Sequence[str] | None = None,
    ) -> Centers:
        """The centers of `select_centers`, with what is given here."""
        scoring = None if self.scoring is None else self.scorings()[0]
        return select_centers(texts, strategy=self.strategy, k=self.k, scoring=scoring, samples=samples, labels=labels)

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
            accuracy = centers.top1(vectors, truth)
            if best is None or accuracy > best[1]:
                best = centers, accuracy
    assert best is not None  # the strategy "all" is always usable, and so is a given one
    return best
