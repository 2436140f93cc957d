"""TransCLIP: items classified at once by Gaussian classes and their neighbors (Zanella et al., arXiv 2406.01837)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..data.embeddings import Vectors
from ..errors import UnibindError
from .blockwise import (
    LEAST_VARIANCE,
    LogProbabilities,
    Posterior,
    Shares,
    blocks,
    log,
    log_sum_exp,
    nearest_neighbors,
    product,
    softmax,
    weighted_means,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_NEIGHBORS = 3
_ROUNDS, _ROUNDS_OF_LABELS = 10, 5
_CONFIDENT = 8  # items per class that its first mean is made of
_LIKELIHOOD = 1 / 50  # the weight of a log-likelihood


class TransClip:
    """Assignments z [N, C] that weigh three things: Gaussians, neighbors and what the centers say, y [N, C].

    `objective` is the sum over items of weight * z_i . log N(x_i; mu, diag(variance)), plus half of z_i . z_j for
    neighbors i and j by their affinity, less the Kullback-Leibler divergence of z_i from y_i. Assignments, means and
    variances are maximized in turn; the neighbors' term is replaced by its tangent, so that each item has a closed
    form. The means are the maximum, not scaled to unit length. Differs in that from the authors' code.
    """

    def __init__(self, x: Vectors, log_probabilities: LogProbabilities) -> None:
        self.x = x
        self.text = log_probabilities - log_sum_exp(log_probabilities)
        self.posterior = softmax(log_probabilities)
        self.affinity = neighbor_affinity(x, min(_NEIGHBORS, len(x) - 1))
        rows = np.argsort(-self.posterior, axis=0, kind="stable")[:_CONFIDENT]
        confident = np.zeros_like(self.posterior)
        np.put_along_axis(confident, rows, np.take_along_axis(self.posterior, rows, axis=0), axis=0)
        self.means = weighted_means(x, confident)
        self.variance = np.full(x.shape[1], 1 / x.shape[1])
        self.squares = np.sum([(rows**2).sum(axis=0) for _, rows in blocks(x)], axis=0)

    def assign(self) -> None:
        """Several rounds of new assignments, each from those of the neighbors in the round before."""
        fixed = self.text + _LIKELIHOOD * self._log_likelihoods()
        for _ in range(_ROUNDS_OF_LABELS):
            self.posterior = softmax(fixed + self.affinity @ self.posterior)

    def update(self) -> None:
        """New means and variances; a class without items keeps its mean."""
        sums, counts = product(self.x, self.posterior, transposed=True), self.posterior.sum(axis=0)[:, None]
        self.means = np.where(counts > 1e-9, sums / np.maximum(counts, 1e-9), self.means)
        within = self.squares - 2 * (sums * self.means).sum(axis=0) + (counts * self.means**2).sum(axis=0)
        self.variance = np.maximum(within / len(self.x), LEAST_VARIANCE)

    @property
    def objective(self) -> float:
        """What every step raises."""
        likelihood = self._log_likelihoods() - np.log(self.variance).sum() / 2
        likelihood -= (np.concatenate([rows**2 @ (1 / self.variance) for _, rows in blocks(self.x)]) / 2)[:, None]
        divergence = log(self.posterior) - self.text
        pairs = (self.affinity @ self.posterior) / 2
        return float((self.posterior * (_LIKELIHOOD * likelihood + pairs - divergence)).sum())

    def _log_likelihoods(self) -> LogProbabilities:
        """[N, C], without the terms that all classes have in common."""
        scaled = self.means / self.variance
        return product(self.x, scaled.T) - (scaled * self.means).sum(axis=1) / 2


def transclip(vectors: Vectors, log_probabilities: LogProbabilities, shares: Shares | None) -> Posterior:
    """The posterior [N, C] of items [N, D]; raises UnibindError for shares, because the method has no class prior."""
    if shares is not None:
        raise UnibindError("the method 'transclip' has no class prior; leave it out, or use 'em'")
    model = TransClip(vectors, log_probabilities)
    model.assign()
    for _ in range(_ROUNDS):
        model.update()
        model.assign()
    return model.posterior


def neighbor_affinity(x: Vectors, count: int) -> csr_array:
    """A sparse symmetric matrix [N, N]: cosines of each item to its `count` nearest neighbors, over 2 * `count`.

    Both sides of a pair see each other; pairs of mutual neighbors count twice. No full matrix is held.
    """
    from scipy.sparse import csr_array

    n = len(x)
    if count < 1:
        return csr_array((n, n), dtype=np.float64)
    cosines, neighbors = nearest_neighbors(x, x, count, own=np.arange(n))
    rows = np.repeat(np.arange(n), count)
    directed = csr_array((np.maximum(cosines, 0).ravel() / (2 * count), (rows, neighbors.ravel())), shape=(n, n))
    return csr_array(directed + directed.T)
