"""Usable confidences: a scale that turns scores into probabilities, with "none of these" as a possible answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """softmax over scale * score, beside one more logit, scale * threshold, for "none of these"."""

    scale: float
    threshold: float

    def probabilities(self, scores: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Scores [N, C] -> probabilities of the categories [N, C] and of none of them [N]."""
        logits = np.concatenate([scores, np.full((len(scores), 1), self.threshold)], axis=1) * self.scale
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return p[:, :-1], p[:, -1]


def fit_calibration(scores: NDArray[np.float32], labels: NDArray[np.intp]) -> Calibration:
    """Scale and threshold of the greatest likelihood on validation scores [N, C] with true categories [N].

    Every item counts twice: with all categories on offer, where its own is right, and with its own taken away, where
    "none of these" is. So the threshold needs no data of foreign categories. Items need at least two categories.
    """
    from scipy.optimize import minimize

    rows = np.arange(len(scores))
    without = scores.astype(np.float64).copy()
    without[rows, labels] = -np.inf
    own = scores[rows, labels].astype(np.float64)

    def negative_log_likelihood(x: Floats) -> float:
        scale, threshold = np.exp(x[0]), x[1]
        right = scale * own - _log_sum_exp(scale * scores, scale * threshold)
        none = scale * threshold - _log_sum_exp(scale * without, scale * threshold)
        return -float(right.mean() + none.mean())

    start = np.array([np.log(30.0), float(np.median(scores.max(axis=1)))])
    found = minimize(negative_log_likelihood, start, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-6})
    return Calibration(float(np.exp(found.x[0])), float(found.x[1]))


def _log_sum_exp(logits: Floats, extra: float) -> Floats:
    peak = np.maximum(logits.max(axis=1), extra)
    return peak + np.log(np.exp(logits - peak[:, None]).sum(axis=1) + np.exp(extra - peak))


@dataclass(frozen=True)
class SigmoidCalibration:
    """sigmoid(scale * score + bias) per category, as models with a sigmoid loss were trained (SigLIP, arXiv 2303.15343)."""

    scale: float
    bias: float

    def probabilities(self, scores: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Scores [N, C] -> probability of each category on its own [N, C], and that none of them applies [N]."""
        p = 1 / (1 + np.exp(-(self.scale * scores.astype(np.float64) + self.bias)))
        return p, np.prod(1 - p, axis=1)
