"""The options that choose a backbone: declared once, passed to a verb as one argument."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from ..errors import UnibindError
from ._console import ADVANCED, MODEL

_OPTIONS = {
    "name": Annotated[
        str | None,
        typer.Option(
            "--backbone",
            metavar="NAME",
            help="Frozen encoders; see `unibind backbones list`. Default: the store's or the model's, else starter.",
            rich_help_panel=MODEL,
        ),
    ],
    "weights": Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="The backbone's weights: a path, or hf:OWNER/REPO/FILE.",
            rich_help_panel=MODEL,
        ),
    ],
    "precision": Annotated[
        str | None,
        typer.Option(
            "--precision",
            metavar="NAME",
            help="auto, float32, bfloat16 or int8, as far as the backbone supports them.",
            rich_help_panel=ADVANCED,
        ),
    ],
    "device": Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="DEVICE",
            help="Where the backbone runs: cpu, cuda, cuda:1, mps. Default: the best there is.",
            rich_help_panel=ADVANCED,
        ),
    ],
    "settings": Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Another option of the backbone, such as clips=5; repeatable.",
            rich_help_panel=ADVANCED,
        ),
    ],
}


@dataclass(frozen=True)
class BackboneChoice:
    """What a verb's options say about the backbone."""

    name: str | None = None
    weights: str | None = None
    precision: str | None = None
    device: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the library functions that take a backbone."""
        return {
            "backbone": self.name,
            "weights": self.weights,
            "precision": self.precision,
            "device": self.device,
            "options": self.options,
        }


NO_CHOICE = BackboneChoice()


def with_backbone_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb that takes `backbone: BackboneChoice` the options that make one.

    An option whose name the verb has for something of its own is called `--backbone-NAME` there.
    """
    signature = inspect.signature(verb, eval_str=True)
    own = [p for p in signature.parameters.values() if p.name != "backbone"]
    called = {name: f"backbone_{name}" if name in signature.parameters else name for name in _OPTIONS}

    @functools.wraps(verb)
    def with_options(**arguments: Any) -> None:
        given = {name: arguments.pop(there) for name, there in called.items()}
        settings = dict(_setting(text) for text in given.pop("settings") or ())
        verb(**arguments, backbone=BackboneChoice(**given, options=settings))

    added = [
        inspect.Parameter(there, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_OPTIONS[name])
        for name, there in called.items()
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
    except (ValueError, RecursionError):
        return name, value
