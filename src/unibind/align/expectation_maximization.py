"""Items classified at once by Gaussian classes: expectation-maximization, with what the centers say as prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from ..data.embeddings import Vectors
from .blockwise import (
    EXTRA_ITEMS,
    LEAST_VARIANCE,
    LogProbabilities,
    Means,
    Posterior,
    Shares,
    blocks,
    cross_entropy,
    learned_shares,
    log,
    log_sum_exp,
    product,
    scatter,
    softmax,
    weighted_means,
)

_TEXT_ROUNDS = 5  # in which class frequencies are learned from text alone, before there are any Gaussians
_ITERATIONS = 50
_ENOUGH_CHANGE = 1e-3  # of a probability, below which nothing changes any more
_SHRINKAGE = 0.5  # of the covariance, toward a multiple of the identity
_MEAN_ITEMS = 4.0  # how many items the prior mean of a class counts as
_ORIGIN_ITEMS = 1.0  # how many items at the origin that prior mean is shrunk by
_WEIGHTS = np.array([0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1])  # of a log-likelihood


@dataclass(frozen=True, eq=False)
class _Gaussians:
    """Means [C, D] of the classes, and their common covariance [D, D] by its Cholesky factor."""

    means: Means
    factor: tuple[NDArray[np.float64], bool]

    def solved(self, right: Float64[np.ndarray, "d n"]) -> Float64[np.ndarray, "d n"]:
        """The inverse covariance times `right`."""
        from scipy.linalg import cho_solve

        return np.asarray(cho_solve(self.factor, right))

    @property
    def log_determinant(self) -> float:
        return 2 * float(np.log(np.diag(self.factor[0])).sum())

    def log_likelihoods(self, x: Vectors) -> LogProbabilities:
        """[N, C], without the terms that all classes have in common."""
        slopes = self.solved(self.means.T)  # [D, C]
        return product(x, slopes) - np.einsum("cd,dc->c", self.means, slopes) / 2


class ExpectationMaximization:
    """Maximum a posteriori Gaussians of items `x` [N, D], each with its own prior over the classes.

    An item i is of class c with probability in proportion to pi_c * y_ic, where y_ic is what the centers say and pi_c
    the class prior, and then its vector is Gaussian: N(mu_c, Sigma), to the power of `weight`, because the dimensions
    of a vector are no independent witnesses. mu_c has a Gaussian prior about the mean that the centers alone would give
    it, Sigma an inverse-Wishart prior about a multiple of the identity, and pi a Dirichlet prior. Each step raises
    `objective`.
    """

    def __init__(self, x: Vectors, log_probabilities: LogProbabilities, shares: Shares | None = None) -> None:
        self.x, dim = _within_its_span(x - x.mean(axis=0)), x.shape[1]
        self.text = log_probabilities
        self.shares = shares
        self.posterior = softmax(log_probabilities if shares is None else log_probabilities + log(shares))
        if shares is None:
            for _ in range(_TEXT_ROUNDS):
                self.posterior = softmax(self.text + self.log_prior())
        self.prior_means = weighted_means(self.x, self.posterior, extra=_ORIGIN_ITEMS)
        self.scatter = scatter(self.x)
        within = float(np.trace(self._scatter_within(self.means())))
        self.prior_variance = max(within / (len(x) * dim), LEAST_VARIANCE)
        self.gaussians = self._gaussians()
        self.weight = self._weight()
        self.objective = -np.inf

    def log_prior(self) -> Shares:
        """Logarithm of the frequency of every class, [C]: as given, or as learned."""
        if self.shares is not None:
            return log(self.shares)
        return log(learned_shares(self.posterior))

    def means(self) -> Means:
        """The means of the classes for the current posterior."""
        counts = self.posterior.sum(axis=0)[:, None]
        sums = product(self.x, self.posterior, transposed=True)
        return (sums + _MEAN_ITEMS * self.prior_means) / (counts + _MEAN_ITEMS)

    def step(self) -> float:
        """One step: new Gaussians, class prior and posterior; returns the largest change of a probability."""
        before, log_prior = self.posterior, self.log_prior()
        self.gaussians = self._gaussians()
        logits = self.text + log_prior + self.weight * self.gaussians.log_likelihoods(self.x)
        self.posterior = softmax(logits)
        self.objective = self._objective(logits, log_prior)
        return float(np.abs(self.posterior - before).max())

    def _scatter_within(self, means: Means) -> Float64[np.ndarray, "d d"]:
        """Scatter of the items about their means and, with the weight of its items, of the means about their priors."""
        counts, sums = self.posterior.sum(axis=0), product(self.x, self.posterior, transposed=True)
        cross, off = sums.T @ means, means - self.prior_means
        return self.scatter - cross - cross.T + (means * counts[:, None]).T @ means + _MEAN_ITEMS * off.T @ off

    def _gaussians(self) -> _Gaussians:
        from scipy.linalg import cho_factor

        means = self.means()
        covariance = (1 - _SHRINKAGE) * self._scatter_within(means) / len(self.x)
        covariance[np.diag_indices_from(covariance)] += _SHRINKAGE * self.prior_variance
        return _Gaussians(means, cho_factor(covariance, lower=True))

    def _weight(self) -> float:
        """The weight at which the Gaussians predict best what the centers say of items that they have not seen.

        So they count for little where they are not to be trusted: where items are few, or of no clear classes.
        """
        unseen, log_prior = self._unseen_log_likelihoods(), self.log_prior()
        losses = [cross_entropy(self.posterior, weight * unseen + log_prior) for weight in _WEIGHTS]
        return float(_WEIGHTS[int(np.argmin(losses))])

    def _unseen_log_likelihoods(self) -> LogProbabilities:
        """As `log_likelihoods` of the Gaussians, but an item has no share in the means that it is compared with."""
        slopes = self.gaussians.solved(self.gaussians.means.T)
        with_means = product(self.x, slopes)  # x' inv(Sigma) mu
        of_means = np.einsum("cd,dc->c", self.gaussians.means, slopes)  # mu' inv(Sigma) mu
        of_items = np.concatenate(
            [np.einsum("nd,dn->n", rows, self.gaussians.solved(rows.T)) for _, rows in blocks(self.x)]
        )[:, None]
        rest = np.maximum(self.posterior.sum(axis=0) + _MEAN_ITEMS - self.posterior, 1e-9)
        grown, removed = 1 + self.posterior / rest, self.posterior / rest  # the other mean is grown mu - removed x
        unseen_means = grown**2 * of_means - 2 * grown * removed * with_means + removed**2 * of_items
        return grown * with_means - removed * of_items - unseen_means / 2

    def _objective(self, logits: LogProbabilities, log_prior: Shares) -> float:
        items, off = len(self.x), self.gaussians.means - self.prior_means
        prior_items = items * _SHRINKAGE / (1 - _SHRINKAGE)
        inverse = self.gaussians.solved(np.eye(self.x.shape[1]))
        log_density = (
            -(items + prior_items) / 2 * self.gaussians.log_determinant
            - np.einsum("de,de->", inverse, self.scatter) / 2
            - prior_items * self.prior_variance * np.trace(inverse) / 2
            - _MEAN_ITEMS * np.einsum("cd,de,ce->", off, inverse, off, optimize=True) / 2
        )
        learned = 0.0 if self.shares is not None else EXTRA_ITEMS * log_prior.sum()
        return float(log_sum_exp(logits).sum() + learned + self.weight * log_density)


def _within_its_span(x: Vectors) -> Vectors:
    """The vectors [N, D] in coordinates of what they span, [N, N], where they are fewer than dimensions."""
    if len(x) >= x.shape[1]:
        return x
    _, upper = np.linalg.qr(x.T)
    return np.ascontiguousarray(upper.T)


def expectation_maximization(vectors: Vectors, log_probabilities: LogProbabilities, shares: Shares | None) -> Posterior:
    """The posterior [N, C] of items [N, D], whose class frequencies are `shares` [C] or, if None, learned."""
    model = ExpectationMaximization(vectors, log_probabilities, shares)
    for _ in range(_ITERATIONS):
        if model.step() < _ENOUGH_CHANGE:
            break
    return model.posterior
