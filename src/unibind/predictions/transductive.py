"""Probabilities of items that are classified at once, where their pool allows it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from ..align.pools import why_not_at_once
from ..align.transduction import ClassPrior, transduce
from ..data.embeddings import Vectors
from ..errors import UnibindError
from .answers import Answering

_log = logging.getLogger(__name__)


def probabilities_at_once(
    vectors: Vectors,
    probabilities: Float64[np.ndarray, "n c"],
    modality: str,
    labels: Sequence[str],
    answering: Answering,
) -> Float64[np.ndarray, "n c"] | None:
    """The probabilities [N, C] of all items of a modality, given all of them, from those of each item by itself.

    None where they were not asked for, and where the pool is too small or too lopsided for the method: that is said in
    a warning. Raises UnibindError for a class prior that does not fit the classes.
    """
    if answering.transductive is None:
        return None
    method, prior = answering.transductive, _class_prior(answering.class_prior, labels)
    reason = why_not_at_once(probabilities, method=method, class_prior=prior)
    if reason is not None:
        items = "1 item" if len(vectors) == 1 else f"{len(vectors)} items"
        _log.warning("%s is classified item by item, because its %s %s", modality, items, reason)
        return None
    return transduce(vectors, np.log(np.maximum(probabilities, 1e-300)), method=method, class_prior=prior)


def _class_prior(given: str | Mapping[str, float] | None, labels: Sequence[str]) -> ClassPrior:
    if given is None or isinstance(given, str):
        return given
    if set(given) != set(labels):
        differing = sorted(set(given) ^ set(labels))
        raise UnibindError(
            f"class_prior must give a share to every class and to nothing else; check {', '.join(differing[:5])}"
        )
    return np.array([given[label] for label in labels])
