"""Transduction: many items are classified at once, for what is alike among them belongs together.

The scores of the centers say what each item probably is; which items are neighbors, or form a cluster, is said by the
items at hand. Two methods join both:

- "em": Gaussian classes with a shared, shrunk covariance, by expectation-maximization.
- "transclip": Gaussian classes, and agreement of nearest neighbors (Zanella et al. 2024, arXiv 2406.01837).

`unibind.align.pools` says which pools of items these can be trusted with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32, Float64
from numpy.typing import NDArray

from ..data.embeddings import BLOCK, Vectors
from ..errors import UnibindError, UnknownNameError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ClassPrior = str | Float[np.ndarray, " c"] | None
LogProbabilities = Float64[np.ndarray, "n c"]
Posterior = Float64[np.ndarray, "n c"]  # rows sum to 1
Means = Float64[np.ndarray, "c d"]
Shares = Float64[np.ndarray, " c"]

UNIFORM = "uniform"
_SHARE_SLACK = 1e-3  # by which the sum of given shares may differ from 1
_ENOUGH = 1e-3  # change of a probability, below which nothing changes any more


# --- the front door ---------------------------------------------------------------------------------------------------


def transduce(
    vectors: Vectors, log_probabilities: Float[np.ndarray, "n c"], *, method: str = "em", class_prior: ClassPrior = None
) -> Posterior:
    """The probability of each class for each of N items of one modality, [N, C], given all of them.

    `vectors` [N, D] are unit length, without the mean of their modality; `log_probabilities` [N, C] is what the scores
    of the centers say of each item by itself (constants per row make no difference). `class_prior` is None (how
    frequent the classes are is learned from the items), "uniform" or the shares of the classes [C], which sum to 1;
    "transclip" has no class prior. Raises UnknownNameError for another method, and UnibindError for a class prior that
    does not fit the classes or the method.
    """
    check_method(method)
    log_probabilities = np.asarray(log_probabilities, np.float64)
    return METHODS[method].run(vectors, log_probabilities, class_shares(class_prior, log_probabilities.shape[1]))


def check_method(name: str) -> str:
    """The name, if it is that of a method; raises UnknownNameError otherwise."""
    if name not in METHODS:
        raise UnknownNameError("transductive method", name, METHODS)
    return name


def class_shares(class_prior: ClassPrior, classes: int) -> Shares | None:
    """The shares [C] that a class prior gives, None where they are to be learned.

    Raises UnibindError for a prior that does not fit the classes.
    """
    if class_prior is None:
        return None
    if isinstance(class_prior, str):
        if class_prior != UNIFORM:
            raise UnibindError(f"a class prior is None, {UNIFORM!r} or one share per class, not {class_prior!r}")
        return np.full(classes, 1 / classes)
    shares = np.asarray(class_prior, np.float64)
    if shares.shape != (classes,) or not (shares >= 0).all() or abs(shares.sum() - 1) > _SHARE_SLACK:
        raise UnibindError(f"a class prior of {classes} classes is as many shares that sum to 1; check them")
    return shares


# --- expectation-maximization -----------------------------------------------------------------------------------------

_TEXT_ROUNDS = 5  # in which class frequencies are learned from text alone, before there are any Gaussians
_ITERATIONS = 50
_SHRINKAGE = 0.5  # of the covariance, toward a multiple of the identity
_MEAN_ITEMS = 4.0  # how many items the prior mean of a class counts as
_ORIGIN_ITEMS = 1.0  # how many items at the origin that prior mean is shrunk by
_EXTRA_ITEMS = 1.0  # how many items more each class has, in its learned frequency
_LEAST_VARIANCE = 1e-8  # where all items are equal
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
        return _product(x, slopes) - np.einsum("cd,dc->c", self.means, slopes) / 2


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
        self.posterior = _softmax(log_probabilities if shares is None else log_probabilities + _log(shares))
        if shares is None:
            for _ in range(_TEXT_ROUNDS):
                self.posterior = _softmax(self.text + self.log_prior())
        self.prior_means = _weighted_means(self.x, self.posterior, extra=_ORIGIN_ITEMS)
        self.scatter = _scatter(self.x)
        within = float(np.trace(self._scatter_within(self.means())))
        self.prior_variance = max(within / (len(x) * dim), _LEAST_VARIANCE)
        self.gaussians = self._gaussians()
        self.weight = self._weight()
        self.objective = -np.inf

    def log_prior(self) -> Shares:
        """Logarithm of the frequency of every class, [C]: as given, or as learned."""
        if self.shares is not None:
            return _log(self.shares)
        counts = self.posterior.sum(axis=0) + _EXTRA_ITEMS
        return np.log(counts / counts.sum())

    def means(self) -> Means:
        """The means of the classes for the current posterior."""
        counts = self.posterior.sum(axis=0)[:, None]
        sums = _product(self.x, self.posterior, transposed=True)
        return (sums + _MEAN_ITEMS * self.prior_means) / (counts + _MEAN_ITEMS)

    def step(self) -> float:
        """One step: new Gaussians, class prior and posterior; returns the largest change of a probability."""
        before, log_prior = self.posterior, self.log_prior()
        self.gaussians = self._gaussians()
        logits = self.text + log_prior + self.weight * self.gaussians.log_likelihoods(self.x)
        self.posterior = _softmax(logits)
        self.objective = self._objective(logits, log_prior)
        return float(np.abs(self.posterior - before).max())

    def _scatter_within(self, means: Means) -> Float64[np.ndarray, "d d"]:
        """Scatter of the items about their means and, with the weight of its items, of the means about their priors."""
        counts, sums = self.posterior.sum(axis=0), _product(self.x, self.posterior, transposed=True)
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
        losses = []
        for weight in _WEIGHTS:
            logits = weight * unseen + log_prior
            losses.append(float((_log_sum_exp(logits)[:, 0] - np.einsum("nc,nc->n", self.posterior, logits)).sum()))
        return float(_WEIGHTS[int(np.argmin(losses))])

    def _unseen_log_likelihoods(self) -> LogProbabilities:
        """As `log_likelihoods` of the Gaussians, but an item has no share in the means that it is compared with."""
        slopes = self.gaussians.solved(self.gaussians.means.T)
        with_means = _product(self.x, slopes)  # x' inv(Sigma) mu
        of_means = np.einsum("cd,dc->c", self.gaussians.means, slopes)  # mu' inv(Sigma) mu
        of_items = np.concatenate(
            [np.einsum("nd,dn->n", rows, self.gaussians.solved(rows.T)) for _, rows in _blocks(self.x)]
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
        learned = 0.0 if self.shares is not None else _EXTRA_ITEMS * log_prior.sum()
        return float(_log_sum_exp(logits).sum() + learned + self.weight * log_density)


def _within_its_span(x: Vectors) -> Vectors:
    """The vectors [N, D] in coordinates of what they span, [N, N], where they are fewer than dimensions."""
    if len(x) >= x.shape[1]:
        return x
    _, upper = np.linalg.qr(x.T)
    return np.ascontiguousarray(upper.T)


def _em(vectors: Vectors, log_probabilities: LogProbabilities, shares: Shares | None) -> Posterior:
    model = ExpectationMaximization(vectors, log_probabilities, shares)
    for _ in range(_ITERATIONS):
        if model.step() < _ENOUGH:
            break
    return model.posterior


# --- TransCLIP --------------------------------------------------------------------------------------------------------

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
        self.text = log_probabilities - _log_sum_exp(log_probabilities)
        self.posterior = _softmax(log_probabilities)
        self.affinity = neighbor_affinity(x, min(_NEIGHBORS, len(x) - 1))
        rows = np.argsort(-self.posterior, axis=0, kind="stable")[:_CONFIDENT]
        confident = np.zeros_like(self.posterior)
        np.put_along_axis(confident, rows, np.take_along_axis(self.posterior, rows, axis=0), axis=0)
        self.means = _weighted_means(x, confident)
        self.variance = np.full(x.shape[1], 1 / x.shape[1])
        self.squares = np.sum([(rows**2).sum(axis=0) for _, rows in _blocks(x)], axis=0)

    def assign(self) -> None:
        """Several rounds of new assignments, each from those of the neighbors in the round before."""
        fixed = self.text + _LIKELIHOOD * self._log_likelihoods()
        for _ in range(_ROUNDS_OF_LABELS):
            self.posterior = _softmax(fixed + self.affinity @ self.posterior)

    def update(self) -> None:
        """New means and variances; a class without items keeps its mean."""
        sums, counts = _product(self.x, self.posterior, transposed=True), self.posterior.sum(axis=0)[:, None]
        self.means = np.where(counts > 1e-9, sums / np.maximum(counts, 1e-9), self.means)
        within = self.squares - 2 * (sums * self.means).sum(axis=0) + (counts * self.means**2).sum(axis=0)
        self.variance = np.maximum(within / len(self.x), _LEAST_VARIANCE)

    @property
    def objective(self) -> float:
        """What every step raises."""
        likelihood = self._log_likelihoods() - np.log(self.variance).sum() / 2
        likelihood -= (np.concatenate([rows**2 @ (1 / self.variance) for _, rows in _blocks(self.x)]) / 2)[:, None]
        divergence = _log(self.posterior) - self.text
        pairs = (self.affinity @ self.posterior) / 2
        return float((self.posterior * (_LIKELIHOOD * likelihood + pairs - divergence)).sum())

    def _log_likelihoods(self) -> LogProbabilities:
        """[N, C], without the terms that all classes have in common."""
        scaled = self.means / self.variance
        return _product(self.x, scaled.T) - (scaled * self.means).sum(axis=1) / 2


def _transclip(vectors: Vectors, log_probabilities: LogProbabilities, shares: Shares | None) -> Posterior:
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


@dataclass(frozen=True)
class Method:
    """A way to classify items at once; `assumes_even_classes` says that it takes all classes for equally frequent."""

    run: Callable[[Vectors, LogProbabilities, Shares | None], Posterior]
    assumes_even_classes: bool = False


METHODS: dict[str, Method] = {
    "em": Method(_em),
    "transclip": Method(_transclip, assumes_even_classes=True),
}
DEFAULT = "em"


def method_named(choice: bool | str | None) -> str | None:
    """The name of the method that True or a name stands for; None for False and None."""
    return (DEFAULT if choice else None) if isinstance(choice, bool) else choice


# --- arithmetic in blocks ---------------------------------------------------------------------------------------------


def nearest_neighbors(
    queries: Vectors, gallery: Vectors, count: int, *, own: NDArray[np.intp] | None = None
) -> tuple[Float32[np.ndarray, "q k"], NDArray[np.intp]]:
    """The `count` largest cosines of each query to the vectors of a gallery, and their rows, both [Q, K], unsorted.

    `own` [Q] are the rows of the queries themselves, where they are of the gallery: none is its own neighbor. No full
    matrix is held.
    """
    cosines = np.empty((len(queries), count), np.float32)
    rows = np.empty((len(queries), count), np.intp)
    step = max(1, BLOCK // max(1, len(gallery)))
    for start in range(0, len(queries) if count else 0, step):
        block = queries[start : start + step] @ gallery.T
        if own is not None:
            block[np.arange(len(block)), own[start : start + step]] = -np.inf
        best = np.argpartition(block, len(gallery) - count, axis=1)[:, -count:]
        rows[start : start + step] = best
        cosines[start : start + step] = np.take_along_axis(block, best, axis=1)
    return cosines, rows


def _blocks(x: Vectors) -> Iterator[tuple[slice, Float64[np.ndarray, "b d"]]]:
    """Some rows of x at a time, in double precision, and which."""
    step = max(1, BLOCK // 4 // x.shape[1])
    for start in range(0, len(x), step):
        yield slice(start, start + step), x[start : start + step].astype(np.float64)


def _product(x: Vectors, factor: Float64[np.ndarray, "r c"], *, transposed: bool = False) -> NDArray[np.float64]:
    """x @ factor [N, C] or, transposed, factor.T @ x [C, D], in double precision."""
    if transposed:
        return np.asarray(sum(factor[rows].T @ block for rows, block in _blocks(x)))
    return np.concatenate([block @ factor for _, block in _blocks(x)])


def _scatter(x: Vectors) -> Float64[np.ndarray, "d d"]:
    return np.asarray(sum(block.T @ block for _, block in _blocks(x)))


def _weighted_means(x: Vectors, weights: Posterior, *, extra: float = 0.0) -> Means:
    """Mean of the items by the weights of each class, as if `extra` items were at the origin."""
    counts = weights.sum(axis=0)[:, None] + extra
    return _product(x, weights, transposed=True) / np.maximum(counts, 1e-12)


def _log(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.maximum(shares, 1e-300))


def _log_sum_exp(logits: LogProbabilities) -> Float64[np.ndarray, "n 1"]:
    peak = logits.max(axis=1, keepdims=True)
    return np.asarray(peak + np.log(np.exp(logits - peak).sum(axis=1, keepdims=True)))


def _softmax(logits: LogProbabilities) -> Posterior:
    return np.asarray(np.exp(logits - _log_sum_exp(logits)))
