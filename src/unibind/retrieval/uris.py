"""Filters on files: written as a person sees them, and compared as a store keeps them.

A store keeps the path of a file relative to its own folder where that is how the file was named, so that both can be
moved together, and else as it was given. A filter on `uri` may name a file from the working directory or absolutely.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from ..data.rows import Places
from .conditions import All, Comparison, Filter, Like, Member, Not, Some

_URI = "uri"
_BEFORE_WILDCARD = re.compile(r"[^%_]*/")  # the folders of a pattern that are written out


def kept_as_stored(where: Filter, store: Path) -> Filter:
    """The filter with every file that it names by `=`, `!=`, `in` or `like` as the store in this folder keeps it."""
    return _translated(where, Places(store))


def _translated(where: Filter, places: Places) -> Filter:
    inner = partial(_translated, places=places)
    match where:
        case Not(condition):
            return Not(inner(condition))
        case All(conditions):
            return All(tuple(map(inner, conditions)))
        case Some(conditions):
            return Some(tuple(map(inner, conditions)))
        case Comparison(column, "=" | "!=" as operator, value) if column == _URI:
            same = Member(_URI, places.uri_cells(str(value)))
            return same if operator == "=" else Not(same)
        case Member(column, values) if column == _URI:
            return Member(_URI, tuple(cell for value in values for cell in places.uri_cells(str(value))))
        case Like(column, pattern) if column == _URI:
            return Some(tuple(Like(_URI, form) for form in _patterns(pattern, places)))
    return where


def _patterns(pattern: str, places: Places) -> list[str]:
    """What a pattern may be for the cells of a store; one that begins with a wildcard is as it is for all of them."""
    if pattern.startswith(("%", "_")) or "://" in pattern:
        return [pattern]
    found = _BEFORE_WILDCARD.match(pattern)
    folder = found[0] if found else ""
    cells = places.uri_cells(folder or ".")
    return [pattern[len(folder) :] if cell == "." else f"{cell.rstrip('/')}/{pattern[len(folder) :]}" for cell in cells]
