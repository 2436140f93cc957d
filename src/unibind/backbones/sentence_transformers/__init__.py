"""sentence_transformers: every embedder of that library, of texts, pictures, sounds and videos."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import UnibindError
from ..protocol import Backbone
from ..spec import BackboneSpec, Card


def _builder() -> Callable[..., Backbone]:
    from .model import SentenceTransformersBackbone

    return SentenceTransformersBackbone


def _create(argument: str | None = None, **options: Any) -> Backbone:
    from .._shared.options import call_with_options

    if not argument:
        raise UnibindError("sentence_transformers needs a model: write sentence_transformers:REPO_OR_DIR")
    return call_with_options("sentence_transformers", _builder(), argument, options=options)


SPEC = BackboneSpec(
    Card(
        name="sentence_transformers:REPO_OR_DIR",
        summary="any embedder of the library sentence-transformers; which modalities, its model says",
        modalities=None,
        dim=None,
        license=None,
        weights="a folder, or a model on the Hugging Face Hub",
        extra="sentence_transformers",
    ),
    _create,
    meanings={
        "prompt": "document, query, or another prompt of the model by its name",
        "instruction": "a text that takes the place of the prompt",
        "truncate_dim": "keep so many leading numbers of each vector (Matryoshka models)",
        "revision": "branch, tag or commit of the model on the Hub",
        "frames": "frames taken from a video",
    },
    builder=_builder,
)
