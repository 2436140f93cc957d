"""Stored vectors and queries as a search compares them: after a model's heads, and without means where it is centered.

A search of a store may use the means of now, or those that a search view was made with: then both sides lose these.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..backbones import Contract
from ..centering import Mean
from ..data.embeddings import Embeddings, Vectors, bare_embeddings
from ..data.store import Store
from .centering import Centering, Searcher


class Comparison:
    """How a model compares the items of a store; `fixed` are means to remove instead of those of now.

    Raises ContractError, by `contract_of` and `items`, where the store was made by another backbone.
    """

    def __init__(
        self, model: Searcher, store: Store, *, center: bool = True, fixed: Mapping[str, Mean] | None = None
    ) -> None:
        self._model, self._stored = model, store.contracts()
        self._centering = Centering(model, store, fixed) if center else None

    def contract_of(self, modality: str, width: int) -> Contract:
        """The contract of the compared vectors of a stored modality, whose vectors have this `width`."""
        contract = self._after_head(np.zeros((0, width), np.float32), modality).contract
        return contract if self._centering is None else self._centering.contract(contract)

    def items(self, vectors: Vectors, modality: str) -> tuple[Vectors, Vectors]:
        """Stored vectors [N, D] after the head of their modality; and as they are compared."""
        plain = self._after_head(vectors, modality).vectors
        return plain, plain if self._centering is None else self._centering.vectors(plain, modality)

    def query(self, vectors: Vectors, modality: str) -> tuple[Vectors, Contract]:
        """Vectors [Q, D] of a query, which the model has embedded, as they are compared; and their contract."""
        contract = self._model.contract(modality)
        if self._centering is None:
            return vectors, contract
        return self._centering.vectors(vectors, modality), self._centering.contract(contract)

    def mean(self, modality: str) -> Mean | None:
        """What is removed from a modality here; None where nothing is, or by the head."""
        if self._centering is None or modality in self._model.heads:
            return None
        return self._centering.mean(modality)

    def _after_head(self, vectors: Vectors, modality: str) -> Embeddings:
        return self._model.project(bare_embeddings(vectors, self._stored[modality]))
