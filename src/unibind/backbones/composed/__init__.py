"""composed: one text tower as the anchor, and any backbone for each other modality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol import Backbone
from ..spec import BackboneSpec, Card


def _builder() -> Callable[..., Backbone]:
    from .model import open_composed

    return open_composed


def _create(argument: str | None = None, **options: Any) -> Backbone:
    from .._shared.options import call_with_options

    return call_with_options("composed", _builder(), argument, options=options)


SPEC = BackboneSpec(
    Card(
        name="composed:FILE.toml",
        summary="one text tower as the anchor, and any backbone for each other modality",
        modalities=None,
        dim=None,
        license=None,
        weights="those of its parts",
    ),
    _create,
    meanings={
        "table": "what the TOML file says, instead of the file",
        "dim": "width of the embeddings; None: that of the widest part",
        "folder": "where relative paths in the table start",
    },
    builder=_builder,
)
