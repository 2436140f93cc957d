"""Descriptions without their mean, from which centers are made.

What all descriptions have in common says nothing about their categories: their language, their length, that they are
texts at all. Every category counts the same in their mean, however many descriptions it has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ..centering import Mean
from ..data.embeddings import TextEmbeddings, Vectors, category_sums, row_blocks


def text_mean(texts: TextEmbeddings) -> Mean:
    """The mean of descriptions, in which every category counts the same; nothing for a single category."""
    count = len(texts.category_names())
    if count < 2:
        return Mean.nothing(texts.vectors.shape[1])
    sums = category_sums(texts.vectors, texts.category_index(), count)
    sizes = np.bincount(texts.category_index())[:, None]
    return Mean.of_sum((sums / sizes).mean(axis=0) * len(texts), len(texts))


def centered_texts(texts: TextEmbeddings) -> TextEmbeddings:
    """Descriptions without their mean, and a contract that says so; those that are centered stay as they are."""
    if texts.contract.centered is not None:
        return texts
    mean = text_mean(texts)
    vectors = CenteredVectors(texts.vectors, mean)[:]
    return replace(texts, vectors=vectors, contract=texts.contract.centered_by(mean.fingerprint))


@dataclass(frozen=True, eq=False)
class CenteredVectors:
    """Vectors [M, D] less a mean, at unit length and in float32, made where rows are asked for.

    So a large set stays as it is `stored`, in float16 or mapped from a file. `centered[rows]` is an array, and
    `np.asarray(centered)` all of it.
    """

    stored: Float[np.ndarray, "m d"]
    mean: Mean

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of vectors and of dimensions."""
        return self.stored.shape

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Vectors:
        chosen = self.stored[rows]
        vectors = np.empty(chosen.shape, np.float32)
        for block in row_blocks(*chosen.shape):
            vectors[block] = self.mean(np.asarray(chosen[block], np.float32))
        return vectors

    def reordered(self, rows: NDArray[np.intp]) -> CenteredVectors:
        """These vectors in the order of `rows`, which has every one of them; without a copy if that is their order."""
        return self if (np.diff(rows) > 0).all() else replace(self, stored=self.stored[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        vectors = self[:]
        return vectors if dtype is None else vectors.astype(dtype, copy=False)
