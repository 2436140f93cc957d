"""Conditions on what is known about items: the parts that a filter is made of (see `retrieval.filters`).

Each is checked when it is made, and then used in two ways that agree row for row: as SQL that LanceDB evaluates while
it searches, and as a mask of rows in memory. They answer as SQL does: a comparison with a cell that has no value is
neither true nor false, so `label != 'dog'` leaves out items without a label.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..data.sql import quoted
from ..data.stored_text import stored
from ..errors import UnibindError, UnknownNameError

if TYPE_CHECKING:
    import pyarrow

Kind = Literal["string", "number"]
Value = str | float

COLUMNS: dict[str, Kind] = {  # numbers are float64, in seconds
    "id": "string",
    "modality": "string",
    "label": "string",
    "split": "string",
    "object": "string",
    "uri": "string",
    "text": "string",
    "start_s": "number",
    "end_s": "number",
}
_COMPARED = {
    "=": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}
COMPARISONS = tuple(_COMPARED)


class Filter(ABC):
    """A condition on the columns `COLUMNS` of an item."""

    @abstractmethod
    def to_sql(self) -> str:
        """The condition in LanceDB's SQL."""

    @abstractmethod
    def answers(self, rows: pyarrow.Table) -> Any:
        """True, False or null for every row: a pyarrow BooleanArray or ChunkedArray [N]."""

    def matches(self, rows: pyarrow.Table) -> pyarrow.BooleanArray:
        """Which rows of a table with the columns `COLUMNS` the filter keeps: a mask [N] without nulls."""
        import pyarrow
        from pyarrow import compute

        mask = compute.fill_null(self.answers(rows), False)
        if isinstance(mask, pyarrow.ChunkedArray):
            return pyarrow.array([], pyarrow.bool_()) if not mask.num_chunks else mask.combine_chunks()
        return mask

    def __and__(self, other: Filter) -> Filter:
        """Both conditions."""
        return All((self, other))


@dataclass(frozen=True)
class Comparison(Filter):
    """A column compared with a value by one of `COMPARISONS`.

    Raises UnknownNameError for another column or operator, and UnibindError for a value that is not of the column's
    kind.
    """

    column: str
    operator: str
    value: Value

    def __post_init__(self) -> None:
        """Check the column, the operator and the value."""
        if self.operator not in _COMPARED:
            raise UnknownNameError("operator in the filter:", self.operator, _COMPARED)
        check_value(self.column, self.value)

    def to_sql(self) -> str:
        """`column` operator value."""
        return f"{_name(self.column)} {self.operator} {_literal(self.value)}"

    def answers(self, rows: pyarrow.Table) -> Any:
        """Null where the cell is."""
        from pyarrow import compute

        return getattr(compute, _COMPARED[self.operator])(rows[self.column], _scalar(self.value))


@dataclass(frozen=True)
class Member(Filter):
    """A column whose value is one of these; raises what `Comparison` raises."""

    column: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        """Check the column and the values."""
        for value in self.values:
            check_value(self.column, value)

    def to_sql(self) -> str:
        """`column` IN (values)."""
        return f"{_name(self.column)} IN ({', '.join(map(_literal, self.values))})"

    def answers(self, rows: pyarrow.Table) -> Any:
        """Null where the cell is."""
        import pyarrow
        from pyarrow import compute

        cells = rows[self.column]
        found = compute.is_in(cells, value_set=pyarrow.array(list(map(_cell, self.values)), cells.type))
        return compute.if_else(compute.is_valid(cells), found, pyarrow.scalar(None, pyarrow.bool_()))


