"""Telling items of unknown classes: how much more an item is like its best class than like the classes on average.

No items of unknown classes are needed. Every held-out item counts twice: as it is, and as if the model had never
heard of its class. For the second, its class is left out. Where a head has learned the class, the item is as a head
maps it that has not; or else what sets the class apart from the others is taken out of the item's vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Float64

from ..data.embeddings import CategoryIndex, Vectors, unit
from ..errors import UnibindError
from .centers import Centers
from .logistic import fit_logistic

Strangers = tuple[Vectors, CategoryIndex]

FEWEST_CLASSES = 3  # with one left out, two remain to compare
_LARGEST_GAIN = 2.0  # in length of what is left of an item without its class, which else may be next to nothing
_NEGLIGIBLE = 1e-3  # of the largest singular value: classes that are not set apart from the others
_MOST_KEPT = 256  # scores of unknown items


@dataclass(frozen=True)
class Unknowns:
    """What is known of items of unknown classes.

    The log-odds that an item belongs to one of the classes, where half of the items do, are slope * margin + intercept,
    where the margin is that of `margins`. `sample` are margins of items whose class was left out, largest first.
    """

    slope: float
    intercept: float
    sample: tuple[float, ...]

    def none_probability(self, scores: Float[np.ndarray, "n c"], prior: float) -> Float64[np.ndarray, " n"]:
        """P(the item belongs to none of the classes) by Bayes' rule, where `prior` is the share of such items."""
        if prior == 0:
            return np.zeros(len(scores))
        known = self.slope * margins(scores) + self.intercept + math.log((1 - prior) / prior)
        return np.asarray(1 / (1 + np.exp(np.clip(known, -700, 700))), np.float64)

    def accepted(self, scores: Float[np.ndarray, "n c"], false_accept_rate: float) -> Bool[np.ndarray, " n"]:
        """Whether the margin of each item [N] is above that of all but a share of the items of unknown classes.

        Of n + 1 items of unknown classes, among them the one to be judged, each is equally likely to have the largest
        margin (split conformal prediction); and that of an unknown item, which meets all C classes, exceeds a limit at
        most C / (C - 1) times as often as that of an item whose class was left out. Raises UnibindError where the
        sample is too small for such a small share.
        """
        classes = scores.shape[1]
        share = false_accept_rate * (classes - 1) / classes
        rank = int(share * (len(self.sample) + 1) + 1e-9)
        if rank < 1:
            raise UnibindError(
                f"a false-accept rate of {false_accept_rate:g} needs at least {math.ceil(1 / share - 1e-9) - 1} "
                f"held-out items, and there are {len(self.sample)}; raise the rate, or hold out more items"
            )
        return margins(scores) > self.sample[min(rank, len(self.sample)) - 1]


def margins(scores: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, " n"]:
    """The best score less the mean score [N], from scores [N, C]."""
    return np.asarray(scores.max(axis=1) - scores.mean(axis=1, dtype=np.float64), np.float64)


def fit_unknowns(
    centers: Centers,
    vectors: Vectors,
    category_index: CategoryIndex,
    *,
    learned: bool,
    strangers: Strangers | None = None,
) -> Unknowns | None:
    """What held-out items [N, D] of known categories [N] tell about unknown ones; None with fewer than 3 categories.

    `strangers` are items as the model would embed them if it had never learned their categories, with these. By
    default, they are the held-out items, without what a head has `learned` of their categories.
    """
    if len(centers.labels) < FEWEST_CLASSES:
        return None
    known = margins(centers.scores(vectors))
    if strangers is None:
        unlearned = without_own_direction(centers, vectors, category_index) if learned else vectors
        strangers = unlearned, category_index
    scores = centers.scores(strangers[0])
    others = np.arange(len(centers.labels)) != np.asarray(strangers[1])[:, None]
    unknown = np.sort(margins(scores[others].reshape(len(scores), -1)))[::-1]
    truth = np.repeat([1.0, 0.0], [len(known), len(unknown)])
    slope, (intercept,) = fit_logistic(np.concatenate([known, unknown])[:, None], truth[:, None])
    return Unknowns(max(slope, 0.0), intercept, _thinned(unknown))


def without_own_direction(centers: Centers, vectors: Vectors, category_index: CategoryIndex) -> Vectors:
    """Items [N, D] without what sets their own category [N] apart from the others, at unit length where much is left.

    That is the direction along which all other categories are equal: a column of the pseudo-inverse of the categories'
    mean centers about the mean of these.
    """
    means = np.stack([centers.vectors[a:b].mean(axis=0, dtype=np.float64) for a, b in pairwise(centers.offsets)])
    directions = unit(np.linalg.pinv(means - means.mean(axis=0), rcond=_NEGLIGIBLE).T)[category_index]  # [N, D]
    along = np.einsum("nd,nd->n", vectors, directions)[:, None]
    rest = vectors - along * directions
    length = np.linalg.norm(rest, axis=1, keepdims=True)
    return np.asarray(rest / np.maximum(length, 1 / _LARGEST_GAIN), np.float32)


def _thinned(descending: Sequence[float] | Float[np.ndarray, " n"]) -> tuple[float, ...]:
    """At most `_MOST_KEPT` of the margins, so that a share of these exceeds no more than that share of all would."""
    values = np.asarray(descending, np.float64)
    if len(values) <= _MOST_KEPT:
        return tuple(map(float, values))
    ranks = (np.arange(1, _MOST_KEPT + 1) * (len(values) + 1)) // (_MOST_KEPT + 1)
    return tuple(map(float, values[ranks - 1]))
