"""Classification of embeddings by centers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from numpy.typing import NDArray

from ..align.calibration import Calibration
from ..align.centers import Centers
from ..align.unknown import FEWEST_CLASSES
from ..data.embeddings import CategoryIndex, Vectors
from ..errors import UnibindError
from .answers import Answering, Prediction
from .transductive import probabilities_at_once

_LIKELY = 0.5  # from this probability of "none of these" on, it is the answer
_FIX = "fit the model on labeled items, or calibrate it on some with `calibrate`"


@dataclass(frozen=True, eq=False)
class Judged:
    """What is known of N embeddings of one modality.

    `probabilities` [N, C] are those of the classes, and `alone` those item by item where they were judged at once;
    `none` [N] is that of "none of these", where it can be said. `accepted` [N] says which belong to a class, `best` [N]
    to which most likely, and `nearest` [N] is the id of the nearest description of that.
    """

    probabilities: Float64[np.ndarray, "n c"]
    alone: Float64[np.ndarray, "n c"] | None
    none: Float64[np.ndarray, " n"] | None
    accepted: NDArray[np.bool_]
    best: CategoryIndex
    nearest: list[str]


def judge(
    vectors: Vectors, modality: str, *, centers: Centers, calibration: Calibration, answering: Answering
) -> Judged:
    """Judge embeddings [N, D] of one modality, at once where `answering` says so and there are enough of them.

    Raises UnibindError where `answering` asks for what the calibration does not have.
    """
    scores = centers.scores(vectors)
    alone = _probabilities(scores, calibration, modality, answering)
    together = probabilities_at_once(vectors, alone, modality, centers.labels, answering)
    none, accepted = _none_of_these(scores, calibration, modality, answering)
    probabilities = alone if together is None else together
    best = np.argmax(probabilities, axis=1)
    nearest = centers.nearest_descriptions(vectors, best)
    return Judged(probabilities, None if together is None else alone, none, accepted, best, nearest)


def predict(
    vectors: Vectors,
    modality: str,
    names: Sequence[str],
    *,
    centers: Centers,
    calibration: Calibration,
    texts: Mapping[str, str],
    answering: Answering,
) -> list[Prediction]:
    """Classify embeddings [N, D] of one modality as `judge` does; `texts` maps description ids to descriptions."""
    found = judge(vectors, modality, centers=centers, calibration=calibration, answering=answering)
    probabilities, alone, none, accepted = found.probabilities, found.alone, found.none, found.accepted
    best, nearest = found.best, found.nearest
    predictions = []
    for row, name in enumerate(names):
        ranking = np.argsort(-probabilities[row], kind="stable")
        applies = (
            probabilities[row] > answering.threshold if answering.multi_label else ranking[0] == np.arange(len(ranking))
        )
        labels = [centers.labels[c] for c in ranking if applies[c] and accepted[row]]
        predictions.append(
            Prediction(
                item=name,
                modality=modality,
                label=centers.labels[best[row]],
                probability=float(probabilities[row, best[row]]),
                none_probability=None if none is None else float(none[row]),
                accepted=bool(labels),
                labels=labels,
                candidates=[(centers.labels[c], float(probabilities[row, c])) for c in ranking[: answering.top]],
                description=texts.get(nearest[row], ""),
                description_id=nearest[row],
                inductive_label=None if alone is None else centers.labels[alone[row].argmax()],
                inductive_probability=None if alone is None else float(alone[row].max()),
            )
        )
    return predictions


def _probabilities(
    scores: Float[np.ndarray, "n c"], calibration: Calibration, modality: str, answering: Answering
) -> Float64[np.ndarray, "n c"]:
    if not answering.multi_label:
        return calibration.probabilities(scores)
    if calibration.label_odds is None:
        raise UnibindError(
            f"the confidences of this model for {modality} are not calibrated, so it cannot say of each class whether "
            f"it applies; {_FIX}"
        )
    return calibration.label_odds.probabilities(scores)


def _none_of_these(
    scores: Float[np.ndarray, "n c"], calibration: Calibration, modality: str, answering: Answering
) -> tuple[Float64[np.ndarray, " n"] | None, NDArray[np.bool_]]:
    """The probability of "none of these", where it can be said, and whether each item is accepted."""
    everything = np.ones(len(scores), bool)
    if answering.multi_label:
        return None, everything
    unknowns = calibration.unknowns
    if unknowns is None:
        if answering.open:
            raise UnibindError(_why_not(calibration, modality, scores.shape[1]))
        return None, everything
    if answering.false_accept_rate is not None:
        return None, unknowns.accepted(scores, answering.false_accept_rate)
    none = unknowns.none_probability(scores, answering.none_prior)
    return none, none <= _LIKELY


def _why_not(calibration: Calibration, modality: str, classes: int) -> str:
    if classes < FEWEST_CLASSES:
        return (
            f'"{modality}" items of unknown classes are told by how unlike all classes they are, which needs at least '
            f"{FEWEST_CLASSES} classes, not {classes}; leave out the prior and the rate"
        )
    return (
        f"the confidences of this model for {modality} are not calibrated, so it cannot tell items of unknown classes; "
        f"{_FIX}"
    )
