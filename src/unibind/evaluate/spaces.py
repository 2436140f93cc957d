"""The space at one moment, before or after a fit: what its items find in each other, how united and balanced it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..centering import Mean
from ..data.embeddings import Embeddings, TextEmbeddings
from .cross_modal import HEADLINE, CrossModal, Splits, cross_modal
from .parts import labeled, sampled, shared_names
from .unity import Balance, Cosines, Mix, balance, cosines, gaps, neighbor_mix, separability, tower_accuracy

_MOST_ITEMS = 1000  # per modality, in what compares all items with all others


@dataclass(frozen=True)
class Unity:
    """How much the modalities are one space; see `evaluate.unity` for each figure.

    `gaps` are by modality; `separability` is that of a linear classifier, `chance` what guessing gets; `neighbors` and
    `accuracy` (of each tower on its own) are by modality; `balance` is None where it is not defined.
    """

    gaps: dict[str, float]
    separability: float
    chance: float
    neighbors: dict[str, Mix]
    cosines: Cosines
    accuracy: dict[str, float]
    balance: Balance | None

    def to_json(self) -> dict[str, Any]:
        """The figures by the names of the fields, rounded to four digits; null where one is not defined."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, eq=False)
class Space:
    """What was measured at one moment: retrieval between all modalities, and unity where there are several."""

    retrieval: CrossModal
    unity: Unity | None


def measure_space(embeddings: Splits, names: TextEmbeddings | None = None, *, seed: int = 0) -> Space:
    """Retrieval and unity of vectors as they are; `names` are embedded class names to search by.

    Raises ContractError for modalities that cannot be compared.
    """
    retrieval = cross_modal(embeddings, names)
    return Space(retrieval, _unity(embeddings, retrieval, seed) if len(embeddings) > 1 else None)


def _unity(embeddings: Splits, retrieval: CrossModal, seed: int) -> Unity:
    kept = {m: sampled(e, _MOST_ITEMS, seed=seed) for m, e in embeddings.items()}
    vectors = {m: e.vectors for m, e in kept.items()}
    known = {m: labeled(e) for m, e in kept.items()}
    classes = {m: e.known_labels() for m, e in known.items()}
    accuracy = {m: tower_accuracy(e.vectors, classes[m]) for m, e in known.items()}
    return Unity(
        gaps(vectors),
        separability(vectors, {m: shared_names(e) for m, e in kept.items()}, seed=seed),
        1 / len(vectors),
        neighbor_mix(vectors),
        cosines(
            {m: e.vectors for m, e in known.items()},
            classes,
            {m: [str(name) for name in e.objects] for m, e in known.items() if all(e.objects)},
        ),
        accuracy,
        balance(retrieval.by_class[HEADLINE], np.array(list(accuracy.values()))),
    )


def centered(embeddings: Splits, means: Mapping[str, Mean]) -> dict[str, Embeddings]:
    """Embeddings as a search compares them: without the mean of their modality, where `means` has one.

    Their contracts stay as they are, for a head may have removed the mean of its modality already.
    """
    return {m: replace(e, vectors=means[m](e.vectors)) if m in means else e for m, e in embeddings.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    return value
