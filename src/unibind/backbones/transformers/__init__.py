"""transformers: CLIP, SigLIP, CLAP, sentence embedders and vision transformers of the Hugging Face library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol import Backbone
from ..spec import BackboneSpec, Card


def _builder() -> Callable[..., Backbone]:
    from .model import TransformersBackbone

    return TransformersBackbone


def _create(argument: str | None = None, **options: Any) -> Backbone:
    from .._shared.options import call_with_options, require_argument

    model = require_argument("transformers", argument, "a model", "REPO_OR_DIR")
    return call_with_options("transformers", _builder(), model, options=options)


SPEC = BackboneSpec(
    Card(
        name="transformers:REPO_OR_DIR",
        summary="CLIP, SigLIP, CLAP, sentence embedders or vision transformers of the Hugging Face library",
        modalities=("image", "text", "audio", "thermal", "depth", "video", "event"),
        dim=None,
        license=None,
        weights="a folder, or a model on the Hugging Face Hub",
        extra="transformers",
    ),
    _create,
    meanings={
        "revision": "branch, tag or commit of the model on the Hub",
        "frames": "frames taken from a video",
    },
    builder=_builder,
)
