"""Embeddings in memory: plain vectors, stored items of one modality, and embedded descriptions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..backbones.contract import Contract
from ..errors import UnibindError

Vectors = NDArray[np.float32]  # [N, D]

BLOCK = 1 << 24  # similarities held at a time


def unit(vectors: Vectors) -> Vectors:
    """The vectors [..., D] at unit length; zeros stay zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def class_means(vectors: Vectors, owner: NDArray[np.intp], count: int) -> Vectors:
    """Unit mean of each class's vectors, [count, D]; `owner` [N] are class indices; zero where a class has none."""
    sums = np.zeros((count, vectors.shape[1]), np.float32)
    np.add.at(sums, owner, vectors)
    return unit(sums)


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Stored embeddings of one modality, by id: `vectors` float32 [N, D], unit length, and what is known of the items.

    An inline text that has no description of its own is its own description.
    """

    modality: str
    ids: list[str]
    labels: list[str | None]
    vectors: NDArray[np.float32]
    contract: Contract
    uris: list[str | None]
    objects: list[str | None]
    descriptions: list[str | None]

    def known_labels(self) -> list[str]:
        """The labels, where every item has one; raises UnibindError otherwise."""
        missing = [name for name, label in zip(self.ids, self.labels, strict=True) if label is None]
        if missing:
            raise UnibindError(
                f"{len(missing)} stored {self.modality} items have no label (the first is {missing[0]}); "
                "add a label column to the manifest and encode it into a new store"
            )
        return [str(label) for label in self.labels]


@dataclass(frozen=True, eq=False)
class TextEmbeddings:
    """Embedded descriptions: `vectors` float32 [M, D], unit length, of the descriptions `ids` [M] of `categories`
    [M]."""

    ids: list[str]
    categories: list[str]
    vectors: NDArray[np.float32]
    contract: Contract

    def without(self, ids: Collection[str]) -> TextEmbeddings:
        """These, less the descriptions with those ids."""
        kept = [i for i, name in enumerate(self.ids) if name not in ids]
        if len(kept) == len(self.ids):
            return self
        names, categories = ([column[i] for i in kept] for column in (self.ids, self.categories))
        return TextEmbeddings(names, categories, self.vectors[kept], self.contract)
