"""The options by which every verb is told its backbone: declared once, taken as one argument."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UnibindError

if TYPE_CHECKING:
    from ..backbones import Backbone
    from ..data.store import Store
    from ..model import UniBind

DEFAULT = "mini"

_OPTIONS = {
    "name": Annotated[
        str | None,
        typer.Option(
            "--backbone", help=f"Frozen encoders: `unibind backbones list`. Default: the store's, or {DEFAULT}."
        ),
    ],
    "weights": Annotated[
        str | None, typer.Option("--weights", help="The backbone's weights: a path, or hf:OWNER/REPO/FILE.")
    ],
    "precision": Annotated[
        str | None, typer.Option("--precision", help="auto, float32, bfloat16 or int8, where the backbone knows them.")
    ],
    "device": Annotated[str | None, typer.Option("--device", help="Where the backbone runs: cpu, cuda, cuda:1, ...")],
    "settings": Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another option of the backbone, e.g. clips=5; repeat it."),
    ],
}


@dataclass(frozen=True)
class BackboneChoice:
    """What a verb's options said of the backbone; `options` are keyword arguments of `create_backbone`."""

    name: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def open(self, store: Store | None = None) -> Backbone:
        """The backbone that was named, else the one that encoded the store, with its options, else the default."""
        from ..backbones import create_backbone

        noted = store.backbone if store is not None else None
        if noted is not None and self.name in (None, noted[0]):
            return create_backbone(noted[0], **(noted[1] | self.options))
        return create_backbone(self.name or DEFAULT, **self.options)

    def open_model(self, model: str | Path) -> UniBind:
        """A fitted model over the backbone that its artifact names. Raises UnibindError where another was named."""
        from ..model import UniBind

        fitted = UniBind.from_pretrained(model, **self.options)
        if self.name not in (None, fitted.backbone.name):
            raise UnibindError(
                f"{model} was fitted on {fitted.backbone.name}, not on {self.name}; leave --backbone out beside --model"
            )
        return fitted


NO_CHOICE = BackboneChoice()


def with_backbone_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb that takes `backbone: BackboneChoice` the options that make one."""

    @functools.wraps(verb)
    def with_options(**arguments: Any) -> None:
        said = {name: arguments.pop(name) for name in _OPTIONS}
        settings = dict(_setting(text) for text in said.pop("settings") or ())
        name = said.pop("name")
        options = {key: value for key, value in said.items() if value is not None} | settings
        verb(**arguments, backbone=BackboneChoice(name, options))

    signature = inspect.signature(verb, eval_str=True)
    own = [p for p in signature.parameters.values() if p.name != "backbone"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in _OPTIONS.items()
    ]
    with_options.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + added
    )
    with_options.__annotations__ = {}
    return with_options


def _setting(text: str) -> tuple[str, Any]:
    """NAME=VALUE; the value is JSON where it can be."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UnibindError(f"--set takes NAME=VALUE, such as clips=5, not {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
