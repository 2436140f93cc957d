"""transformers: encoders of the Hugging Face library, from a folder or the Hub, towers read one by one.

Supported are CLIP, SigLIP (and SigLIP 2 of fixed resolution), CLAP, sentence embedders and vision transformers; each
family has a module here that says how its items are preprocessed. No code of a repository is ever run, its weights are
read as safetensors or as plain tensors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import MissingExtraError, UnibindError
from ...modalities import check_modality
from ...modalities.spec import Raw
from .._shared.precision import resolve_precision
from ..contract import Contract
from ..spec import Card
from . import clap, clip, sentence, siglip, vision
from .family import Family
from .repository import Repository, find_repository

FAMILIES: Mapping[str, Family] = {
    "clip": clip.FAMILY,
    "siglip": siglip.FAMILY,
    "clap": clap.FAMILY,
    **dict.fromkeys(sentence.MODEL_TYPES, sentence.FAMILY),
    **dict.fromkeys(vision.MODEL_TYPES, vision.FAMILY),
}
_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}

CARD = Card(
    name="transformers:REPO_OR_DIR",
    summary="CLIP, SigLIP, CLAP, sentence embedders or vision transformers of the Hugging Face library",
    modalities=("image", "text", "audio", "thermal", "video", "event"),
    dim=None,
    license=None,
    weights="a folder, or a model of the Hugging Face Hub",
    extra="transformers",
)


class TransformersBackbone:
    """A backbone over one transformers model; see `unibind.backbones.Backbone` for the protocol.

    `logit_bias` is what a sigmoid loss adds to scaled cosines (see `siglip`), None for the others. A tower is built
    and read when first needed; modalities that the same tower reads share it.
    """

    def __init__(
        self,
        name: str,
        repository: Repository,
        modalities: Sequence[str] | None = None,
        *,
        device: str = "cpu",
        precision: str = "float32",
        frames: int = 8,
        revision: str | None = None,
    ) -> None:
        self.name = name
        self.precision = resolve_precision(precision, device)
        if self.precision not in _PRECISIONS:
            raise UnibindError(f"transformers models run in {' or '.join(_PRECISIONS)}, not in {self.precision}")
        if frames < 1:
            raise UnibindError(f"a video needs at least 1 frame, not {frames}")
        self.device = device
        self.options: Mapping[str, Any] = {"precision": self.precision, "frames": frames}
        if revision is not None:
            self.options = {**self.options, "revision": revision}

        self._repository = repository
        self._kind = repository.model_type
        encoders = self._family.encoders
        self.modalities = tuple(check_modality(m, tuple(encoders)) for m in (modalities or encoders))
        self.dim = int(self._family.dim(repository.config))
        self.license = repository.license()
        self.logit_scale = _finite(self._family.read_logit_scale(repository), repository)
        self.logit_bias = self._family.read_logit_bias(repository)
        self._inputs = {m: encoders[m].make_input(repository, frames) for m in self.modalities}
        self._towers: dict[str, nn.Module] = {}
        self._fingerprints: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Worker processes only preprocess: towers stay behind."""
        return self.__dict__ | {"_towers": {}, "_repository": Repository(self._repository.folder)}

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """One raw item to its tower's input: see the inputs of each family."""
        check_modality(modality, self.modalities)
        if raw.modality != modality:
            raise UnibindError(f"the {modality} tower was given {raw.modality}; name the item's own modality")
        return self._inputs[modality](raw)

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...]: float32 [B, dim], unit length, on the CPU."""
        check_modality(modality, self.modalities)
        with torch.inference_mode():
            z = self._tower(self._family.encoders[modality].tower)(batch.to(self.device)).float().cpu()
            z = nn.functional.normalize(z, dim=-1)
        return z.clone()  # an ordinary tensor, so that a head may be trained on it

    def contract(self, modality: str) -> Contract:
        """What decides the meaning of a modality's embeddings; folders and names do not."""
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
        return _family(self._kind)

    def _tower(self, name: str) -> nn.Module:
        if name not in self._towers:
            tower = self._family.towers[name].load(self._repository)
            tower = tower.to(device=self.device, dtype=_PRECISIONS[self.precision])
            self._towers[name] = tower.requires_grad_(False)
        return self._towers[name].eval()  # frozen, whatever has been called since

    def _fingerprint(self, tower: str) -> str:
        """Of the checkpoint's own tensors, so that it depends neither on precision nor on the library's version."""
        from .._shared.checkpoints import fingerprint

        if tower not in self._fingerprints:
            self._fingerprints[tower] = fingerprint(self._repository.tensors(self._family.towers[tower].weights))
        return self._fingerprints[tower]


def create(
    argument: str | None = None,
    *,
    modalities: Sequence[str] | None = None,
    device: str = "cpu",
    precision: str = "float32",
    revision: str | None = None,
    frames: int = 8,
) -> TransformersBackbone:
    """Factory for `create_backbone("transformers:REPO_OR_DIR")`.

    `precision` is "float32", "bfloat16" or "auto"; `revision` a branch, tag or commit on the Hub; `frames` how many a
    video is seen by. Raises MissingExtraError without transformers, MissingFileError where there is no such model, and
    UnibindError for an architecture that is not supported or files that cannot be read.
    """
    if not argument:
        raise UnibindError("transformers needs a model: write transformers:REPO_OR_DIR")
    try:
        import transformers  # noqa: F401
    except ImportError:
        raise MissingExtraError("the backbone transformers", "transformers") from None
    return TransformersBackbone(
        f"transformers:{argument}",
        find_repository(argument, revision),
        modalities,
        device=device,
        precision=precision,
        frames=frames,
        revision=revision,
    )


def _family(model_type: str) -> Family:
    if model_type not in FAMILIES:
        supported = ", ".join(FAMILIES)
        raise UnibindError(f"the architecture {model_type!r} is not supported; choose a model of one of: {supported}")
    return FAMILIES[model_type]


def _finite(scale: float, repository: Repository) -> float:
    if not math.isfinite(scale):
        raise UnibindError(f"the checkpoint in {repository.folder} has the logit scale {scale}; fetch it again")
    return scale
