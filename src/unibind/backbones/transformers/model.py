"""The backbone `transformers`: models of the Hugging Face library, from a folder or the Hub.

Each family of architectures has a module here that says how its items are preprocessed and which towers it has. Code
from a repository is never run, and its weights are read as safetensors or as plain tensors.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ...errors import MissingExtraError, UnibindError
from ...modalities import check_modality
from ...modalities.spec import Raw
from .._shared.checkpoints import fingerprint
from .._shared.device import resolve_device
from .._shared.picture_inputs import check_frames
from .._shared.precision import DTYPES, resolve_precision
from .._shared.repository import Repository, find_repository
from .._shared.towers import FrozenTowers, check_item, select_modalities
from ..contract import Contract
from . import clap, clip, sentence, siglip, vision
from .family import Family

FAMILIES: Mapping[str, Family] = {
    "clip": clip.FAMILY,
    "siglip": siglip.FAMILY,
    "clap": clap.FAMILY,
    **dict.fromkeys(sentence.MODEL_TYPES, sentence.FAMILY),
    **dict.fromkeys(vision.MODEL_TYPES, vision.FAMILY),
}


class TransformersBackbone:
    """A backbone over one transformers model; see `unibind.backbones.Backbone` for the protocol.

    `model` is a folder or the name of a model on the Hub, `revision` a branch, tag or commit there. `precision` is
    "float32", "bfloat16" or "auto", and `frames` the number of frames taken from a video. A tower is read when it is
    first needed, and shared by the modalities it encodes; with `compile`, it is compiled when it is first used.

    Raises MissingExtraError without transformers, MissingFileError if there is no such model, and UnibindError for an
    architecture that is not supported or files that cannot be read.
    """

    def __init__(
        self,
        model: str,
        modalities: Sequence[str] | None = None,
        *,
        precision: str = "float32",
        device: str | None = None,
        compile: bool = False,
        revision: str | None = None,
        frames: int = 8,
    ) -> None:
        if importlib.util.find_spec("transformers") is None:
            raise MissingExtraError("the backbone transformers", "transformers")
        self.name = f"transformers:{model}"
        self._repository = find_repository(model, revision)
        self._kind = self._repository.model_type
        encoders = self._family.encoders
        self.modalities = select_modalities(modalities, tuple(encoders))
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device, DTYPES)
        options = {"precision": self.precision, "frames": check_frames(frames), "revision": revision}
        self.options: Mapping[str, Any] = {name: value for name, value in options.items() if value is not None}

        self.dim = int(self._family.dim(self._repository.config))
        self.license = self._repository.license()
        self.logit_scale = _finite(self._family.read_logit_scale(self._repository), self._repository)
        self.logit_bias = self._family.read_logit_bias(self._repository)
        self._inputs = {m: encoders[m].make_input(self._repository, frames) for m in self.modalities}
        self._towers = FrozenTowers(self._load, self.device, normalize=True, compile=compile)
        self._fingerprints: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was read from the repository: worker processes only preprocess."""
        return self.__dict__ | {"_repository": Repository(self._repository.folder)}

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Turn one raw item into its tower's input; the inputs of each family list the shapes."""
        check_item(modality, raw, self.modalities)
        return self._inputs[modality](raw)

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...]: float32 [B, dim], unit length, on the CPU."""
        check_modality(modality, self.modalities)
        return self._towers.embed(self._family.encoders[modality].tower, batch)

    def contract(self, modality: str) -> Contract:
        """Return everything that decides what the embeddings of this modality mean; folders and names do not."""
        check_modality(modality, self.modalities)
        architecture = f"transformers:{self._kind}"
        return Contract(
            space=f"{architecture}@{self._fingerprint(self._family.anchor)}",
            backbone=architecture,
            modality=modality,
            weights=self._fingerprint(self._family.encoders[modality].tower),
            preprocessing=self._inputs[modality].parameters,
            precision=self.precision,
        )

    @property
    def _family(self) -> Family:
        if self._kind not in FAMILIES:
            raise UnibindError(
                f"the architecture {self._kind!r} is not supported; choose a model of one of: {', '.join(FAMILIES)}"
            )
        return FAMILIES[self._kind]

    def _load(self, tower: str) -> nn.Module:
        module = self._family.towers[tower].load(self._repository)
        return module.to(device=self.device, dtype=DTYPES[self.precision])

    def _fingerprint(self, tower: str) -> str:
        """Fingerprint of the checkpoint's own tensors, which depend on no precision and no library version."""
        if tower not in self._fingerprints:
            self._fingerprints[tower] = fingerprint(self._repository.tensors(self._family.towers[tower].weights))
        return self._fingerprints[tower]


def _finite(scale: float, repository: Repository) -> float:
    if not math.isfinite(scale):
        raise UnibindError(f"the checkpoint in {repository.folder} has the logit scale {scale}; download it again")
    return scale
