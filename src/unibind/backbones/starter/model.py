"""The backbone `starter`: a composed one, by a fixed table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ...modalities.spec import Raw
from .._shared.device import resolve_device
from .._shared.precision import DTYPES, resolve_precision
from ..contract import Contract
from ..registry import create_backbone
from . import DIM, LICENSE, PARTS, SPEC


class Starter:
    """The backbone `starter`; see `unibind.backbones.Backbone` for the protocol.

    `modalities` limits the towers that may be used; each is read when it is first needed. `precision` ("float32",
    "bfloat16" or "auto") is that of the text tower and of photo's image tower; mini's towers are small and stay in
    float32. With `compile`, towers are compiled when they are first used. Contracts are those of the parts, so vectors
    are comparable with theirs.
    """

    name = SPEC.card.name
    dim = DIM
    license = LICENSE

    def __init__(
        self,
        modalities: Sequence[str] | None = None,
        *,
        precision: str = "float32",
        device: str | None = None,
        compile: bool = False,
    ) -> None:
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device, DTYPES)
        self._parts = create_backbone(
            "composed",
            table={modality: {"backbone": part} for modality, part in PARTS.items()},
            dim=DIM,
            modalities=modalities,
            precision=self.precision,
            device=self.device,
            compile=compile,
        )
        self.modalities = self._parts.modalities
        self.logit_scale = self._parts.logit_scale

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of `create_backbone` that rebuild a backbone with comparable embeddings."""
        return {} if self.precision == "float32" else {"precision": self.precision}

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Turn one raw item into the input of its part's tower."""
        return self._parts.preprocess(modality, raw)

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...] by its part: float32 [B, 384], unit length, on the CPU."""
        return self._parts.encode(modality, batch)

    def contract(self, modality: str) -> Contract:
        """The part's own contract."""
        return self._parts.contract(modality)
