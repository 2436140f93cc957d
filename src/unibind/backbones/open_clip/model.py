"""The backbone `open_clip`: CLIP models of the OpenCLIP project, through its own library.

Pictures are resized here with Pillow, by the steps of open_clip's inference transform, so workers do not need
torchvision. open_clip's tokenizers pad texts to the context length.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import MissingExtraError, UnibindError, UnknownNameError
from ...modalities import ANCHOR, check_modality
from ...modalities.spec import Raw
from ...modalities.text import Text
from .._shared.checkpoints import fingerprint
from .._shared.device import resolve_device
from .._shared.picture_inputs import PICTURE_INPUTS, check_frames, embed_pictures
from .._shared.precision import DTYPES, resolve_precision
from .._shared.towers import FrozenTowers, check_item, select_modalities
from ..contract import Contract
from ..spec import License
from .transform import PictureTransform

_VISUAL = "visual"  # name of the image tower in every open_clip model; everything else belongs to the text tower


class TextTransform:
    """Turns texts into token ids int64 [context] by the architecture's own tokenizer, read again in every process."""

    def __init__(self, architecture: str) -> None:
        self.architecture = architecture

    def __getstate__(self) -> dict[str, Any]:
        return {"architecture": self.architecture}

    @cached_property
    def _tokenizer(self) -> Any:
        return _library().get_tokenizer(self.architecture)

    def __call__(self, raw: Text) -> Tensor:
        """Token ids of one text."""
        return self._tokenizer([raw.text])[0].long()  # type: ignore[no-any-return]


class ImageTower(nn.Module):
    """Pictures [B, F, 3, H, W] -> [B, D], the mean over each item's pictures."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor) -> Tensor:
        """Embed items, picture by picture."""
        return embed_pictures(self.model.encode_image, batch.to(next(self.model.parameters()).dtype))  # type: ignore[arg-type]


class TextTower(nn.Module):
    """Token ids [B, context] -> [B, D]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor) -> Tensor:
        """Embed texts."""
        return self.model.encode_text(batch)  # type: ignore[operator,no-any-return]


class OpenClip:
    """The backbone `open_clip`; see `unibind.backbones.Backbone` for the protocol.

    `variant` is ARCH/TAG, an architecture and a tag of its weights. `precision` is "float32", "bfloat16" or "auto", and
    `frames` the number of frames taken from a video. open_clip reads whole models; a tower that is not requested is
    dropped at once. With `compile`, towers are compiled when they are first used.

    Raises MissingExtraError if open_clip or torchvision cannot be imported, and UnknownNameError for an architecture or
    tag that open_clip does not have.
    """

    license = License("unknown", commercial=False)  # it differs between tags, and open_clip does not state it

    def __init__(
        self,
        variant: str,
        modalities: Sequence[str] | None = None,
        *,
        precision: str = "float32",
        device: str | None = None,
        compile: bool = False,
        frames: int = 8,
    ) -> None:
        self.name = f"open_clip:{variant}"
        self.architecture, tag = _check_variant(variant)
        self.modalities = select_modalities(modalities, (ANCHOR, *PICTURE_INPUTS))
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device, DTYPES)
        self.frames = check_frames(frames)
        self.options: Mapping[str, Any] = {"precision": self.precision, "frames": frames}

        library = _library()
        model = library.create_model_from_pretrained(self.architecture, pretrained=tag, return_transform=False)
        self.dim = int(library.get_model_config(self.architecture)["embed_dim"])
        self.logit_scale: float = model.logit_scale.exp().item()
        bias = getattr(model, "logit_bias", None)
        self.logit_bias: float | None = None if bias is None else bias.item()
        self.pictures = PictureTransform.from_config(model.visual.preprocess_cfg)
        self.texts = TextTransform(self.architecture)
        self._fingerprints = _fingerprints(model)
        self._model: nn.Module | None = self._requested_part(model)
        self._towers = FrozenTowers(self._load, self.device, normalize=True, compile=compile)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the model: worker processes only preprocess."""
        return self.__dict__ | {"_model": None}

    def preprocess(self, modality: str, raw: Raw) -> Tensor:
        """Token ids [context] of a text, pictures [F, 3, size, size] of everything else."""
        check_item(modality, raw, self.modalities)
        if modality in PICTURE_INPUTS:
            return self.pictures(PICTURE_INPUTS[modality].pictures(raw, self.frames))
        return self.texts(raw)  # type: ignore[arg-type]

    def encode(self, modality: str, batch: Tensor) -> Tensor:
        """Embed a preprocessed batch [B, ...]: float32 [B, dim], unit length, on the CPU."""
        return self._towers.embed(_tower_of(check_modality(modality, self.modalities)), batch)

    def contract(self, modality: str) -> Contract:
        """Return everything that decides what the embeddings of this modality mean; the weights do, their tag not."""
        check_modality(modality, self.modalities)
        backbone = f"open_clip:{self.architecture}"
        return Contract(
            space=f"{backbone}@{self._fingerprints[ANCHOR]}",
            backbone=backbone,
            modality=modality,
            weights=self._fingerprints[_tower_of(modality)],
            preprocessing=self._parameters(modality),
            precision=self.precision,
        )

    def _parameters(self, modality: str) -> dict[str, Any]:
        if modality not in PICTURE_INPUTS:
            return {}
        return PICTURE_INPUTS[modality].parameters(self.frames) | asdict(self.pictures)

    def _load(self, tower: str) -> nn.Module:
        if self._model is None:
            raise UnibindError(f"this copy of {self.name} only preprocesses; encode in the process that created it")
        return ImageTower(self._model) if tower == _VISUAL else TextTower(self._model)

    def _requested_part(self, model: nn.Module) -> nn.Module:
        """The model without the tower that no modality needs, in its precision, on its device."""
        needed = {_tower_of(modality) for modality in self.modalities}
        for name, _ in list(model.named_children()):
            if (_VISUAL if name == _VISUAL else ANCHOR) not in needed:
                setattr(model, name, None)
        return model.to(device=self.device, dtype=DTYPES[self.precision])


def _tower_of(modality: str) -> str:
    return _VISUAL if modality in PICTURE_INPUTS else ANCHOR


def _check_variant(variant: str) -> tuple[str, str]:
    """Architecture and tag of ARCH/TAG, both known to open_clip."""
    architecture, _, tag = variant.partition("/")
    if not architecture or not tag:
        raise UnibindError("open_clip needs an architecture and a weights tag: write open_clip:ARCH/TAG")
    library = _library()
    if architecture not in library.list_models():
        raise UnknownNameError("open_clip architecture", architecture, library.list_models())
    tags = library.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        raise UnknownNameError(f"tag of {architecture}", tag, tags)
    return architecture, tag


def _library() -> Any:
    try:
        return importlib.import_module("open_clip")
    except (ImportError, RuntimeError, AttributeError):  # a torchvision built for another torch raises any of these
        what = f"the backbone open_clip (open_clip_torch, and the torchvision built for torch {torch.__version__})"
        raise MissingExtraError(what, "open_clip") from None


def _fingerprints(model: nn.Module) -> dict[str, str]:
    """Fingerprint of each tower's weights; the logit scale and bias belong to neither."""
    towers: dict[str, list[tuple[str, Tensor]]] = {_VISUAL: [], ANCHOR: []}
    for name, tensor in model.state_dict().items():
        if not name.startswith("logit_"):
            towers[_VISUAL if name.startswith(_VISUAL + ".") else ANCHOR].append((name, tensor))
    return {tower: fingerprint(tensors) for tower, tensors in towers.items()}
