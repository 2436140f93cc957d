"""Choosing among candidates by the scores of items held out: the default stays unless another is proven better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ..data.embeddings import CategoryIndex

Scores = Float[np.ndarray, "h c"]
Losses = Float[np.ndarray, " h"]

PROOF = 2.0  # standard errors of the mean difference
_TEMPERATURES = np.geomspace(0.01, 300.0, 32)  # logit scales tried; scores are products of nearly unit vectors
_ENOUGH = 20_000  # items that a logit scale is measured on


def best_scale(scores: Scores, category_index: CategoryIndex) -> float:
    """The logit scale, of a few, at which scores [N, C] make the categories [N] most likely; by some of many items."""
    every = len(scores) // _ENOUGH + 1
    some, truth = scores[::every], category_index[::every]
    return float(min(_TEMPERATURES, key=lambda scale: cross_entropy(some, truth, scale).mean()))


def cross_entropy(scores: Scores, category_index: CategoryIndex, scale: float) -> Losses:
    """Cross-entropy [N] of the softmax over scale * scores [N, C]."""
    logits = scale * (scores - scores.max(axis=1, keepdims=True)).astype(np.float64)
    return np.asarray(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), category_index])


def candidate_row(scores: Scores, category_index: CategoryIndex, **settings: float) -> dict[str, float]:
    """A row of a fit's history: finite settings of a candidate, and top-1 and cross-entropy of items held out."""
    losses = cross_entropy(scores, category_index, best_scale(scores, category_index))
    return {
        **{name: value for name, value in settings.items() if np.isfinite(value)},
        "held_out_top1": float(np.mean(scores.argmax(axis=1) == category_index)),
        "held_out_loss": float(losses.mean()),
    }


def choose(candidates: Sequence[Scores], category_index: CategoryIndex, *, default: int, unfitted: int) -> int:
    """The best of candidates by their scores [H, C] of items held out, if it is proven better than the default.

    Each counts at its best logit scale. `unfitted`, which learned nothing, is also chosen where the default is not
    proven to know more than how frequent the categories are.
    """
    losses = [cross_entropy(s, category_index, best_scale(s, category_index)) for s in candidates]
    shares = np.bincount(category_index) / len(category_index)
    guessing = -np.log(shares[category_index])
    if not proven_better(losses[default], guessing):
        return unfitted
    best = int(np.argmin([loss.mean() for loss in losses]))
    return best if proven_better(losses[best], losses[default]) else default


def proven_better(losses: Losses, others: Losses) -> bool:
    """Whether losses [N] are smaller than others on the same items by more than chance explains."""
    difference = others - losses
    return bool(difference.mean() > PROOF * difference.std() / np.sqrt(len(difference)))
