"""JSON from outside, which may be damaged or hostile: parsed safely, and checked field by field.

Whatever a text contains, `parse_json` returns a value or raises UnibindError: also where it is nested too deeply. What
was parsed is checked by `check_fields` before anything else reads it, so that a wrong type is a sentence that names
file and field, not an error somewhere later.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .errors import MissingFileError, UnibindError
from .files import check_not_special

_MAX_BYTES = 1 << 28  # of a file: 256 MiB of text become a few GB of values


def parse_json(text: str | bytes, where: str, fix: str) -> Any:
    """The value of a JSON text; `where` and `fix` are the beginning and the end of the message where it is not JSON."""
    try:
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise UnibindError(
            f"{where} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None
    except RecursionError:
        raise UnibindError(f"{where} is nested too deeply; {fix}") from None
    except ValueError as error:
        raise UnibindError(f"{where} is not JSON ({error}); {fix}") from None


def read_json(path: Path, fix: str, *, max_bytes: int = _MAX_BYTES) -> Any:
    """The value of a JSON file in UTF-8, with or without a byte order mark.

    Raises MissingFileError where there is no such file, and UnibindError for more than `max_bytes` bytes and for what
    `parse_json` refuses.
    """
    check_not_special(path)
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; {fix}")
    size = path.stat().st_size
    if size > max_bytes:
        raise UnibindError(f"{path} has {size:,} bytes, but JSON files are read up to {max_bytes:,}; {fix}")
    return parse_json(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), str(path), fix)


# --- fields ----------------------------------------------------------------------------------------------------------


class Kind(NamedTuple):
    """What a field may be: in words, and as a test."""

    words: str
    accepts: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) < 1 << 63


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


TEXT = Kind("a text", lambda value: isinstance(value, str))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
NUMBER = Kind("a finite number", _is_number)
POSITIVE = Kind("a positive number", lambda value: _is_number(value) and value > 0)
COUNT = Kind("a whole number", lambda value: _is_whole(value) and value >= 0)
OBJECT = Kind("an object", lambda value: isinstance(value, dict))


def optional(kind: Kind) -> Kind:
    """This kind, or null."""
    return Kind(f"{kind.words} or null", lambda value: value is None or kind.accepts(value))


def list_of(kind: Kind) -> Kind:
    """A list whose entries are all of a kind."""
    return Kind(
        f"a list, each entry {kind.words}", lambda value: isinstance(value, list) and all(map(kind.accepts, value))
    )


def one_of(names: Collection[str]) -> Kind:
    """One of these texts."""
    return Kind(f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names)


def table_of(kind: Kind) -> Kind:
    """An object whose values are all of a kind."""
    return Kind(
        f"an object, each value {kind.words}",
        lambda value: isinstance(value, dict) and all(map(kind.accepts, value.values())),
    )


def check_fields(
    value: Any, fields: Mapping[str, Kind], where: str, fix: str, *, defaults: Collection[str] = (), open: bool = False
) -> dict[str, Any]:
    """`value`, if it is an object with these fields; those in `defaults` may be missing, others only if `open`.

    Raises UnibindError that begins with `where` and ends with `fix`.
    """
    if not isinstance(value, dict):
        raise UnibindError(f"{where} is a {type(value).__name__}, not an object; {fix}")
    for name, kind in fields.items():
        if name not in value:
            if name not in defaults:
                raise UnibindError(f"{where} has no {name!r}; {fix}")
        elif not kind.accepts(value[name]):
            raise UnibindError(f"{where}: {name!r} is not {kind.words}; {fix}")
    unknown = [] if open else sorted(map(str, value.keys() - fields.keys()))
    if unknown:
        raise UnibindError(f"{where} has the unknown field {unknown[0][:100]!r}; {fix}")
    return value
