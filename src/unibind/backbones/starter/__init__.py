"""starter: the default backbone. Photographs and videos are seen by `photo`, the rest by `mini`, in one text space.

It is a composed backbone with a name of its own, which is what stores and models remember.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..protocol import Backbone
from ..spec import BackboneSpec, Card, License

PARTS: Mapping[str, str] = {
    **dict.fromkeys(("image", "text", "video"), "photo"),
    **dict.fromkeys(("audio", "point_cloud", "thermal", "event"), "mini"),
}
DIM = 384
LICENSE = License("Apache-2.0 AND MIT", commercial=True)  # that of photo includes that of mini


def _builder() -> Callable[..., Backbone]:
    from .model import Starter

    return Starter


def _create(argument: str | None = None, **options: Any) -> Backbone:
    from .._shared.options import call_with_options, refuse_argument

    refuse_argument("starter", argument)
    return call_with_options("starter", _builder(), options=options)


SPEC = BackboneSpec(
    Card(
        name="starter",
        summary="photo's towers for photographs and videos, mini's for the rest; the default",
        modalities=tuple(PARTS),
        dim=DIM,
        license=LICENSE,
        weights="those of photo and mini, in the package and its dependencies",
        base_model="sentence-transformers/all-MiniLM-L6-v2",
        knows=(
            "what kinds of things are in photographs and videos (ImageNet's 1,000 classes and what resembles them), "
            "but of sounds, point clouds, thermal pictures and events only procedural objects"
        ),
    ),
    _create,
    builder=_builder,
)
