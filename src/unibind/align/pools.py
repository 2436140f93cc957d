"""Which items can be classified at once: enough of them, of more than one class, and as even as the method assumes.

Transduction finds classes in a pool of items. Where the pool has too little of them, it would invent some: its items
are then answered one by one. The limits are chosen on Heptad's seeds 101 to 103; the docs have the figures.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

from .transduction import METHODS, ClassPrior, class_shares

ITEMS_PER_CLASS = 4  # the least, for the classes in play
MOST_OF_ONE_CLASS = 0.9  # share of the items: those of rare classes would be swallowed
LEAST_EVENNESS = 0.85  # classes in play, as a share of those that an assumed class prior has


def why_not_at_once(
    probabilities: Float[np.ndarray, "n c"], *, method: str = "em", class_prior: ClassPrior = None
) -> str | None:
    """Why these items should not be classified at once, as a clause whose subject they are; None if they may be.

    `probabilities` [N, C] are those of each item by itself. The classes in play are counted by the most likely class of
    each item: the exponential of the entropy of their frequencies, so that rare ones count less.
    """
    shares = np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1]) / len(probabilities)
    items, in_play = len(probabilities), effective_number(shares)
    if items < ITEMS_PER_CLASS * in_play:
        be = "is" if items == 1 else "are"
        return f"{be} too few for about {_classes(in_play)}, each of which needs {ITEMS_PER_CLASS}"
    if shares.max() > MOST_OF_ONE_CLASS:
        return f"are nearly all of one class ({100 * shares.max():.0f} %)"
    assumed = class_shares(class_prior, len(shares))
    if assumed is None and METHODS[method].assumes_even_classes:
        assumed = np.full(len(shares), 1 / len(shares))
    if assumed is not None and in_play < LEAST_EVENNESS * effective_number(assumed):
        who = f"the method {method!r} assumes; 'em' does not" if class_prior is None else "the class prior says"
        return f"are of about {_classes(in_play)}, not of {effective_number(assumed):.0f} as {who}"
    return None


def effective_number(shares: Float[np.ndarray, " c"]) -> float:
    """How many equal shares have the entropy of these: C where all are equal, 1 where one is all."""
    positive: Float64[np.ndarray, " p"] = shares[shares > 0].astype(np.float64)
    return float(np.exp(-(positive * np.log(positive)).sum()))


def _classes(number: float) -> str:
    rounded = round(number)
    return "1 class" if rounded == 1 else f"{rounded} classes"
