"""What a search needs of the items that it looks at: `Searchable`, whatever holds their vectors.

A searchable has the present items of one store as one model compares them: after its heads and, in a centered search,
without the mean of their modality. A query is one unit vector in the same space (see `retrieval.queries`). How hits of
several modalities are mixed, fused with words and spread out is decided above it, once for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Float32

from ..backbones import Contract
from ..data.embeddings import Vectors
from .filters import Filter


@dataclass(frozen=True, eq=False)
class Ranking:
    """Items of one modality, best first: their keys, and a score [n] of each. No key occurs twice."""

    keys: Sequence[str] = ()
    scores: Float32[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Row:
    """What is known about one item; `filters.COLUMNS` says which of it a filter may name.

    `content` is the SHA-256 of its file, None where there is none: of items with the same content, one becomes a hit.

    `uri` is a path that can be opened from the working directory, or a URL; None for an inline text. `text` is the
    item's description, or the inline text itself. `start_s` and `end_s` are where a segment is in its file, in
    seconds, and its `uri` ends in "#t=START,END"; None for a whole item.
    """

    key: str
    id: str
    modality: str
    uri: str | None
    label: str | None
    split: str | None
    object: str | None
    text: str | None
    start_s: float | None = None
    end_s: float | None = None
    content: str | None = None


class Searchable(Protocol):
    """Items of one or several modalities, which can be searched by vectors and by words."""

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """The contract of the compared vectors of each modality that has items; centered, where a mean was removed."""
        ...

    @property
    def means(self) -> Mapping[str, Float32[np.ndarray, " d"]]:
        """The mean [D] of each of these modalities, after its head and before anything was removed."""
        ...

    @property
    def version(self) -> int:
        """The version of the store that is searched."""
        ...

    def as_compared(self, vectors: Vectors, modality: str) -> tuple[Vectors, Contract]:
        """Vectors [Q, D] of a query after the model's heads, and their contract, as they are compared with the items.

        That is without the mean of their modality where the items are without theirs: the mean that belongs to these
        items (see `retrieval.centering`), which a query's modality has even where no item is of it.
        """
        ...

    def nearest(self, vectors: Vectors, k: int, *, modality: str, where: Filter | None = None) -> Sequence[Ranking]:
        """The `k` items of a modality that are nearest to each of the queries [Q, D], among those that `where` keeps.

        Scores are cosines, with refinement where an index is approximate. Equal scores are in the order of ids. There
        are fewer than `k` only where fewer items are kept: a filter is applied before, not after. It compares files as
        the store keeps them (see `retrieval.uris`).
        """
        ...

    def matching(self, words: str, k: int, *, modality: str, where: Filter | None = None) -> Ranking:
        """The `k` items of a modality that match the words best, by BM25 over their labels and texts together.

        Items without any of the words are left out. How frequent a word is in general is counted over all items of the
        searchable, whatever their modality, so scores of several modalities can be compared.
        """
        ...

    def rows(self, keys: Sequence[str]) -> tuple[Sequence[Row], Vectors]:
        """What is known about the items with these keys, in order, and their compared vectors [N, D] in float32."""
        ...
