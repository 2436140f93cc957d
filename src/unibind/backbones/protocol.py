"""Backbone: the protocol that every backbone implements. There is no base class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from ..modalities.spec import Raw
    from .contract import Contract
    from .spec import License


@runtime_checkable
class Backbone(Protocol):
    """Frozen encoders of several modalities, with embeddings of width `dim`."""

    name: str  # as given to `create_backbone`
    dim: int
    modalities: tuple[str, ...]
    license: License

    @property
    def logit_scale(self) -> float:
        """1 / temperature, finite, as trained."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """JSON; `create_backbone(name, **options)` rebuilds the backbone where its weights are available.

        Has `weights` where they were given, because stores and models remember the backbone by this.
        """
        ...

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Turn one raw item into the tower's input, on the CPU, without a batch axis.

        The backbone must be picklable for this, because worker processes call it. One-dimensional integer results
        (token ids) may differ in length: batches pad them on the right with 0. Other results with different shapes are
        put in separate batches.
        """
        ...

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a batch of preprocessed items: [B, ...] -> float32 [B, dim], unit length, no gradients."""
        ...

    def contract(self, modality: str) -> Contract:
        """Return everything that decides what the embeddings of this modality mean."""
        ...


@runtime_checkable
class SigmoidBackbone(Protocol):
    """A backbone that may have been trained with a sigmoid loss, as SigLIP. Optional."""

    @property
    def logit_bias(self) -> float | None:
        """P(an item and a text match) = sigmoid(logit_scale * cosine + logit_bias); None without a sigmoid loss."""
        ...


@runtime_checkable
class PortableBackbone(Protocol):
    """A backbone with files of its own, such as bridges, that a saved model must contain. Optional."""

    def bundle(self, folder: Path) -> Mapping[str, Any]:
        """Copy the files into `folder`.

        Returns options that rebuild the backbone when `folder=` (where the files are by then) is passed with them.
        """
        ...


@runtime_checkable
class QueryBackbone(Protocol):
    """A backbone that embeds queries differently from the items that are searched, in the same space. Optional."""

    def as_queries(self) -> Backbone:
        """This backbone for queries: same towers and space, other contracts."""
        ...


def as_queries(backbone: Backbone) -> Backbone:
    """The backbone that embeds queries; most backbones embed both sides of a search alike."""
    return backbone.as_queries() if isinstance(backbone, QueryBackbone) else backbone


@runtime_checkable
class InterleavedBackbone(Protocol):
    """A backbone that embeds several parts, such as a picture and a text, as one vector. Optional.

    Its methods then take an `Interleaved` item, and the name of its modality, such as "image+text".
    """

    @property
    def combined(self) -> tuple[str, ...]:
        """The modalities that parts of one item may have; empty if its model reads one at a time."""
        ...
