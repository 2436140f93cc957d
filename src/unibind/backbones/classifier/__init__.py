"""classifier: any classifier of images, sounds or videos as a tower in the space of a text backbone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol import Backbone
from ..spec import BackboneSpec, Card, KnownModel, License

_BSD = License("BSD-3-Clause", commercial=True)
_APACHE = License("Apache-2.0", commercial=True)
_MIT = License("MIT", commercial=True)
_RESEARCH = License("CC-BY-NC-4.0", commercial=False)

# As their pages describe them; vectors are as wide as the anchor's, here those of the default. None was run by the
# tests, which make tiny models of the same architectures.
_MODELS = (
    KnownModel("MIT/ast-finetuned-audioset-10-10-0.4593", ("audio",), 87, 384, _BSD, "527 sounds of AudioSet"),
    KnownModel("MCG-NJU/videomae-base-finetuned-kinetics", ("video",), 87, 384, _RESEARCH, "400 actions of Kinetics"),
    KnownModel("facebook/vjepa2-vitl-fpc16-256-ssv2", ("video",), 375, 384, _MIT, "174 actions of hands (SSv2)"),
    KnownModel("google/vit-base-patch16-224", ("image",), 87, 384, _APACHE, "1,000 things of ImageNet"),
)


def _builder() -> Callable[..., Backbone]:
    from .opening import CheckpointBackbone

    return CheckpointBackbone


def _create(argument: str | None = None, **options: Any) -> Backbone:
    from .._shared.options import call_with_options, require_argument

    form = "REPO_OR_DIR, or pass the backbone that ClassifierBackbone.from_callable made"
    model = require_argument("classifier", argument, "a model", form)
    return call_with_options("classifier", _builder(), model, options=options)


SPEC = BackboneSpec(
    Card(
        name="classifier:REPO_OR_DIR",
        summary="any classifier of images, sounds or videos as a tower: texts about its classes, mixed by probability",
        modalities=("text", "image", "audio", "video", "thermal", "depth", "event"),
        dim=None,
        license=None,
        weights="a folder, or a model on the Hugging Face Hub",
        extra="transformers",
        models=_MODELS,
    ),
    _create,
    meanings={
        "anchor": "the backbone whose texts stand for the classes, and whose space the tower joins",
        "knowledge": "descriptions of the labels: the folder of a knowledge base, or label -> texts; None: their names",
        "temperature": "divides the logits; less than 1: the most probable classes count for more",
        "kept": "how many of the most probable classes are mixed",
        "scores": "softmax (one class is right) or sigmoid (several may be); None: as the checkpoint was trained",
        "revision": "branch, tag or commit of the model on the Hub",
        "frames": "frames taken from a video; None: those a video classifier was trained with, 8 for pictures",
        "folder": "where a relative path of `knowledge` starts",
    },
    builder=_builder,
)
