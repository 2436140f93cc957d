"""From a repository on disk to towers: only requested towers are read, LoRAs are merged, layers load one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from ...errors import UnibindError
from .._shared.checkpoint import Checkpoint, Shape
from .._shared.checkpoints import fingerprint
from .._shared.tower_weights import fill_tower
from .checkpoint import TEXTS, Piece
from .towers import PictureTower, Size, TextTower


@dataclass(frozen=True)
class TowerFile:
    """Where one tower's weights are: a checkpoint, and from our names to the pieces in it.

    `lora_scale` is alpha / r of the repository's LoRA.
    """

    tower: str
    checkpoint: Checkpoint
    pieces: Mapping[str, tuple[Piece, ...]]
    lora_scale: float

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Our name -> shape, without reading the weights."""
        return {ours: self._shape([self.checkpoint.shapes[p.weight] for p in pieces]) for ours, pieces in self._items}

    @property
    def _items(self) -> Iterable[tuple[str, tuple[Piece, ...]]]:
        return self.pieces.items()

    @staticmethod
    def _shape(shapes: list[Shape]) -> Shape:
        """The shape of stacked pieces; filters over one frame [D, 3, 1, k, k] are filters over pictures."""
        first = shapes[0]
        if len(first) == 5 and first[2] == 1:
            return (*first[:2], *first[3:])
        return (sum(shape[0] for shape in shapes), *first[1:]) if first else first

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of all stored weights, and of the scale of the LoRA where there is one."""
        return fingerprint(self._stored())

    def _stored(self) -> Iterator[tuple[str, Tensor]]:
        stored = [
            (f"{ours}.{i}.{j}", n) for ours, ps in self._items for i, p in enumerate(ps) for j, n in enumerate(p.names)
        ]
        copies = self.checkpoint.stream([name for _, name in stored])
        yield from zip((ours for ours, _ in stored), (tensor for _, tensor in copies), strict=True)
        if any(piece.down for _, pieces in self._items for piece in pieces):
            yield "lora_scale", torch.tensor(self.lora_scale, dtype=torch.float64)

    def mapped(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Weights by our names, float32; memory-mapped where they are one piece in float32 without a LoRA."""
        return {ours: self._weight(self.pieces[ours]).reshape(self.shapes[ours]) for ours in names}

    def _weight(self, pieces: tuple[Piece, ...]) -> Tensor:
        merged = [self._merged(piece) for piece in pieces]
        return merged[0] if len(merged) == 1 else torch.cat(merged)

    def _merged(self, piece: Piece) -> Tensor:
        tensors = {name: tensor.float() for name, tensor in self.checkpoint.mapped(piece.names).items()}
        weight = tensors[piece.weight]
        return weight + self.lora_scale * (tensors[piece.up] @ tensors[piece.down]) if piece.down else weight


def load_tower(file: TowerFile, size: Size, *, precision: str, device: str) -> nn.Module:
    """A frozen tower in eval mode, on a device and in a precision; see `fill_tower`."""
    return fill_tower(build_tower(file, size), file, _where(file), precision=precision, device=device)


def build_tower(file: TowerFile, size: Size) -> nn.Module:
    """A tower on the meta device, its widths by the shapes of its weights; raises UnibindError where one is missing."""
    try:
        with torch.device("meta"):
            return (TextTower if file.tower == TEXTS else PictureTower)(file.shapes, size)
    except KeyError as error:
        raise UnibindError(f"{_where(file)} lacks {error.args[0]}; download the file again") from None


def _where(file: TowerFile) -> str:
    return f"{file.checkpoint.path} ({file.tower})"
