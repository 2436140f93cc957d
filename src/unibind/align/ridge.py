"""Ridge regression of vectors on vectors, in closed form (Hoerl and Kennard 1970), with exact leave-one-out errors."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float

from ..affine import AffineMap
from ..data.embeddings import Vectors
from ..errors import UnibindError

PENALTIES = (1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0)


class Ridge:
    """Affine maps from `x` [N, D_in] to `y` [N, D_out], one per penalty; one eigendecomposition serves them all.

    A penalty is given in units of the mean eigenvalue of x's scatter matrix. A penalty p is equivalent to adding
    Gaussian noise of p times the mean variance of x to every value of x (Bishop 1995, "Training with noise is
    equivalent to Tikhonov regularization"). The bias is not penalized. Raises UnibindError for fewer than two pairs.
    """

    def __init__(self, x: Vectors, y: Vectors) -> None:
        if len(x) < 2 or len(x) != len(y):
            raise UnibindError(f"a map needs at least two pairs of vectors, not {len(x)} and {len(y)}")
        self._mean_x, self._mean_y = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
        x, y = x - self._mean_x, y - self._mean_y
        values, self._axes = np.linalg.eigh(x.T @ x)  # [D_in], [D_in, D_in]
        self._values = np.maximum(values, 0.0)
        self._rotated = x @ self._axes  # [N, D_in]
        self._cross = self._rotated.T @ y  # [D_in, D_out]
        self._y = y

    def fit(self, penalty: float) -> AffineMap:
        """The map for one penalty."""
        weight = (self._axes @ (self._cross / self._damped(penalty)[:, None])).T
        bias = self._mean_y - weight @ self._mean_x
        return AffineMap(weight.astype(np.float32), bias.astype(np.float32))

    def leave_one_out_error(self, penalty: float) -> float:
        """Mean squared error of each pair under the map that is fitted on all the other pairs."""
        return float(np.mean(np.sum(self.leave_out_errors(penalty) ** 2, axis=1)))

    def leave_out_errors(
        self, penalty: float, groups: Sequence[Hashable] | None = None
    ) -> Float[np.ndarray, "n d_out"]:
        """Errors [N, D_out] of each pair, y less its prediction, under the map that is fitted on all the other pairs,
        or on those of all other `groups` [N].
        """
        damped = self._damped(penalty)
        errors = self._y - self._rotated @ (self._cross / damped[:, None])
        leverage = 1 / len(errors) + (self._rotated**2 / damped).sum(axis=1)  # [N]
        left_out = errors / np.maximum(1 - leverage, 1e-9)[:, None]
        for rows in _shared(groups or ()):
            some = self._rotated[rows]
            own = np.eye(len(rows)) - 1 / len(errors) - (some / damped) @ some.T
            left_out[rows] = np.linalg.solve(own + 1e-9 * np.eye(len(rows)), errors[rows])
        return left_out

    def _damped(self, penalty: float) -> Float[np.ndarray, " d_in"]:
        return self._values + max(penalty * float(self._values.mean()), 1e-12)


def _shared(groups: Sequence[Hashable]) -> list[list[int]]:
    """The rows of every group of more than one."""
    rows: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    return [members for members in rows.values() if len(members) > 1]


def best_ridge_map(x: Vectors, y: Vectors) -> AffineMap:
    """The map whose penalty has the smallest leave-one-out error."""
    solver = Ridge(x, y)
    return solver.fit(min(PENALTIES, key=solver.leave_one_out_error))
