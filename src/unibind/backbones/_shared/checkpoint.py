"""Checkpoint: named tensors in a file, whatever its format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from ...errors import UnibindError

Shape: TypeAlias = tuple[int, ...]


class Checkpoint(ABC):
    """Named tensors in a file; `metadata`, `shapes` and `dtypes` are known without reading the tensors."""

    path: Path
    metadata: dict[str, str]
    shapes: dict[str, Shape]
    dtypes: dict[str, torch.dtype]

    @abstractmethod
    def mapped(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors that share memory with the file: pages are read when they are accessed. Do not write to them."""

    @abstractmethod
    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Private copies, one at a time, in the order of `names`."""


def damaged(path: Path, reason: str) -> UnibindError:
    """The error for a damaged file."""
    return UnibindError(f"{path} is damaged or cut off ({reason}); download the file again")


def memory_of(tensor: Tensor) -> memoryview:
    """The memory of a contiguous CPU tensor."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data
