"""languagebind: the towers of LanguageBind (Zhu et al., ICLR 2024), which may be used commercially."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol import Backbone
from ..spec import BackboneSpec, Card, GoldenCheck, License

LICENSE = License("MIT", commercial=True)
WEIGHTS_URL = "https://huggingface.co/LanguageBind"


def _builder() -> Callable[..., Backbone]:
    from .model import LanguageBind

    return LanguageBind


def _create(argument: str | None = None, **options: Any) -> Backbone:
    from .._shared.options import call_with_options, refuse_argument

    refuse_argument("languagebind", argument)
    return call_with_options("languagebind", _builder(), options=options)


def _golden_checks() -> list[GoldenCheck]:
    from .golden import golden_checks

    return golden_checks()


SPEC = BackboneSpec(
    Card(
        name="languagebind",
        summary="LanguageBind: real towers of video, audio, thermal and depth in one space, for commercial use too",
        modalities=("image", "text", "audio", "thermal", "video", "event", "depth"),
        dim=768,
        license=LICENSE,
        weights=f"its repositories at {WEIGHTS_URL}: --weights FOLDER or hf:OWNER/REPO, or UNIBIND_WEIGHTS",
        extra="imagebind",
    ),
    _create,
    _golden_checks,
    meanings={
        "weights": "a repository, a folder of several, or hf:OWNER/REPO",
        "repositories": "folder or Hub name of each modality's repository, instead of weights",
    },
    builder=_builder,
)
