"""Family: the towers of a group of architectures, and how each modality is fed to one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from .._shared.picture_inputs import PICTURE_INPUTS, embed_pictures
from .._shared.processor_inputs import ImageProcessorInput, ProcessorInput
from .._shared.repository import Repository
from .inputs import token_ids

_DEFAULT_SCALE = 20.0  # sentence-transformers' scale of its contrastive losses

Pool = Callable[[Any, Tensor], Tensor]  # (a model's output, mask [B, T]) -> [B, D]


@dataclass(frozen=True)
class TowerSpec:
    """How one tower is built: `load` returns a module from a preprocessed batch to [B, D] (any length, any float type).

    `weights` are the prefixes of its tensors' names in the checkpoint.
    """

    load: Callable[[Repository], nn.Module]
    weights: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Encoder:
    """How one modality is encoded: the tower's name, and `make_input(repository, frames)`, which creates its input."""

    tower: str
    make_input: Callable[[Repository, int], ProcessorInput]


@dataclass(frozen=True)
class Family:
    """Architectures that are used in the same way. `anchor` is the tower whose weights identify the space.

    `logit_scale` and `logit_bias` are names of tensors in the checkpoint: log(1 / temperature), and what a sigmoid loss
    adds to scaled cosines.
    """

    dim: Callable[[Any], int]
    towers: Mapping[str, TowerSpec]
    encoders: Mapping[str, Encoder]
    anchor: str = "text"
    logit_scale: str | None = None
    logit_bias: str | None = None

    def read_logit_scale(self, repository: Repository) -> float:
        """1 / temperature of the checkpoint; 20 if it was trained without one."""
        return _DEFAULT_SCALE if self.logit_scale is None else float(_scalar(repository, self.logit_scale).exp())

    def read_logit_bias(self, repository: Repository) -> float | None:
        """The bias of the checkpoint's loss; None if it has none."""
        return None if self.logit_bias is None else float(_scalar(repository, self.logit_bias))


def picture_encoders(tower: str) -> dict[str, Encoder]:
    """All modalities that one image tower can read."""

    def make_input(modality: str, repository: Repository, frames: int) -> ProcessorInput:
        return ImageProcessorInput(repository, modality, frames)

    return {modality: Encoder(tower, partial(make_input, modality)) for modality in PICTURE_INPUTS}


class PictureTower(nn.Module):
    """Pictures [B, F, 3, H, W] -> [B, D], the mean over each item's pictures."""

    def __init__(self, model: nn.Module, pool: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.model = model
        self.pool = pool

    def forward(self, batch: Tensor) -> Tensor:
        """Embed items, picture by picture."""
        return embed_pictures(lambda pictures: self.pool(self.model(pixel_values=pictures)), as_weights(self, batch))


class TextTower(nn.Module):
    """Batches of `TextInput`s [B, T] -> [B, D]; `pad` is the padding token of the model."""

    def __init__(self, model: nn.Module, pad: int | None, pool: Pool) -> None:
        super().__init__()
        self.model = model
        self.pad = pad or 0
        self.pool = pool

    def forward(self, batch: Tensor) -> Tensor:
        """Embed texts."""
        ids, mask = token_ids(batch, self.pad)
        return self.pool(self.model(input_ids=ids, attention_mask=mask), mask)


def as_weights(module: nn.Module, batch: Tensor) -> Tensor:
    """A batch in the precision of a module's weights."""
    return batch.to(next(module.parameters()).dtype)


def _scalar(repository: Repository, name: str) -> Tensor:
    return next(tensor for _, tensor in repository.tensors([name])).float().reshape(-1)[0]
