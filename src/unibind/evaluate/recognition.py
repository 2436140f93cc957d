"""Recognition: what every method answers to the measured items, how often it is right, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

from ..align.calibration import Calibration
from ..align.centers import Centers
from ..data.embeddings import BLOCK, Embeddings, Vectors
from ..errors import MissingExtraError, UnknownNameError
from .controls import CLASS_NAME, TEMPLATE_ENSEMBLE
from .intervals import Bootstrap, Group, Interval, bootstrap
from .methods import DESCRIPTIONS, FITTED, METHODS, NEIGHBORS, PROBE
from .metrics import ClassScores, class_scores, confusions
from .parts import sampled, shared_names
from .probes import linear_probe, nearest_neighbors

_SHOWN_FIRST = (FITTED, DESCRIPTIONS, TEMPLATE_ENSEMBLE, CLASS_NAME, PROBE, NEIGHBORS)
_PROBES = {NEIGHBORS: nearest_neighbors, PROBE: linear_probe}
MOST_LEARNED = 5000  # training items of a control
MOST_CONFUSIONS = 20  # in the figures, per modality

Names = NDArray[np.object_]  # [N] class names


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers [N] of one method to the measured items of one modality.

    `margin` is how much better the best answer's score was than the true class's, in cosine (negative where the answer
    is right); `confidence` is the calibrated probability of the answer, None where nothing was calibrated.
    """

    predicted: Names
    correct: Bool[np.ndarray, " n"]
    margin: Float32[np.ndarray, " n"] | None = None
    confidence: Float32[np.ndarray, " n"] | None = None

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(self.correct.mean())


