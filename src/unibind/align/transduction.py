"""Transduction: many items are classified at once, for what is alike among them belongs together.

The scores of the centers say what each item probably is; which items are neighbors, or form a cluster, is said by the
items at hand. Two methods join both:

- "em": Gaussian classes with a shared, shrunk covariance, by expectation-maximization.
- "transclip": Gaussian classes, and agreement of nearest neighbors (Zanella et al. 2024, arXiv 2406.01837).

`unibind.align.pools` says which pools of items these can be trusted with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..data.embeddings import Vectors
from ..errors import UnibindError, UnknownNameError
from .blockwise import LogProbabilities, Posterior, Shares, cross_entropy, learned_shares, log, softmax
from .expectation_maximization import expectation_maximization
from .transclip import transclip

ClassPrior = str | Float[np.ndarray, " c"] | None

UNIFORM = "uniform"
_SHARE_SLACK = 1e-3  # by which the sum of given shares may differ from 1
_POWERS = np.geomspace(0.02, 1, 40)


@dataclass(frozen=True)
class Method:
    """A way to classify items at once; `assumes_even_classes` says that it takes all classes for equally frequent."""

    run: Callable[[Vectors, LogProbabilities, Shares | None], Posterior]
    assumes_even_classes: bool = False


METHODS: dict[str, Method] = {
    "em": Method(expectation_maximization),
    "transclip": Method(transclip, assumes_even_classes=True),
}
DEFAULT = "em"


def method_named(choice: bool | str | None) -> str | None:
    """The name of the method that True or a name stands for; None for False and None."""
    return (DEFAULT if choice else None) if isinstance(choice, bool) else choice


def transduce(
    vectors: Vectors, log_probabilities: Float[np.ndarray, "n c"], *, method: str = "em", class_prior: ClassPrior = None
) -> Posterior:
    """The probability of each class for each of N items of one modality, [N, C], given all of them.

    `vectors` [N, D] are unit length, without the mean of their modality; `log_probabilities` [N, C] is what the scores
    of the centers say of each item by itself (constants per row make no difference). `class_prior` is None (how
    frequent the classes are is learned from the items), "uniform" or the shares of the classes [C], which sum to 1;
    "transclip" has no class prior. The answers are those of the method, and they are as confident as those of the
    centers are (see `_as_confident`). Raises UnknownNameError for another method, and UnibindError for a class prior
    that does not fit the classes or the method.
    """
    check_method(method)
    text, chosen = np.asarray(log_probabilities, np.float64), METHODS[method]
    shares = class_shares(class_prior, text.shape[1])
    posterior = chosen.run(vectors, text, shares)
    if shares is None and not chosen.assumes_even_classes:
        shares = learned_shares(posterior)
    return _as_confident(posterior, softmax(text if shares is None else text + log(shares)))


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


def _as_confident(posterior: Posterior, expected: Posterior) -> Posterior:
    """The posterior to the power, at most 1, at which it predicts best what is expected of each item by itself.

    Neighbors and clusters repeat what the items already say, so a posterior is far too certain. What is expected knows
    less, but if it is calibrated, it says right how often each class is meant; so what fits it best is no surer.
    """
    logits = log(posterior)
    losses = [cross_entropy(expected, power * logits) for power in _POWERS]
    return softmax(_POWERS[int(np.argmin(losses))] * logits)
