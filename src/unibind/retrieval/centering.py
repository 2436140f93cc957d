"""What search removes from the vectors of each modality, so that none crowds out the rest.

It is the mean that the model learned, else the mean of the store (see `data.store_means`); a head removes the mean of
its modality itself. Queries are mostly texts, and many stores have few texts or none, so a mean of texts is made of the
store's and of `GENERIC_TEXTS` together, until the store's are so many that these weigh nothing. Nothing is removed from
a modality of which nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

from ..align.heads import Head
from ..backbones import Backbone, Contract
from ..centering import Mean
from ..data.embeddings import Embeddings, Vectors
from ..data.store import Store
from ..data.store_means import Sum, store_sums
from ..modalities import ANCHOR

GENERIC_TEXTS = (
    "a photo",
    "a picture of an object",
    "a sound",
    "a video of something that moves",
    "a person",
    "an animal",
    "a plant",
    "a machine",
    "a building",
    "a landscape",
    "food",
    "music",
    "something small",
    "something red",
    "an old thing",
    "two things side by side",
)
_ENOUGH_TEXTS = 16 * len(GENERIC_TEXTS)  # of a store, beside which the generic ones weigh nothing


class Searcher(Protocol):
    """What search needs of a model; `generic_texts` are the embedded GENERIC_TEXTS."""

    @property
    def backbone(self) -> Backbone: ...  # noqa: D102
    @property
    def heads(self) -> Mapping[str, Head]: ...  # noqa: D102
    @property
    def means(self) -> Mapping[str, Mean]: ...  # noqa: D102
    @property
    def generic_texts(self) -> Vectors: ...  # noqa: D102
    def project(self, stored: Embeddings) -> Embeddings: ...  # noqa: D102
    def contract(self, modality: str) -> Contract: ...  # noqa: D102


def without(mean: Mean, vectors: Vectors, modality: str) -> Vectors:
    """Vectors [N, D] of a modality without its mean, as they are compared.

    Texts come in kinds (names, captions, questions), so no more of the mean is removed than a text contains.
    """
    return mean.at_most(vectors) if modality == ANCHOR else mean(vectors)


class Centering:
    """Removes the means of modalities from what a model embeds, for a search in one store.

    `fixed` are means to remove instead of those of now, by modality.
    """

    def __init__(self, model: Searcher, store: Store, fixed: Mapping[str, Mean] | None = None) -> None:
        self._model, self._store, self._fixed = model, store, dict(fixed or {})

    def vectors(self, vectors: Vectors, modality: str) -> Vectors:
        """Vectors [N, D] after the model's heads, without the mean of their modality."""
        return vectors if modality in self._model.heads else without(self.mean(modality), vectors, modality)

    def contract(self, contract: Contract) -> Contract:
        """The contract of vectors after the mean was removed, by the head or here."""
        head = self._model.heads.get(contract.modality)
        return contract.centered_by((head or self.mean(contract.modality)).fingerprint)

    def mean(self, modality: str) -> Mean:
        """The mean of a modality without a head."""
        if modality in self._fixed:
            return self._fixed[modality]
        if modality in self._model.means:
            return self._model.means[modality]
        if modality == ANCHOR:
            return self._mean_of_texts
        found = self._sums.get(modality)
        return Mean.nothing(self._model.backbone.dim) if found is None else found.mean()

    @cached_property
    def _sums(self) -> Mapping[str, Sum]:
        """Read where it is first needed: a model or a view may have all means."""
        return store_sums(self._store)

    @cached_property
    def _mean_of_texts(self) -> Mean:
        found = self._sums.get(ANCHOR)
        if found is not None and found.items >= _ENOUGH_TEXTS:
            return found.mean()
        total, items = self._model.generic_texts.sum(axis=0, dtype="float64"), len(GENERIC_TEXTS)
        return Mean.of_sum(total, items) if found is None else Mean.of_sum(total + found.total, items + found.items)
