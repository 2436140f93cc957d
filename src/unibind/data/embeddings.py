"""Embeddings in memory: plain vectors, stored items of one modality, and embedded descriptions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import Float, Float32, Float64, Int
from numpy.typing import NDArray

from ..backbones.contract import Contract
from ..errors import ContractError, UnibindError

if TYPE_CHECKING:
    from torch import Tensor

    from ..backbones.protocol import Backbone

Vectors = Float32[np.ndarray, "n d"]
StoredVectors = Float[np.ndarray, "n d"]  # float32, or float16 or mapped from a file where there are many
CategoryIndex = Int[np.ndarray, " n"]  # row of each item's category in a list of categories

BLOCK = 1 << 24  # most similarities computed at once
_CACHED, MULTIPLIED = 1 << 18, 1 << 22  # numbers at once: what a processor's cache holds, and fast matrix products need


def unit(vectors: Float32[np.ndarray, "... d"]) -> Float32[np.ndarray, "... d"]:
    """The vectors scaled to unit length; zero vectors stay zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def row_blocks(count: int, width: int, numbers: int = _CACHED) -> Iterator[slice]:
    """Slices over `count` rows of `width` numbers, each with at most so many `numbers`."""
    step = max(1, numbers // max(1, width))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


class Rows(Protocol):
    """What gives vectors [N, D] a slice at a time: an array, or what makes them when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    def __getitem__(self, rows: slice, /) -> Vectors: ...


def category_sums(vectors: Rows, category_index: CategoryIndex, count: int) -> Float64[np.ndarray, "count d"]:
    """Sum of the vectors [N, D] of each of `count` categories; the sum of none is zero."""
    from scipy.sparse import csr_array

    width = vectors.shape[1]
    sums = np.zeros((count, width))
    for rows in row_blocks(len(category_index), width):
        present, position = np.unique(category_index[rows], return_inverse=True)
        ones = np.ones(len(position), np.float32)
        members = csr_array((ones, (position, np.arange(len(position)))), shape=(len(present), len(position)))
        sums[present] += members @ np.asarray(vectors[rows], np.float32)
    return sums


def tensor_of(vectors: Float32[np.ndarray, "... d"], device: str | None) -> Tensor:
    """The vectors as a torch tensor on a device (None: cpu)."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(vectors)).to(device or "cpu")


def class_means(vectors: Rows, category_index: CategoryIndex, count: int) -> Float32[np.ndarray, "count d"]:
    """Unit-length mean vector of each of `count` categories; a category without vectors gets zeros."""
    return unit(category_sums(vectors, category_index, count)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Stored embeddings of N items of one modality, at unit length, with what the store knows about each item.

    The description of an inline text is the text itself, unless the manifest gives another one. `contents` are the
    SHA-256 of the files; None for what has none.
    """

    modality: str
    ids: list[str]
    labels: list[str | None]
    vectors: Vectors
    contract: Contract
    uris: list[str | None]
    objects: list[str | None]
    descriptions: list[str | None]
    contents: list[str | None]

    def __len__(self) -> int:
        return len(self.ids)

    def known_labels(self) -> list[str]:
        """The labels; raises UnibindError, naming the first item, if an item has none."""
        missing = [name for name, label in zip(self.ids, self.labels, strict=True) if label is None]
        if missing:
            raise UnibindError(
                f"{len(missing)} stored {self.modality} items have no label (the first is {missing[0]}); "
                "add a label column to the manifest and encode it into a new store"
            )
        return [str(label) for label in self.labels]

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> Embeddings:
        """The items at the given rows, in the order of `rows`."""
        rows = np.asarray(rows, np.intp)
        return Embeddings(
            self.modality,
            [self.ids[i] for i in rows],
            [self.labels[i] for i in rows],
            self.vectors[rows],
            self.contract,
            [self.uris[i] for i in rows],
            [self.objects[i] for i in rows],
            [self.descriptions[i] for i in rows],
            [self.contents[i] for i in rows],
        )

    def distinct(self) -> Embeddings:
        """The items without those whose content an item before them has."""
        first: dict[str, int] = {}
        kept = [i for i, content in enumerate(self.contents) if content is None or first.setdefault(content, i) == i]
        return self if len(kept) == len(self) else self.take(kept)


def bare_embeddings(vectors: Vectors, contract: Contract) -> Embeddings:
    """Vectors [N, D] as the heads of a model take them, without anything else about their items."""
    nothing: list[str | None] = [None] * len(vectors)
    ids = [""] * len(vectors)
    return Embeddings(contract.modality, ids, nothing, vectors, contract, nothing, nothing, nothing, nothing)


def joined(first: Embeddings, second: Embeddings) -> Embeddings:
    """The items of both, which are of one modality and contract."""
    first.contract.check_comparable(second.contract, here="the first items", there="the second")
    lists = {
        f.name: getattr(first, f.name) + getattr(second, f.name)
        for f in fields(Embeddings)
        if isinstance(getattr(first, f.name), list)
    }
    return replace(first, vectors=np.concatenate([first.vectors, second.vectors]), **lists)


@dataclass(frozen=True, eq=False)
class TextEmbeddings:
    """Embeddings of M descriptions, at unit length, with the id and the category of each description.

    Many `vectors` may be in float16 or mapped from a file: they are converted where they are used.
    """

    ids: list[str]
    categories: list[str]
    vectors: StoredVectors
    contract: Contract

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> TextEmbeddings:
        """The descriptions at the given rows, in the order of `rows`."""
        rows = np.asarray(rows, np.intp)
        return TextEmbeddings(
            [self.ids[i] for i in rows], [self.categories[i] for i in rows], self.vectors[rows], self.contract
        )

    def without(self, ids: Collection[str]) -> TextEmbeddings:
        """The descriptions whose ids are not in `ids`."""
        kept = [row for row, name in enumerate(self.ids) if name not in ids]
        return self if len(kept) == len(self.ids) else self.take(kept)

    def category_names(self) -> tuple[str, ...]:
        """The distinct categories, in the order of their first description."""
        return tuple(dict.fromkeys(self.categories))

    def category_index(self) -> CategoryIndex:
        """Position of each description's category in `category_names`, [M]."""
        position = {name: i for i, name in enumerate(self.category_names())}
        return np.array([position[name] for name in self.categories], np.intp)


def check_stored(stored: Embeddings, backbone: Backbone) -> None:
    """Raise ContractError unless the backbone makes such vectors, of that width."""
    backbone.contract(stored.modality).check_comparable(
        stored.contract, here="the backbone's vectors", there="the stored ones"
    )
    if stored.vectors.shape[1] != backbone.dim:
        raise ContractError(
            f"the stored {stored.modality} vectors have {stored.vectors.shape[1]} numbers, those of {backbone.name} "
            f"{backbone.dim}; encode with one backbone"
        )
