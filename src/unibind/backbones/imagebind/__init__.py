"""imagebind: ImageBind-huge (Girdhar et al., CVPR 2023) and Point-Bind's point tower, as UniBind uses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol import Backbone
from ..spec import BackboneSpec, Card, GoldenCheck, License

LICENSE = License("CC-BY-NC-SA-4.0", commercial=False)
WEIGHTS_URL = "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth"


def _builder() -> Callable[..., Backbone]:
    from .model import ImageBind

    return ImageBind


def _create(argument: str | None = None, **options: Any) -> Backbone:
    from .._shared.options import call_with_options, refuse_argument

    refuse_argument("imagebind", argument)
    return call_with_options("imagebind", _builder(), options=options)


def _golden_checks() -> list[GoldenCheck]:
    from .golden import golden_checks

    return golden_checks()


SPEC = BackboneSpec(
    Card(
        name="imagebind",
        summary="ImageBind-huge, and Point-Bind's I2P-MAE for point clouds",
        modalities=("image", "text", "audio", "point_cloud", "thermal", "video", "event", "depth", "imu"),
        dim=1024,
        license=LICENSE,
        weights=f"{WEIGHTS_URL}, or UniBind's pretrained_weights.pt: --weights or UNIBIND_WEIGHTS",
        extra="imagebind",
    ),
    _create,
    _golden_checks,
    meanings={
        "clips": "clips of a recording; None: 3 of a sound, 5 of a video",
        "clip_seconds": "length of a clip in seconds",
        "stride": "seconds between the starts of clips; None: evenly spaced",
        "pooling": "how the embeddings of clips are combined: mean or max",
        "sizes": "layers and heads of towers that are not those of ImageBind-huge",
    },
    builder=_builder,
)
