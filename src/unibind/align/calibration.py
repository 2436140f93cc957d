"""Calibrated confidences: a scale that turns scores into probabilities, with "none of these" as a possible answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from ..data.embeddings import CategoryIndex


@dataclass(frozen=True)
class Calibration:
    """A softmax over scale * score per category and one more logit, scale * threshold, for "none of these"."""

    scale: float
    threshold: float

    def probabilities(
        self, scores: Float[np.ndarray, "n c"]
    ) -> tuple[Float64[np.ndarray, "n c"], Float64[np.ndarray, " n"]]:
        """Probabilities of the categories, and of none of them, from scores [N, C]."""
        logits = np.concatenate([scores, np.full((len(scores), 1), self.threshold)], axis=1) * self.scale
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return p[:, :-1], p[:, -1]


@dataclass(frozen=True)
class Uncalibrated:
    """A softmax over scale * score per category, before a fit: it cannot say "none of these"."""

    scale: float

    def probabilities(self, scores: Float[np.ndarray, "n c"]) -> tuple[Float64[np.ndarray, "n c"], None]:
        """Probabilities of the categories, which sum to 1, from scores [N, C]."""
        logits = self.scale * scores.astype(np.float64)
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True), None


def fit_calibration(scores: Float[np.ndarray, "n c"], category_index: CategoryIndex) -> Calibration:
    """The scale and threshold of maximum likelihood on validation scores [N, C] with the true categories [N].

    Every item counts twice: once with all categories available, where its own is correct, and once without its own
    category, where "none of these" is. So the threshold needs no items of unknown categories. C must be at least 2.
    """
    from scipy.optimize import minimize

    rows = np.arange(len(scores))
    without_own = scores.astype(np.float64).copy()
    without_own[rows, category_index] = -np.inf
    own = scores[rows, category_index].astype(np.float64)

    def negative_log_likelihood(x: Float64[np.ndarray, " 2"]) -> float:
        scale, threshold = np.exp(x[0]), x[1]
        correct = scale * own - _log_sum_exp(scale * scores, scale * threshold)
        none = scale * threshold - _log_sum_exp(scale * without_own, scale * threshold)
        return -float(correct.mean() + none.mean())

    start = np.array([np.log(30.0), float(np.median(scores.max(axis=1)))])
    optimum = minimize(negative_log_likelihood, start, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-6})
    return Calibration(float(np.exp(optimum.x[0])), float(optimum.x[1]))


def _log_sum_exp(logits: Float64[np.ndarray, "n c"], extra: float) -> Float64[np.ndarray, " n"]:
    """Logarithm of the sum of the exponentials of each row of logits and one extra logit."""
    peak = np.maximum(logits.max(axis=1), extra)
    return peak + np.log(np.exp(logits - peak[:, None]).sum(axis=1) + np.exp(extra - peak))


@dataclass(frozen=True)
class SigmoidCalibration:
    """sigmoid(scale * score + bias) per category, as models with a sigmoid loss are trained (arXiv 2303.15343)."""

    scale: float
    bias: float

    def probabilities(
        self, scores: Float[np.ndarray, "n c"]
    ) -> tuple[Float64[np.ndarray, "n c"], Float64[np.ndarray, " n"]]:
        """Scores [N, C] -> probability of each category on its own [N, C], and that none of them applies [N]."""
        p = 1 / (1 + np.exp(-(self.scale * scores.astype(np.float64) + self.bias)))
        return p, np.prod(1 - p, axis=1)
