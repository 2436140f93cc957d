"""Ridge regression of vectors on vectors, in closed form (Hoerl and Kennard 1970), with exact leave-one-out errors."""

from __future__ import annotations

import numpy as np

from ..data.embeddings import Vectors
from ..errors import UnibindError

PENALTIES = (1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0)


class Ridge:
    """Affine maps from `x` [N, D_in] to `y` [N, D_out], one for every penalty; one eigendecomposition serves all.

    A penalty is in units of the mean eigenvalue of x's scatter. Penalizing by p is fitting x with Gaussian noise of p
    times x's mean variance added to every number (Bishop 1995, "Training with noise is equivalent to Tikhonov
    regularization"). The offset is not penalized. Raises UnibindError where there is nothing to fit.
    """

    def __init__(self, x: Vectors, y: Vectors) -> None:
        if len(x) < 2 or len(x) != len(y):
            raise UnibindError(f"a map needs at least two pairs of vectors, not {len(x)} and {len(y)}")
        self._mean_x, self._mean_y = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
        x, y = x - self._mean_x, y - self._mean_y
        values, self._axes = np.linalg.eigh(x.T @ x)  # [D_in], [D_in, D_in]
        self._values = np.maximum(values, 0.0)
        self._turned = x @ self._axes  # [N, D_in]
        self._cross = self._turned.T @ y  # [D_in, D_out]
        self._y = y

    def map(self, penalty: float) -> tuple[Vectors, Vectors]:
        """Weight [D_out, D_in] and bias [D_out], float32."""
        weight = (self._axes @ (self._cross / self._damped(penalty)[:, None])).T
        bias = self._mean_y - weight @ self._mean_x
        return weight.astype(np.float32), bias.astype(np.float32)

    def left_out_error(self, penalty: float) -> float:
        """Mean squared error for a pair, by the map that is fitted on all the others."""
        damped = self._damped(penalty)
        leverage = 1 / len(self._y) + (self._turned**2 / damped).sum(axis=1)  # [N]
        errors = self._y - self._turned @ (self._cross / damped[:, None])
        return float(np.mean(np.sum(errors**2, axis=1) / np.maximum(1 - leverage, 1e-9) ** 2))

    def _damped(self, penalty: float) -> Vectors:
        return self._values + max(penalty * float(self._values.mean()), 1e-12)


def best_map(x: Vectors, y: Vectors) -> tuple[Vectors, Vectors]:
    """Weight and bias of the map whose penalty has the least leave-one-out error."""
    solver = Ridge(x, y)
    return solver.map(min(PENALTIES, key=solver.left_out_error))
