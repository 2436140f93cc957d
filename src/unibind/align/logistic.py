"""Logistic regression on one number, as Platt scaling does it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

_OFFSET_PENALTY = 1.0  # columns depart from the common offset by a standard deviation of one unit of log-odds or so


def fit_logistic(
    x: Float[np.ndarray, "n c"], truth: Float[np.ndarray, "n c"]
) -> tuple[float, Float64[np.ndarray, " c"]]:
    """The slope and the offsets [C] for which sigmoid(slope * x + offset) fits the truth (0 or 1) best.

    All columns share the slope. Their offsets are drawn to a common one (a Gaussian prior of standard deviation 1), so
    that a column with few ones follows the others. With n+ ones and n- zeros, the targets are (n+ + 1) / (n+ + 2) and
    1 / (n- + 2), which keeps the slope finite where x separates them (Platt 1999).
    """
    from scipy.optimize import minimize

    ones, size, columns = float(truth.sum()), truth.size, truth.shape[1]
    targets = np.where(truth > 0, (ones + 1) / (ones + 2), 1 / (size - ones + 2))
    center, spread = float(x.mean(dtype=np.float64)), float(x.std(dtype=np.float64)) or 1.0
    z = (x.astype(np.float64) - center) / spread

    def loss(w: Float64[np.ndarray, " p"]) -> tuple[float, Float64[np.ndarray, " p"]]:
        logits = w[0] * z + w[1] + w[2:]
        excess = 1 / (1 + np.exp(-np.clip(logits, -700, 700))) - targets
        value = (np.logaddexp(0, logits) - targets * logits).sum() + _OFFSET_PENALTY * (w[2:] ** 2).sum() / 2
        slopes = [(excess * z).sum(), excess.sum(), *(excess.sum(axis=0) + _OFFSET_PENALTY * w[2:])]
        return float(value), np.array(slopes)

    optimum = minimize(loss, np.concatenate([[1.0, 0.0], np.zeros(columns)]), jac=True, method="L-BFGS-B").x
    slope = float(optimum[0]) / spread
    return slope, optimum[1] + optimum[2:] - slope * center