@dataclass(frozen=True)
class Like(Filter):
    """A text column that fits a pattern as a whole: `%` stands for any characters, `_` for one.

    Raises UnibindError for a column of numbers, and for a backslash, which databases read differently.
    """

    column: str
    pattern: str

    def __post_init__(self) -> None:
        """Check the column and the pattern."""
        check_value(self.column, self.pattern)
        if "\\" in self.pattern:
            raise UnibindError(
                f"the pattern {self.pattern!r} of the filter contains a backslash; write _ for it: any character"
            )

    def to_sql(self) -> str:
        """`column` LIKE pattern."""
        return f"{_name(self.column)} LIKE {_literal(self.pattern)}"

    def answers(self, rows: pyarrow.Table) -> Any:
        """Null where the cell is."""
        from pyarrow import compute

        return compute.match_like(rows[self.column], stored(self.pattern))


@dataclass(frozen=True)
class Empty(Filter):
    """A column without a value; raises UnknownNameError for another column."""

    column: str

    def __post_init__(self) -> None:
        """Check the column."""
        check_column(self.column)

    def to_sql(self) -> str:
        """`column` IS NULL."""
        return f"{_name(self.column)} IS NULL"

    def answers(self, rows: pyarrow.Table) -> Any:
        """Never null."""
        return rows[self.column].is_null()


@dataclass(frozen=True)
class Not(Filter):
    """The opposite of a condition; null where that is."""

    condition: Filter

    def to_sql(self) -> str:
        """NOT (condition)."""
        return f"NOT ({self.condition.to_sql()})"

    def answers(self, rows: pyarrow.Table) -> Any:
        """True where the condition is false."""
        from pyarrow import compute

        return compute.invert(self.condition.answers(rows))


@dataclass(frozen=True)
class All(Filter):
    """Every one of several conditions."""

    conditions: tuple[Filter, ...]

    def to_sql(self) -> str:
        """(condition) AND (condition) ..."""
        return _joined(" AND ", self.conditions)

    def answers(self, rows: pyarrow.Table) -> Any:
        """False where one is, else null where one is."""
        from pyarrow import compute

        return _folded(compute.and_kleene, self.conditions, rows)


@dataclass(frozen=True)
class Some(Filter):
    """At least one of several conditions."""

    conditions: tuple[Filter, ...]

    def to_sql(self) -> str:
        """(condition) OR (condition) ..."""
        return _joined(" OR ", self.conditions)

    def answers(self, rows: pyarrow.Table) -> Any:
        """True where one is, else null where one is."""
        from pyarrow import compute

        return _folded(compute.or_kleene, self.conditions, rows)


# --- parts ---------------------------------------------------------------------------------------------------------


def check_column(column: str) -> None:
    """Raise UnknownNameError unless a filter may name the column."""
    if column not in COLUMNS:
        raise UnknownNameError("column in the filter:", column, COLUMNS)


def check_value(column: str, value: Value) -> None:
    """Raise UnknownNameError for an unknown column, and UnibindError for a value of another kind."""
    check_column(column)
    if COLUMNS[column] == "string" and not isinstance(value, str):
        raise UnibindError(f"the column {column} of the filter holds texts, not {value}; write '{value}' in quotes")
    if COLUMNS[column] == "number" and isinstance(value, str):
        raise UnibindError(f"the column {column} of the filter holds numbers, not {value!r}; write a number, no quotes")


def _literal(value: Value) -> str:
    return quoted(value) if isinstance(value, str) else repr(float(value))


def _name(column: str) -> str:
    return f"`{column}`"


def _cell(value: Value) -> Value:
    return str(stored(value)) if isinstance(value, str) else float(value)


def _scalar(value: Value) -> Any:
    import pyarrow

    kind = pyarrow.string() if isinstance(value, str) else pyarrow.float64()
    return pyarrow.scalar(_cell(value), kind)


def _joined(word: str, conditions: tuple[Filter, ...]) -> str:
    return word.join(f"({condition.to_sql()})" for condition in conditions)


def _folded(combine: Any, conditions: tuple[Filter, ...], rows: pyarrow.Table) -> Any:
    found = conditions[0].answers(rows)
    for condition in conditions[1:]:
        found = combine(found, condition.answers(rows))
    return found