def answers_of(
    centers: Centers, vectors: Vectors, truth: Sequence[str], calibration: Calibration | None = None
) -> Answers:
    """The answers of centers to vectors [N, D] with known labels [N]; of equal scores a wrong one counts.

    Raises UnknownNameError for a label without centers.
    """
    own = category_index(truth, centers.labels)
    predicted, margin, confidence = [], [], []
    step = max(1, BLOCK // max(1, len(centers.labels)))
    for start in range(0, len(vectors), step):
        scores = centers.scores(vectors[start : start + step])
        rows, index = np.arange(len(scores)), own[start : start + step]
        others = scores.copy()
        others[rows, index] = -np.inf
        margin.append(others.max(axis=1) - scores[rows, index])
        predicted.append(np.where(margin[-1] >= 0, others.argmax(axis=1), index))
        if calibration is not None:
            probabilities = calibration.probabilities(scores)
            confidence.append(probabilities[rows, predicted[-1]].astype(np.float32))
    answer = np.concatenate(predicted)
    return Answers(
        np.array(centers.labels, dtype=object)[answer],
        answer == own,
        np.concatenate(margin),
        np.concatenate(confidence) if confidence else None,
    )


def probe_answers(learned: Embeddings, items: Embeddings, *, seed: int = 0) -> dict[str, Answers]:
    """The answers of the controls that learn from labeled items alone; none where these have fewer than two classes.

    A control whose extra is not installed is left out.
    """
    known = sampled(learned, MOST_LEARNED, seed=seed)
    if len(set(known.labels)) < 2:
        return {}
    truth = np.array(items.known_labels(), dtype=object)
    answers = {}
    for method, probe in _PROBES.items():
        with suppress(MissingExtraError):
            labels = probe(known.vectors, known.known_labels(), items.vectors, seed=seed).labels
            predicted = np.array(labels, dtype=object)
            answers[method] = Answers(predicted, predicted == truth)
    return answers


def top1_of(centers: Centers, vectors: Vectors, labels: Sequence[str]) -> float:
    """Top-1 of vectors [N, D] with known labels [N]; raises UnknownNameError for a label without centers."""
    return answers_of(centers, vectors, labels).accuracy


def category_index(labels: Sequence[str], categories: Sequence[str]) -> NDArray[np.intp]:
    """Position [N] of each label among the categories; raises UnknownNameError for a label that is not there."""
    index = {label: i for i, label in enumerate(categories)}
    for label in labels:
        if label not in index:
            raise UnknownNameError("label", label, categories)
    return np.array([index[label] for label in labels], np.intp)


@dataclass(frozen=True, eq=False)
class Recognized:
    """One modality: the measured items, all labeled, and the answers, centers and number of classes of each method."""

    items: Embeddings
    answers: dict[str, Answers]
    centers: dict[str, Centers]
    classes: int

    @property
    def truth(self) -> list[str]:
        """The true label of every item."""
        return self.items.known_labels()

    @property
    def majority(self) -> float:
        """Share of the most frequent class: what always answering with it would get right."""
        return max(scores.support for scores in class_scores(self.truth, self.truth).values()) / len(self.items)


class Recognition:
    """The answers of every method on every modality, with intervals."""

    def __init__(self, by_modality: Mapping[str, Recognized], *, seed: int = 0) -> None:
        self.by_modality = dict(by_modality)
        found = {method for r in by_modality.values() for method in r.answers}
        self.methods = [method for method in METHODS if method in found]
        self.groups = {
            m: Group(shared_names(r.items), {method: a.correct for method, a in r.answers.items()})
            for m, r in self.by_modality.items()
        }
        self.bootstrap: Bootstrap = bootstrap(self.groups, seed=seed)

    @property
    def modalities(self) -> list[str]:
        """All modalities with a figure, first those that every method was measured on."""
        return sorted(self.by_modality, key=lambda m: m not in self.shared)

    @property
    def shared(self) -> list[str]:
        """The modalities that every method was measured on."""
        return [m for m, r in self.by_modality.items() if all(method in r.answers for method in self.methods)]

    @property
    def shown(self) -> str:
        """The method whose answers are shown in detail, by a fixed order and not by its figures."""
        return next(method for method in _SHOWN_FIRST if method in self.methods)

    def shown_in(self, modality: str) -> str:
        """The method shown in detail for one modality: as `shown`, if it was measured there."""
        answers = self.by_modality[modality].answers
        return next((method for method in _SHOWN_FIRST if method in answers), next(iter(answers)))

    def top1(self, method: str) -> dict[str, float]:
        """Share of right answers of a method, by modality."""
        return {
            m: self.by_modality[m].answers[method].accuracy
            for m in self.modalities
            if method in self.by_modality[m].answers
        }

    def mean(self, method: str) -> float | None:
        """Average over the modalities that every method was measured on; None where there is none."""
        top1 = self.top1(method)
        return float(np.mean([top1[m] for m in self.shared])) if self.shared else None

    def interval(self, method: str, modality: str) -> Interval:
        """The 95 % interval of an accuracy."""
        return self.bootstrap.interval(method, modality)

    def scores(self, modality: str) -> dict[str, ClassScores]:
        """Precision, recall and support of every class, for the method shown in detail."""
        recognized = self.by_modality[modality]
        return class_scores(recognized.truth, list(recognized.answers[self.shown_in(modality)].predicted))

    def confusions(self, modality: str) -> dict[tuple[str, str], int]:
        """(true class, answer) -> items, most first, right answers included, for the method shown in detail."""
        recognized = self.by_modality[modality]
        return confusions(recognized.truth, list(recognized.answers[self.shown_in(modality)].predicted))

    def to_json(self) -> dict[str, Any]:
        """Plain figures and choices; shares rounded to four digits where they are not accuracies."""
        modalities = self.by_modality
        return {
            "top1": {method: self.top1(method) for method in self.methods},
            "interval": {
                method: {m: _rounded(self.interval(method, m)) for m in self.top1(method)} for method in self.methods
            },
            "mean": {method: self.mean(method) for method in self.methods},
            "mean_interval": {
                method: _rounded(self.bootstrap.mean_interval(method, self.shared)) if self.shared else None
                for method in self.methods
            },
            "measured": {m: len(r.items) for m, r in modalities.items()},
            "objects": self.bootstrap.objects,
            "candidate_classes": {m: r.classes for m, r in modalities.items()},
            "chance": {m: round(1 / r.classes, 4) for m, r in modalities.items()},
            "majority": {m: round(r.majority, 4) for m, r in modalities.items()},
            "texts_per_class": self._of_centers(lambda c: max(c.sizes)),
            "chosen": self._of_centers(lambda c: {"strategy": c.strategy, "scoring": asdict(c.scoring)}),
            "in_detail": {m: self._detail(m) for m in modalities},
        }

    def _detail(self, modality: str) -> dict[str, Any]:
        wrong = [[*pair, count] for pair, count in self.confusions(modality).items() if pair[0] != pair[1]]
        return {
            "method": self.shown_in(modality),
            "classes": {name: _plain(scores) for name, scores in self.scores(modality).items()},
            "confusions": wrong[:MOST_CONFUSIONS],
        }

    def _of_centers(self, fact: Any) -> dict[str, dict[str, Any]]:
        """A fact of the centers, by method and modality."""
        return {
            method: {m: fact(r.centers[method]) for m, r in self.by_modality.items() if method in r.centers}
            for method in self.methods
            if any(method in r.centers for r in self.by_modality.values())
        }


def _plain(scores: ClassScores) -> dict[str, float | int | None]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(scores).items()}


def _rounded(interval: Interval) -> list[float]:
    return [round(end, 4) for end in interval]
