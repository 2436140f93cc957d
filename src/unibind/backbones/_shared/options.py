"""Passing options to what builds a backbone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ...errors import UnibindError

T = TypeVar("T")


def call_with_options(kind: str, build: Callable[..., T], *arguments: Any, options: Mapping[str, Any]) -> T:
    """Return `build(*arguments, **options)`.

    Raises UnibindError, which names the options that `build` does not take and lists those it takes. `kind` is the name
    of the backbone in the message.
    """
    parameters = list(inspect.signature(build).parameters.values())[len(arguments) :]
    known = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    unknown = [name for name in options if name not in known]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        raise UnibindError(
            f"the backbone {kind} does not take {', '.join(unknown)}; its options are {', '.join(known) or 'none'}"
        )
    return build(*arguments, **options)


def refuse_argument(kind: str, argument: str | None) -> None:
    """Raise UnibindError if a backbone without variants is named with one, as in `mini:large`."""
    if argument:
        raise UnibindError(f"the backbone {kind} has no variant {argument!r}; write {kind} alone")
