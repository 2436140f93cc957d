"""Texts as parts of conditions in LanceDB's SQL; nothing else writes them into one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .stored_text import stored

AT_ONCE = 5000  # values in one condition


def quoted(text: str) -> str:
    """A string literal: the text as a table stores it."""
    return "'" + str(stored(text)).replace("'", "''") + "'"


def naming(column: str, values: Sequence[str]) -> Iterator[str]:
    """Conditions for the rows whose cell in a column is one of these texts, at most `AT_ONCE` of them in each."""
    for start in range(0, len(values), AT_ONCE):
        yield f"{column} IN ({', '.join(map(quoted, values[start : start + AT_ONCE]))})"
