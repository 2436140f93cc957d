"""Filters of a search, in a small part of SQL: "label = 'dog' and not (split = 'train' or start_s < 30)".

    filter     = all ("or" all)*
    all        = negation ("and" negation)*
    negation   = "not" negation | "(" filter ")" | condition
    condition  = column ("=" | "!=" | "<" | "<=" | ">" | ">=") value
               | column ["not"] "in" "(" value ("," value)* ")"
               | column ["not"] "like" text
               | column "is" ["not"] "null"
    value      = text | number
    text       = "'" characters, a quote among them written twice "'"

Nothing of what was written reaches a database: a filter becomes SQL from its parsed parts (see `retrieval.conditions`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NoReturn

from ..errors import UnibindError
from .conditions import (
    COLUMNS,
    COMPARISONS,
    All,
    Comparison,
    Empty,
    Filter,
    Like,
    Member,
    Not,
    Some,
    Value,
    check_column,
)

__all__ = ["COLUMNS", "Filter", "filter_of", "parse_filter"]

_LONGEST, _DEEPEST = 10_000, 50  # characters of a filter; brackets and negations within each other
_TOKEN = re.compile(
    r"(?P<string>'(?:[^']|'')*')"
    r"|(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<word>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<sign><=|>=|!=|=|<|>|\(|\)|,)",
    re.ASCII,
)
_EXAMPLE = "write it like: label = 'dog' and start_s >= 30"


def parse_filter(text: str) -> Filter:
    """The filter that a text describes; keywords may be in any case, columns are those of `COLUMNS`.

    Raises UnibindError, one sentence that names the place, for a text that is not a filter, UnknownNameError for a
    column that does not exist, and UnibindError for a value that is not of its column's kind.
    """
    if len(text) > _LONGEST:
        raise UnibindError(f"the filter has {len(text):,} characters; write at most {_LONGEST:,}")
    return _Parser(text).parsed()


def filter_of(where: str | Filter) -> Filter:
    """A filter, or the one that a text describes; raises what `parse_filter` raises."""
    return parse_filter(where) if isinstance(where, str) else where


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self._text, self._place, self._depth = text, 0, 0
        self._next()

    def parsed(self) -> Filter:
        found = self._filter()
        if self._kind != "end":
            self._fail("and, or, or the end")
        return found

    def _filter(self) -> Filter:
        return self._several("or", self._all, Some)

    def _all(self) -> Filter:
        return self._several("and", self._negation, All)

    def _several(self, word: str, part: Callable[[], Filter], made: Callable[[tuple[Filter, ...]], Filter]) -> Filter:
        found = [part()]
        while self._took(word):
            found.append(part())
        return found[0] if len(found) == 1 else made(tuple(found))

    def _negation(self) -> Filter:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UnibindError(f"the filter is nested more than {_DEEPEST} deep; write it with fewer brackets")
        if self._took("not"):
            found: Filter = Not(self._negation())
        elif self._took("("):
            found = self._filter()
            self._expect(")")
        else:
            found = self._condition()
        self._depth -= 1
        return found

    def _condition(self) -> Filter:
        if self._kind != "word" or self._lower in _KEYWORDS:
            self._fail("a column")
        column = self._token
        check_column(column)
        self._next()
        if self._took("is"):
            negated = self._took("not")
            self._expect("null")
            return _negated(Empty(column), negated)
        negated = self._took("not")
        if self._took("in"):
            return _negated(Member(column, self._values()), negated)
        if self._took("like"):
            if self._kind != "string":
                self._fail("a text in single quotes")
            return _negated(Like(column, str(self._value())), negated)
        operator = self._token
        if negated or operator not in COMPARISONS:
            self._fail("in or like" if negated else f"one of {' '.join(COMPARISONS)} in like is")
        self._next()
        return Comparison(column, operator, self._value())

    def _values(self) -> tuple[Value, ...]:
        self._expect("(")
        values = [self._value()]
        while self._took(","):
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _value(self) -> Value:
        kind, token = self._kind, self._token
        if kind not in ("string", "number"):
            self._fail("a text in single quotes, or a number")
        value: Value = token[1:-1].replace("''", "'") if kind == "string" else float(token)
        if isinstance(value, float) and not math.isfinite(value):
            self._fail("a finite number")
        self._next()
        return value

    # --- tokens ----------------------------------------------------------------------------------------------------

    def _took(self, word: str) -> bool:
        """Whether the next token is this keyword or sign, which is then passed."""
        if self._kind not in ("word", "sign") or self._lower != word:
            return False
        self._next()
        return True

    def _expect(self, word: str) -> None:
        if not self._took(word):
            self._fail(word)

    def _next(self) -> None:
        while self._place < len(self._text) and self._text[self._place].isspace():
            self._place += 1
        self._start = self._place
        if self._start == len(self._text):
            self._kind, self._token = "end", ""
        else:
            found = _TOKEN.match(self._text, self._start)
            if found is None:
                self._kind, self._token = "character", self._text[self._start]
                self._fail("a text in single quotes, closed by one" if self._token in "'\"" else "a column or a value")
            self._kind, self._token = str(found.lastgroup), found[str(found.lastgroup)]
            self._place = found.end()
        self._lower = self._token.lower()

    def _fail(self, wanted: str) -> NoReturn:
        found = "it ends" if self._kind == "end" else f"it has {self._token[:60]!r}"
        raise UnibindError(f"the filter needs {wanted} at character {self._start + 1}, where {found}; {_EXAMPLE}")


_KEYWORDS = ("and", "or", "not", "in", "like", "is", "null")


def _negated(condition: Filter, negated: bool) -> Filter:
    return Not(condition) if negated else condition
