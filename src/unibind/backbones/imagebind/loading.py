"""From weights on disk to towers: only those asked for are read, a part at a time where they change precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor, nn

from ...errors import UnibindError
from ..checkpoints import Checkpoint, check_entries, fingerprint, open_checkpoint
from ..precision import lower
from .checkpoint import locate
from .towers import MAKES, Size, build_tower


@dataclass(frozen=True)
class TowerFile:
    """Where one tower's weights are: a checkpoint, and our names to the names in it."""

    tower: str
    checkpoint: Checkpoint
    names: Mapping[str, str]

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.checkpoint.path.name} ({self.tower} tower)"

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Our name -> shape; nothing else is read."""
        return {ours: self.checkpoint.shapes[name] for ours, name in self.names.items()}

    @cached_property
    def fingerprint(self) -> str:
        """Of all weights under our names: as `unibind weights convert` noted it, else computed once."""
        return self.checkpoint.metadata.get("fingerprint") or fingerprint(self.stream(self.names))

    def mapped(self, names: Iterator[str] | Mapping[str, str]) -> dict[str, Tensor]:
        """Weights by our names, memory-mapped."""
        names = list(names)
        found = self.checkpoint.mapped([self.names[ours] for ours in names])
        return {ours: found[self.names[ours]] for ours in names}

    def stream(self, names: Iterator[str] | Mapping[str, str]) -> Iterator[tuple[str, Tensor]]:
        """Copies of weights by our names, one at a time."""
        for ours in names:
            yield from ((ours, tensor) for _, tensor in self.checkpoint.stream([self.names[ours]]))
