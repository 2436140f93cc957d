"""Pooling the embeddings of an item's clips into one embedding."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ...errors import UnknownNameError

_POOLS = {
    "mean": lambda clips: clips.mean(dim=1),
    "max": lambda clips: clips.amax(dim=1),
}


def check_pooling(name: str) -> str:
    """Return `name` if it is "mean" or "max"; raise UnknownNameError otherwise."""
    if name not in _POOLS:
        raise UnknownNameError("pooling", name, _POOLS)
    return name


def pool(clips: Tensor, pooling: str) -> Tensor:
    """Embeddings of clips [B, C, D] -> [B, D], unit length: their mean, or their element-wise maximum."""
    return functional.normalize(_POOLS[check_pooling(pooling)](clips), dim=-1)
