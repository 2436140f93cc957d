"""Filling a tower with weights from disk, layer by layer if their precision changes."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from torch import Tensor, nn

from .checkpoint import Shape
from .checkpoints import check_entries
from .precision import to_precision


class TowerWeights(Protocol):
    """One tower's weights on disk, by the names of the tower's parameters."""

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """Name -> shape, known without reading the weights."""
        ...

    def mapped(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Weights by name, memory-mapped where they are stored as they are used."""
        ...


def fill_tower(tower: nn.Module, weights: TowerWeights, where: str, *, precision: str, device: str) -> nn.Module:
    """A tower on the meta device with its weights, frozen, in eval mode, on a device and in a precision.

    In float32 on a CPU, the weights stay memory-mapped. Otherwise layers (the tower's `blocks`) are converted one by
    one, so that never more than one is in memory as float32. Raises UnibindError, which begins with `where`, for
    entries that are missing, unexpected or of a wrong shape.
    """
    remaining = {name: tuple(entry.shape) for name, entry in tower.state_dict().items()}
    check_entries(remaining, weights.shapes, where)
    for prefix, part in _parts(tower):
        names = [name for name in remaining if name.startswith(prefix)]
        remaining = {name: shape for name, shape in remaining.items() if not name.startswith(prefix)}
        state = {name.removeprefix(prefix): tensor for name, tensor in weights.mapped(names).items()}
        part.load_state_dict(state, assign=True, strict=bool(prefix))
        del state
        to_precision(part, precision, device)
        _release_memory()
    return tower.eval().requires_grad_(False)


def _parts(tower: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers by the prefix of their entries, then the tower itself."""
    for i, layer in enumerate(getattr(tower, "blocks", ())):
        yield f"blocks.{i}.", layer
    yield "", tower


def _release_memory() -> None:
    """Return freed memory to the system; what glibc retains adds up to a quarter of a converted tower."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
