"""The space at one moment, before or after a fit: what its items find in each other, how united and balanced it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..backbones import as_queries
from ..data.embeddings import Embeddings, TextEmbeddings
from ..data.encode import embed
from ..data.store import Store
from ..knowledge.base import spoken
from ..modalities import ANCHOR
from ..modalities.text import Text
from ..model import UniBind
from ..retrieval.centering import Centering
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
    """What was measured at one moment: retrieval between all modalities, and unity where there are several.

    `embeddings` are the vectors that were compared, by modality.
    """

    retrieval: CrossModal
    unity: Unity | None
    embeddings: dict[str, Embeddings]


def searched_space(
    model: UniBind, store: Store, samples: Splits, classes: Sequence[str] = (), *, seed: int = 0
) -> Space | None:
    """The space of stored items as a search with this model compares them; None where none can be compared with texts.

    `samples` are as the backbone embedded them, and `classes` are searched by name.
    """
    centering = Centering(model, store)
    found = {m: model.project(e) for m, e in samples.items()}
    compared = {
        m: replace(e, vectors=centering.vectors(e.vectors, m), contract=centering.contract(e.contract))
        for m, e in found.items()
        if e.contract.in_anchor_space and (model.unified is None or m in model.heads)
    }
    if not compared:
        return None
    names = _names(model, centering, classes) if classes and ANCHOR in model.modalities else None
    return measure_space(compared, names, seed=seed)


def _names(model: UniBind, centering: Centering, classes: Sequence[str]) -> TextEmbeddings:
    """Class names as a search compares them with items."""
    asked = embed([Text(spoken(name)) for name in classes], as_queries(model.backbone))
    head = model.heads.get(ANCHOR)
    vectors = centering.vectors(asked if head is None else head(asked), ANCHOR)
    return TextEmbeddings(list(classes), list(classes), vectors, centering.contract(model.contract(ANCHOR)))


def measure_space(embeddings: Splits, names: TextEmbeddings | None = None, *, seed: int = 0) -> Space:
    """Retrieval and unity of vectors as they are; `names` are embedded class names to search by.

    Raises ContractError for modalities that cannot be compared.
    """
    retrieval = cross_modal(embeddings, names)
    unity = _unity(embeddings, retrieval, seed) if len(embeddings) > 1 else None
    return Space(retrieval, unity, dict(embeddings))


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


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    return value
