"""Settings of zero-shot recognition, chosen for every class on the other classes, and what each choice then reaches."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from unibind.evaluate.metrics import category_relevance, recall_at_k

FOLDS = 5
NEAREST = 10  # of recall


def folds_of(classes: int, seed: int = 0) -> Int[np.ndarray, " c"]:
    """The fold of every class: as many in each fold as can be, drawn at random."""
    return np.random.default_rng(seed).permutation(np.arange(classes) % min(FOLDS, classes))


def choose(
    scores: Float[np.ndarray, "s n c"],
    truth: Int[np.ndarray, " n"],
    folds: Int[np.ndarray, " c"],
    merit: Float[np.ndarray, " s"] | float = 0.0,
) -> Int[np.ndarray, " c"]:
    """For the classes of each fold, the setting with the best top-1 on the items and classes of all other folds.

    `merit` is added to the top-1. Among equally good settings the first is chosen, so the simplest one must come first.
    """
    chosen = np.zeros(len(folds), int)
    for fold in range(folds.max() + 1):
        others = np.flatnonzero(folds != fold)
        items = np.isin(truth, others)
        found = others[scores[:, items][:, :, others].argmax(axis=2)]  # [s, items]
        chosen[folds == fold] = ((found == truth[items]).mean(axis=1) + merit).argmax()
    return chosen


def right_answers(
    scores: Float[np.ndarray, "s n c"], truth: Int[np.ndarray, " n"], chosen: Int[np.ndarray, " c"]
) -> Bool[np.ndarray, " n"]:
    """Which items are recognized among all classes, each under the setting chosen for its class."""
    return scores[chosen[truth], np.arange(len(truth))].argmax(axis=1) == truth


def recalls(
    scores: Float[np.ndarray, "s g c"], truth: Int[np.ndarray, " g"], chosen: Int[np.ndarray, " c"]
) -> Float[np.ndarray, " c"]:
    """Recall of every class as a query for all items, under the setting chosen for it; -1 is an item of no class."""
    relevant = category_relevance(np.arange(len(chosen)), truth)
    queries = scores[chosen, :, np.arange(len(chosen))]  # [c, g]
    return np.array([recall_at_k(s[None], r[None], NEAREST) for s, r in zip(queries, relevant, strict=True)])


def best_logit_scale(scores: Float[np.ndarray, "n c"], truth: Int[np.ndarray, " n"]) -> int:
    """The whole number up to 200 that makes the softmax of scale times cosine most likely to give the true classes."""
    return min(range(1, 201), key=lambda scale: negative_log_likelihood(scores, truth, scale))


def negative_log_likelihood(scores: Float[np.ndarray, "n c"], truth: Int[np.ndarray, " n"], scale: float) -> float:
    """Mean over items, in nats."""
    logits = scale * (scores - scores.max(axis=1, keepdims=True))
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(truth)), truth]))
