"""composed: one text tower as the anchor, and any backbone for each other modality."""

from __future__ import annotations

from typing import Any

from ..protocol import Backbone
from ..spec import BackboneSpec, Card


def _create(argument: str | None = None, **options: Any) -> Backbone:
    from .._shared.options import call_with_options
    from .model import open_composed

    return call_with_options("composed", open_composed, argument, options=options)


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
)
