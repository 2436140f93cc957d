"""Passing options to what builds a backbone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin

from ...errors import UnibindError

T = TypeVar("T")


class _Kind(NamedTuple):
    words: str
    accepts: Callable[[Any], bool]


# type of a parameter -> what it may be; parameters of other types are checked by what builds the backbone
_KINDS: Mapping[Any, _Kind] = {
    bool: _Kind("true or false", lambda value: isinstance(value, bool)),
    int: _Kind("a whole number", lambda value: isinstance(value, Integral) and not isinstance(value, bool)),
    float: _Kind("a number", lambda value: isinstance(value, Real) and not isinstance(value, bool)),
    # also paths, devices of torch, and other objects that stand for a text
    str: _Kind("a text", lambda value: not isinstance(value, Real | Sequence | Mapping) or isinstance(value, str)),
    Sequence: _Kind("a list", lambda value: isinstance(value, Sequence) and not isinstance(value, str)),
    Mapping: _Kind("a table", lambda value: isinstance(value, Mapping)),
}


def call_with_options(kind: str, build: Callable[..., T], *arguments: Any, options: Mapping[str, Any]) -> T:
    """Return `build(*arguments, **options)`.

    Raises UnibindError, which names the options that `build` does not take and lists those it takes, and for a value of
    another type than its parameter has. `kind` is the name of the backbone in the message.
    """
    parameters = list(_signature(build).parameters.values())[len(arguments) :]
    known = {p.name: p.annotation for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    unknown = [name for name in options if name not in known]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        raise UnibindError(
            f"the backbone {kind} does not take {', '.join(unknown)}; its options are {', '.join(known) or 'none'}"
        )
    for name, value in options.items():
        _check_type(kind, name, value, known.get(name))
    return build(*arguments, **options)


def _signature(build: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(build, eval_str=True)
    except NameError:  # a type that is imported for type checkers only
        return inspect.signature(build)


def _check_type(kind: str, name: str, value: Any, hint: Any) -> None:
    kinds = _kinds(hint)
    if kinds and not any(each.accepts(value) for each in kinds):
        words = " or ".join(each.words for each in kinds)
        raise UnibindError(f"the backbone {kind} takes {words} for {name}, not {value!r:.60}")


def _kinds(hint: Any) -> list[_Kind]:
    """What a parameter with this type may be; empty if anything. None is never passed on."""
    types = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    found = [_KINDS.get(get_origin(each) or each) for each in types if each not in (type(None), Path)]
    return [] if None in found else list(dict.fromkeys(each for each in found if each is not None))


def refuse_argument(kind: str, argument: str | None) -> None:
    """Raise UnibindError if a backbone without variants is named with one, as in `mini:large`."""
    if argument:
        raise UnibindError(f"the backbone {kind} has no variant {argument!r}; write {kind} alone")


def require_argument(kind: str, argument: str | None, what: str, form: str) -> str:
    """The argument of a backbone that needs one: `what`, in the form `form`; raises UnibindError without it."""
    if not argument:
        raise UnibindError(f"{kind} needs {what}: write {kind}:{form}")
    return argument
