"""From embeddings and centers to answers: predictions, and the descriptions that explain them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .align.calibration import Calibration, SigmoidCalibration, Uncalibrated
from .align.centers import Centers
from .data.embeddings import Vectors

_STEP = 1e-4  # of the numerical derivative of a score, in cosine


@dataclass(frozen=True)
class Prediction:
    """The classification of one item.

    `label` is the most likely category and `probability` its probability; `none_probability` is that of "none of
    these", None where nothing was calibrated. `candidates` are the most likely categories, best first; `description` is
    the nearest text of `label`.
    """

    item: str
    modality: str
    label: str
    probability: float
    none_probability: float | None
    candidates: list[tuple[str, float]]
    description: str
    description_id: str


@dataclass(frozen=True)
class Unreadable:
    """An item that could not be read: the class and message of the error."""

    item: str
    error: str
    message: str


@dataclass(frozen=True)
class Evidence:
    """One description of a category: its cosine to the item, and its share of the category's score (they sum to 1)."""

    label: str
    description: str
    description_id: str
    cosine: float
    share: float


@dataclass(frozen=True)
class Explanation:
    """Why an item was classified as it was: the descriptions behind the winner and the runner-up, by share."""

    prediction: Prediction
    winner: list[Evidence]
    runner_up: list[Evidence]


def predict(
    vectors: Vectors,
    modality: str,
    names: Sequence[str],
    *,
    centers: Centers,
    calibration: Calibration | SigmoidCalibration | Uncalibrated,
    texts: Mapping[str, str],
    top: int,
) -> list[Prediction]:
    """Classify embeddings [N, D] of one modality; `texts` maps description ids to descriptions."""
    probabilities, none = calibration.probabilities(centers.scores(vectors))
    best = np.argmax(probabilities, axis=1)
    nearest = centers.nearest_descriptions(vectors, best)
    predictions = []
    for row, name in enumerate(names):
        order = np.argsort(-probabilities[row], kind="stable")[:top]
        predictions.append(
            Prediction(
                item=name,
                modality=modality,
                label=centers.labels[best[row]],
                probability=float(probabilities[row, best[row]]),
                none_probability=None if none is None else float(none[row]),
                candidates=[(centers.labels[c], float(probabilities[row, c])) for c in order],
                description=texts.get(nearest[row], ""),
                description_id=nearest[row],
            )
        )
    return predictions


def explain(
    vector: Vectors, prediction: Prediction, *, centers: Centers, texts: Mapping[str, str], top: int
) -> Explanation:
    """The `top` descriptions behind a prediction of an embedding [D], and behind its runner-up."""
    labels = [label for label, _ in prediction.candidates[:2]]
    ranked = [_evidence(vector, label, centers, texts)[:top] for label in labels]
    return Explanation(prediction, ranked[0], ranked[1] if len(ranked) > 1 else [])


def _evidence(vector: Vectors, label: str, centers: Centers, texts: Mapping[str, str]) -> list[Evidence]:
    offsets, category = centers.offsets, centers.labels.index(label)
    rows = slice(offsets[category], offsets[category + 1])
    cosines = centers.vectors[rows].astype(np.float64) @ vector
    shares = _shares(cosines, centers)
    ids = centers.description_ids[rows]
    order = np.lexsort((-cosines, -shares))
    return [Evidence(label, texts.get(ids[i], ""), ids[i], float(cosines[i]), float(shares[i])) for i in order]


def _shares(cosines: NDArray[np.float64], centers: Centers) -> NDArray[np.float64]:
    """How much of a category's score each cosine [K] carries: the score's derivative, which holds for any scoring."""
    nudged = cosines + _STEP * np.eye(len(cosines))  # [K, K]
    slopes = (centers.scoring(nudged) - centers.scoring(cosines[None])) / _STEP  # type: ignore[arg-type]
    return np.asarray(slopes / max(float(slopes.sum()), 1e-12), np.float64)
