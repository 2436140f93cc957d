"""From weights on disk to towers: only requested towers are read, layer by layer if their precision changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor, nn

from ...errors import UnibindError
from .._shared.checkpoints import Checkpoint, fingerprint, open_checkpoint
from .._shared.tower_weights import fill_tower
from .checkpoint import locate
from .towers import TOWERS, Size, build_tower


@dataclass(frozen=True)
class TowerFile:
    """Where one tower's weights are: a checkpoint, and a mapping from our names to the names in it."""

    tower: str
    checkpoint: Checkpoint
    names: Mapping[str, str]

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Our name -> shape, without reading the weights."""
        return {ours: self.checkpoint.shapes[name] for ours, name in self.names.items()}

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of all weights under our names, from the metadata or computed by reading the weights."""
        return self.checkpoint.metadata.get("fingerprint") or fingerprint(self.stream(self.names))

    def mapped(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Weights by our names, memory-mapped."""
        stored = {ours: self.names[ours] for ours in names}
        tensors = self.checkpoint.mapped(list(stored.values()))
        return {ours: tensors[name] for ours, name in stored.items()}

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Copies of weights by our names, one at a time."""
        ours = list(names)
        copies = self.checkpoint.stream([self.names[name] for name in ours])
        yield from zip(ours, (tensor for _, tensor in copies), strict=True)


def open_weights(path: Path) -> dict[str, TowerFile]:
    """Every tower of a public checkpoint, or of a folder that `unibind weights convert` wrote, by name.

    Reads names and shapes only. Raises UnibindError if there is no tower, or if a file has entries of no tower.
    """
    if path.is_dir():
        parts = {t: path / f"{t}.safetensors" for t in TOWERS}
        files = {t: open_checkpoint(part) for t, part in parts.items() if part.is_file()}
        towers = {
            t: TowerFile(t, checkpoint, {name: name for name in checkpoint.shapes}) for t, checkpoint in files.items()
        }
    else:
        checkpoint = open_checkpoint(path)
        located, unknown = locate(checkpoint.shapes)
        towers = {t: TowerFile(t, checkpoint, names) for t, names in located.items()}
        if towers and unknown:
            raise UnibindError(
                f"{path.name} has {len(unknown)} entries that belong to no tower, such as {unknown[0]}; "
                "choose an ImageBind, Point-Bind or UniBind checkpoint"
            )
    if not towers:
        raise UnibindError(f"{path} has none of ImageBind's towers; pass imagebind_huge.pth or a converted folder")
    return towers


def load_tower(file: TowerFile, *, precision: str, device: str, size: Size | None = None) -> nn.Module:
    """A frozen tower in eval mode, on a device and in a precision; see `fill_tower`."""
    tower = build_tower(file.tower, file.shapes, size)
    where = f"{file.checkpoint.path.name} ({file.tower} tower)"
    return fill_tower(tower, file, where, precision=precision, device=device)
