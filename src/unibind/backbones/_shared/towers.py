"""FrozenTowers: the encoders of a backbone, and the checks on what goes into them; used by all backbones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import UnibindError
from ...modalities import check_modality
from ...modalities.interleaved import JOINT
from ...modalities.spec import Raw
from ..protocol import Backbone, InterleavedBackbone
from .compiling import any_size, at_least_two, compilation_errors, prepare_compilation
from .precision import exact_float32


class FrozenTowers:
    """Towers by name: `load(name)` builds each of them, on `device`, when it is first used.

    Frozen means evaluation mode and no gradients, whatever was called on the module before. With `normalize`, outputs
    are brought to unit length; without it, the towers do that themselves. With `compile`, towers are compiled when they
    are first called. Pickling leaves the built towers out, because worker processes only preprocess.
    """

    def __init__(
        self, load: Callable[[str], nn.Module], device: str, *, normalize: bool = False, compile: bool = False
    ) -> None:
        self.device = device
        self._load = load
        self._normalize = normalize
        self._compile = compile
        self._built: dict[str, nn.Module] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_built": {}}

    def __getitem__(self, name: str) -> nn.Module:
        """The tower of this name, built if necessary, in evaluation mode."""
        if name not in self._built:
            tower = self._load(name).requires_grad_(False)
            if self._compile:
                prepare_compilation(name, tower)
            self._built[name] = tower
        return self._built[name].eval()

    @property
    def built(self) -> Mapping[str, nn.Module]:
        """The towers that have been used so far."""
        return MappingProxyType(self._built)

    def embed(self, name: str, batch: Tensor, *, chunk: int | None = None) -> Tensor:
        """Embed preprocessed items [B, ...] with one tower, at most `chunk` at once: float32 [B, D], on the CPU.

        Raises UnibindError where the tower is to be compiled and cannot be.
        """
        parts = batch.split(chunk or len(batch))
        inputs = [at_least_two(part) for part in parts] if self._compile else parts
        with self.running(name) as tower:
            z = torch.cat([tower(self._on_device(x)).float()[: len(p)] for x, p in zip(inputs, parts, strict=True)])
            z = functional.normalize(z, dim=-1) if self._normalize else z
            z = z.cpu()  # once: each copy to the CPU waits for the device
        return z.clone()  # a regular tensor, because inference tensors cannot be used to train a head

    @contextmanager
    def running(self, name: str) -> Iterator[nn.Module]:
        """The tower of this name, where it computes: without gradients, in its precision, errors of compiling named.

        For towers that move their inputs themselves; others are called by `embed`.
        """
        tower = self[name]
        errors: AbstractContextManager[None] = compilation_errors(name) if self._compile else nullcontext()
        with torch.inference_mode(), exact_float32(), errors:
            yield tower

    def _on_device(self, batch: Tensor) -> Tensor:
        """A copy on the device; on CUDA from page-locked memory, so that the next one is prepared meanwhile."""
        if torch.device(self.device).type == "cuda" and batch.device.type == "cpu":
            batch = batch.pin_memory().to(self.device, non_blocking=True)
        else:
            batch = batch.to(self.device)
        return any_size(batch) if self._compile else batch


def select_modalities(requested: Sequence[str] | None, offered: Sequence[str]) -> tuple[str, ...]:
    """Return the requested modalities, or all that are offered for None.

    Raises UnknownNameError for one that is not offered, and UnibindError if the request is empty.
    """
    if requested is None:
        return tuple(offered)
    if not requested:
        raise UnibindError(f"no modality was requested; choose at least one of: {', '.join(offered)}")
    return tuple(check_modality(modality, tuple(offered)) for modality in requested)


def check_item(modality: str, raw: Raw, offered: Sequence[str]) -> None:
    """Raise UnknownNameError for a modality that is not offered, and UnibindError if the item has another modality."""
    check_modality(modality, tuple(offered))
    if raw.modality != modality:
        raise UnibindError(f"the {modality} tower was given {raw.modality}; pass the item's own modality")


def check_offered(modality: str, backbone: Backbone) -> None:
    """Raise UnibindError where a backbone does not take items of a modality, or of several parts of such modalities."""
    parts = modality.split(JOINT)
    if len(parts) == 1:
        check_modality(modality, backbone.modalities)
        return
    combined = backbone.combined if isinstance(backbone, InterleavedBackbone) else ()
    if not combined:
        raise UnibindError(
            f"{backbone.name} does not embed several parts as one vector; pass a list for several items, or choose a "
            "model of sentence_transformers that reads messages"
        )
    for part in parts:
        check_modality(part, combined)
