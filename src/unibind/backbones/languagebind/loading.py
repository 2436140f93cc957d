"""From a repository on disk to towers: only requested towers are read, LoRAs are merged, layers load one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from ...errors import UnibindError
from .._shared.checkpoint import Checkpoint, Shape
from .._shared.checkpoints import check_entries, fingerprint
from .._shared.clip_tokenizer import MAX_TOKENS
from .._shared.tower_weights import fill_tower
from .._shared.transformer import END_OF_TEXT
from .checkpoint import TEXTS, Piece
from .towers import FRAME_POSITIONS, PictureTower, Size, TextTower


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
        stored = self.checkpoint.shapes
        return {ours: _stacked([stored[piece.weight] for piece in pieces]) for ours, pieces in self.pieces.items()}

    @property
    def layers(self) -> int:
        """How many layers there are weights of."""
        return len({ours.split(".")[1] for ours in self.pieces if ours.startswith("blocks.")})

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of all stored weights, and of the scale of the LoRA where there is one."""
        return fingerprint(self._stored())

    def _stored(self) -> Iterator[tuple[str, Tensor]]:
        names = {
            f"{ours}.{i}.{j}": name
            for ours, pieces in self.pieces.items()
            for i, piece in enumerate(pieces)
            for j, name in enumerate(piece.names)
        }
        copies = self.checkpoint.stream(names.values())
        yield from zip(names, (tensor for _, tensor in copies), strict=True)
        if any(piece.down for pieces in self.pieces.values() for piece in pieces):
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


def _stacked(shapes: list[Shape]) -> Shape:
    """The shape of stacked pieces; filters over one frame [D, 3, 1, k, k] are filters over pictures."""
    first = shapes[0]
    if len(first) == 5 and first[2] == 1:
        return (*first[:2], *first[3:])
    if len(shapes) == 1:
        return first
    return (len(shapes) * first[0], *first[1:]) if first and len(set(shapes)) == 1 else ()  # () is that of no layer


def load_tower(file: TowerFile, size: Size, *, precision: str, device: str) -> nn.Module:
    """A frozen tower in eval mode, on a device and in a precision; see `fill_tower`."""
    return fill_tower(build_tower(file, size), file, _where(file), precision=precision, device=device)


def build_tower(file: TowerFile, size: Size) -> nn.Module:
    """A tower on the meta device, its widths by the shapes of its weights.

    Raises UnibindError where a weight that decides a width is missing or has none.
    """
    try:
        with torch.device("meta"):
            return (TextTower if file.tower == TEXTS else PictureTower)(file.shapes, size)
    except KeyError as error:
        raise UnibindError(f"{_where(file)} lacks {error.args[0]}; download the file again") from None
    except IndexError:
        raise UnibindError(f"{_where(file)} has weights without a width; download the file again") from None


def check_tower(file: TowerFile, size: Size) -> None:
    """Raise UnibindError unless the weights are those of a tower of this size, their LoRAs included."""
    built = {name: tuple(entry.shape) for name, entry in build_tower(file, size).state_dict().items()}
    width = file.shapes["norm_out.weight"][0]
    check_entries(built | _stem(file, width), file.shapes, _where(file))
    if size.heads < 1 or width % size.heads:
        raise UnibindError(f"{_where(file)}: {size.heads} heads do not divide a width of {width}; check config.json")
    shapes = file.checkpoint.shapes
    for piece in (piece for pieces in file.pieces.values() for piece in pieces if piece.down):
        (up, down), weight = (shapes[name] for name in (piece.up, piece.down)), shapes[piece.weight]
        if len(up) != 2 or len(down) != 2 or up[1] != down[0] or (up[0], down[1]) != weight:
            raise UnibindError(f"{_where(file)} has a LoRA that does not fit {piece.weight}; download the file again")


def _stem(file: TowerFile, width: int) -> dict[str, Shape]:
    """The shapes that the weights of a stem must have."""
    if file.tower == TEXTS:
        return {"stem.words": (END_OF_TEXT + 1, width), "stem.positions": (MAX_TOKENS, width)}
    side, one = length(file.shapes, "stem.patch", 3), (width,)
    each = (length(file.shapes, FRAME_POSITIONS, 1), width)  # one class token for every frame
    return {
        "stem.patch": (width, 3, side, side),
        "stem.class_token": one if file.shapes["stem.class_token"] == one else each,
        "stem.positions": (length(file.shapes, "stem.positions", 0), width),
    }


def length(shapes: Mapping[str, Shape], name: str, axis: int) -> int:
    """Length of one axis of a weight; 0 if there is no such weight or axis."""
    shape = shapes.get(name, ())
    return shape[axis] if len(shape) > axis else 0


def _where(file: TowerFile) -> str:
    return f"{file.checkpoint.path} ({file.tower})"
