"""Calibrated confidences: probabilities from scores, fitted on items that the model did not learn from.

Three questions have their own answers: which of the classes, given that it is one of them (a softmax at a fitted
scale); whether it is one of them at all (see `align.unknown`); and which classes apply, where several may (logistic
regression on every class).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from ..data.embeddings import CategoryIndex, Embeddings, Vectors, row_blocks
from ..json_files import NUMBER, OBJECT, POSITIVE, check_fields, list_of, optional
from .centers import Centers
from .logistic import fit_logistic
from .unknown import Strangers, Unknowns, fit_unknowns

_MOST_SCORES, _FEWEST_USED = 1 << 21, 1000  # scores that a calibration is fitted to; items, however many classes
_LOG_SCALES = (-2.0, 8.0)  # of a scale in 1 / cosine: from no preference to certainty


@dataclass(frozen=True)
class LabelOdds:
    """The log-odds that a class applies, slope * score + offset, whatever other classes do.

    `offsets` has one number per class, or one for all.
    """

    slope: float
    offsets: tuple[float, ...]

    def probabilities(self, scores: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, "n c"]:
        """The probability that each class applies, from scores [N, C]."""
        logits = self.slope * scores.astype(np.float64) + np.array(self.offsets)
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -700, 700))), np.float64)


@dataclass(frozen=True)
class Calibration:
    """How scores become probabilities: `scale` of the softmax over the classes, and what was learned for the other
    questions; None where nothing was.
    """

    scale: float
    unknowns: Unknowns | None = None
    label_odds: LabelOdds | None = None

    def probabilities(self, scores: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, "n c"]:
        """Probabilities of the classes given that an item is of one of them; they sum to 1. From scores [N, C]."""
        probabilities = np.empty(scores.shape)
        for rows in row_blocks(*scores.shape):
            part = np.multiply(scores[rows], self.scale, out=probabilities[rows], dtype=np.float64)
            part -= part.max(axis=1, keepdims=True)
            np.exp(part, out=part)
            part /= part.sum(axis=1, keepdims=True)
        return probabilities


def fit_calibration(
    centers: Centers,
    vectors: Vectors,
    category_index: CategoryIndex,
    *,
    learned: bool,
    strangers: Strangers | None = None,
) -> Calibration:
    """The calibration of maximum likelihood on held-out items: vectors [N, D] and their categories [N], N > 0.

    `learned` says whether the vectors are those after a head that has learned the categories from other items;
    `strangers` are items as they are after heads that have not (see `fit_unknowns`). Of more items than a calibration
    needs, evenly spaced ones are used.
    """
    most = max(_FEWEST_USED, _MOST_SCORES // len(centers.labels))
    vectors, category_index = _evenly(vectors, category_index, most)
    strangers = None if strangers is None else _evenly(*strangers, most)
    scores = centers.scores(vectors)
    truth = np.zeros(scores.shape)
    truth[np.arange(len(scores)), category_index] = 1
    slope, offsets = fit_logistic(scores, truth)
    return Calibration(
        fit_scale(scores, category_index),
        fit_unknowns(centers, vectors, category_index, learned=learned, strangers=strangers),
        LabelOdds(slope, tuple(map(float, offsets))),
    )


def _evenly(vectors: Vectors, category_index: CategoryIndex, most: int) -> tuple[Vectors, CategoryIndex]:
    if len(vectors) <= most:
        return vectors, category_index
    used = np.linspace(0, len(vectors) - 1, most).astype(np.intp)
    return vectors[used], category_index[used]


def calibration_on(centers: Centers, items: Embeddings, *, learned: bool) -> Calibration | None:
    """The calibration of maximum likelihood on items with labels, whose vectors are those that are compared with the
    centers; None where none of their labels has centers.
    """
    position = {label: i for i, label in enumerate(centers.labels)}
    known = items.take([row for row, label in enumerate(items.labels) if label in position])
    if not len(known):
        return None
    truth = np.array([position[label] for label in known.known_labels()], np.intp)
    return fit_calibration(centers, known.vectors, truth, learned=learned)


def calibration_from_json(value: Any, where: str, fix: str) -> Calibration:
    """The calibration whose fields `value` has, as `asdict` gives them; raises UnibindError for what is not one."""
    parts = check_fields(
        value, {"scale": POSITIVE, "unknowns": optional(OBJECT), "label_odds": optional(OBJECT)}, where, fix
    )
    unknowns, label_odds = parts["unknowns"], parts["label_odds"]
    if unknowns is not None:
        fields = {"slope": NUMBER, "intercept": NUMBER, "sample": list_of(NUMBER)}
        unknowns = Unknowns(
            **check_fields(unknowns, fields, f"unknowns of {where}", fix) | {"sample": tuple(unknowns["sample"])}
        )
    if label_odds is not None:
        fields = {"slope": NUMBER, "offsets": list_of(NUMBER)}
        check_fields(label_odds, fields, f"label_odds of {where}", fix)
        label_odds = LabelOdds(label_odds["slope"], tuple(label_odds["offsets"]))
    return Calibration(parts["scale"], unknowns, label_odds)


def fit_scale(scores: Float[np.ndarray, "n c"], category_index: CategoryIndex) -> float:
    """The scale at which a softmax over scale * scores [N, C] fits the true categories [N] best.

    The logarithm of the scale of maximum likelihood, less its bias, which leaving one item out at a time tells (the
    jackknife, with one Newton step per item). Where nearly all items are right, that would be certain beyond all proof:
    the mean confidence is limited to (N + 1) / (N + 2), which is what N right answers out of N are worth (Laplace's
    rule of succession).
    """
    from scipy.optimize import minimize_scalar

    scores = scores.astype(np.float64)
    rows = np.arange(len(scores))

    def loss(log_scale: float) -> float:
        return -float(_log_softmax(np.exp(log_scale) * scores)[rows, category_index].mean())

    best = float(minimize_scalar(loss, bounds=_LOG_SCALES, method="bounded", options={"xatol": 1e-6}).x)
    return float(np.exp(_limited(scores, best - _jackknife_bias(scores, category_index, best))))


def _jackknife_bias(scores: Float64[np.ndarray, "n c"], category_index: CategoryIndex, log_scale: float) -> float:
    """How far the logarithm of the scale lies above its true value on average, by leaving one item out at a time."""
    logits = np.exp(log_scale) * scores
    p = np.exp(_log_softmax(logits))
    expected = (p * logits).sum(axis=1)
    gradient = expected - logits[np.arange(len(logits)), category_index]  # of each item's loss, by the log scale
    curvature = (p * logits**2).sum(axis=1) - expected**2
    without = curvature.sum() - curvature
    if without.min() <= 1e-3 * len(scores):  # one item, or scores that leave no doubt: there is no curvature to use
        return 0.0
    return float((len(scores) - 1) * np.mean(gradient / without))


def _limited(scores: Float64[np.ndarray, "n c"], log_scale: float) -> float:
    """The logarithm of the scale, or of the largest one below whose mean confidence is not too high."""
    most = (len(scores) + 1) / (len(scores) + 2)

    def confidence(candidate: float) -> float:
        return float(np.exp(_log_softmax(np.exp(candidate) * scores).max(axis=1)).mean())

    if confidence(log_scale) <= most:
        return log_scale
    low, high = _LOG_SCALES[0], log_scale  # confidence rises with the scale
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if confidence(middle) <= most else (low, middle)
    return low


def _log_softmax(logits: Float64[np.ndarray, "n c"]) -> Float64[np.ndarray, "n c"]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float64)
