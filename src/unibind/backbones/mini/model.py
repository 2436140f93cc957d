"""The backbone `mini`: a sentence encoder and six small towers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...errors import MissingFileError
from ...modalities import ANCHOR, check_modality
from ...modalities.spec import Raw
from .._shared.device import resolve_device
from .._shared.file_digest import file_digest
from .._shared.minilm import load_text_tower, text_contract
from .._shared.precision import resolve_precision
from .._shared.towers import FrozenTowers, check_item, select_modalities
from ..contract import Contract
from . import LICENSE, MODALITIES, SPEC
from .preprocessing import parameters, preprocess
from .towers import DIM, load_tower

WEIGHTS = Path(__file__).parent / "weights"


class Mini:
    """The backbone `mini`; see `unibind.backbones.Backbone` for the protocol.

    `modalities` limits the towers that may be used; each is built and read when it is first needed. `weights` is a
    folder of `<modality>.safetensors`. `precision` is that of the text tower ("float32", "bfloat16", "int8" or "auto");
    the other towers are small and stay in float32. With `compile`, towers are compiled when they are first used.
    """

    name = SPEC.card.name
    dim = DIM
    license = LICENSE
    logit_scale = 20.0

    def __init__(
        self,
        modalities: Sequence[str] | None = None,
        *,
        weights: str | Path = WEIGHTS,
        precision: str = "float32",
        device: str | None = None,
        compile: bool = False,
    ) -> None:
        self.modalities = select_modalities(modalities, MODALITIES)
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        self.weights = Path(weights)
        self._towers = FrozenTowers(self._load, self.device, compile=compile)

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of `create_backbone` that rebuild a backbone with comparable embeddings."""
        options = {"precision": self.precision, "weights": str(self.weights)}
        defaults = {"precision": "float32", "weights": str(WEIGHTS)}
        return {name: value for name, value in options.items() if value != defaults[name]}

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Turn one raw item into its tower's input; `preprocessing` lists the shapes."""
        check_item(modality, raw, self.modalities)
        return preprocess(modality, raw)

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...]: float32 [B, 384], unit length, on the CPU."""
        return self._towers.embed(check_modality(modality, self.modalities), batch)

    def contract(self, modality: str) -> Contract:
        """Return everything that decides what the embeddings of this modality mean."""
        texts = text_contract(self.precision)
        if check_modality(modality, self.modalities) == ANCHOR:
            return texts
        weights = file_digest(self._path(modality))
        return Contract(texts.space, self.name, modality, weights, parameters(modality))

    def _load(self, modality: str) -> nn.Module:
        if modality == ANCHOR:
            return load_text_tower(self.precision, self.device)
        return load_tower(modality, self._path(modality)).to(self.device)

    def _path(self, modality: str) -> Path:
        path = self.weights / f"{modality}.safetensors"
        if not path.is_file():
            raise MissingFileError(
                f"mini's {modality} tower has no weights at {path}; "
                "reinstall unibind, or train them with `python -m unibind.backbones.mini.train`"
            )
        return path
