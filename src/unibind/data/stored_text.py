"""Texts as tables store them: names of files that are not UTF-8 have lone surrogates in Python, which Arrow refuses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

_ESCAPE = "\ufdd0"  # never a character; four hexadecimal digits follow
_TO_ESCAPE = re.compile(f"[\ud800-\udfff{_ESCAPE}]")
_ESCAPED = re.compile(_ESCAPE + "([0-9a-f]{4})")


def stored(text: str | None) -> str | None:
    """The text as UTF-8 can say it; `restored` gives it back."""
    return text if text is None else _TO_ESCAPE.sub(lambda found: f"{_ESCAPE}{ord(found[0]):04x}", text)


def all_stored(texts: Sequence[str | None]) -> list[str | None]:
    """Many texts as UTF-8 can say them."""
    return list(texts) if _are_ascii(texts) else [stored(text) for text in texts]


def restored(text: str | None) -> str | None:
    """Inverse of `stored`."""
    if text is None or _ESCAPE not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def restored_cell(value: Any) -> Any:
    """A value of a table, which is as it was before it was stored if it is a text."""
    return restored(value) if isinstance(value, str) else value


def readable(table: pyarrow.Table) -> pyarrow.Table:
    """The table for other programs: what is not UTF-8 in its texts is visible as Python's escapes."""
    import pyarrow
    from pyarrow import compute

    for place, field in enumerate(table.schema):
        if field.type == pyarrow.string() and compute.any(compute.match_substring(table[place], _ESCAPE)).as_py():
            texts = (None if text is None else text.encode("utf-8", "backslashreplace") for text in cells(table[place]))
            table = table.set_column(place, field, pyarrow.array(texts, pyarrow.binary()).cast(pyarrow.string()))
    return table


def cells(column: pyarrow.ChunkedArray) -> list[Any]:
    """The values of a column, with texts as they were before they were stored."""
    values = column.to_pylist()
    return values if _are_ascii(values) else [restored_cell(value) for value in values]


def _are_ascii(values: Sequence[Any]) -> bool:
    """Whether the texts among these values are ASCII, as most are, so that nothing is escaped in them."""
    return "".join(value for value in values if isinstance(value, str)).isascii()
