"""open_clip: CLIP models of the OpenCLIP project, through its own library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol import Backbone
from ..spec import BackboneSpec, Card


def _builder() -> Callable[..., Backbone]:
    from .model import OpenClip

    return OpenClip


def _create(argument: str | None = None, **options: Any) -> Backbone:
    from .._shared.options import call_with_options, require_argument

    model = require_argument("open_clip", argument, "an architecture and a weights tag", "ARCH/TAG")
    return call_with_options("open_clip", _builder(), model, options=options)


SPEC = BackboneSpec(
    Card(
        name="open_clip:ARCH/TAG",
        summary="CLIP models of the OpenCLIP project",
        modalities=("text", "image", "video", "thermal", "depth", "event"),
        dim=None,
        license=None,
        weights="downloaded by open_clip on first use",
        extra="open_clip",
    ),
    _create,
    meanings={"frames": "frames taken from a video"},
    builder=_builder,
)
