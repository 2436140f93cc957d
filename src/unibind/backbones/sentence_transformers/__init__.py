"""sentence_transformers: every embedder of that library, of texts, pictures, sounds and videos."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol import Backbone
from ..spec import BackboneSpec, Card, KnownModel, License

_FREE = License("Apache-2.0", commercial=True)
_RESEARCH = License("CC-BY-NC-4.0", commercial=False)
_SEES = ("text", "image", "video")
_OMNI = (*_SEES, "audio")

_UNKNOWN = "refused if it needs own code"  # their pages do not say

# As their pages describe them, read in November 2026; none but the last was run by the tests.
_MODELS = (
    KnownModel("google/embeddinggemma-2", _OMNI, 740, 768, _FREE, "or 512, 256, 128 wide"),
    KnownModel("Qwen/Qwen3-VL-Embedding-2B", _SEES, 2000, 2048, _FREE, "takes instructions"),
    KnownModel("Qwen/Qwen3-VL-Embedding-8B", _SEES, 8000, 4096, _FREE, "takes instructions"),
    KnownModel("jinaai/jina-embeddings-v5-omni-nano", _OMNI, 1000, 768, _RESEARCH, _UNKNOWN),
    KnownModel("jinaai/jina-embeddings-v5-omni-small", _OMNI, 1700, 1024, _RESEARCH, _UNKNOWN),
    KnownModel("sentence-transformers/all-MiniLM-L6-v2", ("text",), 23, 384, _FREE, "the texts of mini"),
)


def _builder() -> Callable[..., Backbone]:
    from .model import SentenceTransformersBackbone

    return SentenceTransformersBackbone


def _create(argument: str | None = None, **options: Any) -> Backbone:
    from .._shared.options import call_with_options, require_argument

    model = require_argument("sentence_transformers", argument, "a model", "REPO_OR_DIR")
    return call_with_options("sentence_transformers", _builder(), model, options=options)


SPEC = BackboneSpec(
    Card(
        name="sentence_transformers:REPO_OR_DIR",
        summary="any embedder of the library sentence-transformers, with the modalities of its model",
        modalities=None,
        dim=None,
        license=None,
        weights="a folder, or a model on the Hugging Face Hub",
        extra="sentence_transformers",
        models=_MODELS,
    ),
    _create,
    meanings={
        "prompt": "document, query, or another prompt of the model by its name",
        "instruction": "a text that takes the place of the prompt",
        "truncate_dim": "how many leading numbers of each vector are kept (Matryoshka models); None: all",
        "revision": "branch, tag or commit of the model on the Hub",
        "frames": "frames taken from a video",
    },
    builder=_builder,
)
