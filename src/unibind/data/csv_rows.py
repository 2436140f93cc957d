"""Rows of separated values, whatever the separator, one damaged row at a time."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from .formulas import unshielded
from .text_encoding import undecodable

_SEPARATORS = (",", ";", "\t", "|")
_WHOLE_LINE = "\x1f"  # the separator of a list, whose rows have one cell
_MAX_LINES = 1000  # of one row: where a quote is never closed, only that much is read to find it out
_COUNTED = "a different number of cells"


def csv_rows(
    lines: Iterable[str],
    is_known: Callable[[str], bool],
    without_header: Callable[[Sequence[str]], Sequence[str] | None],
) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Yield the number of each row, from 1 after the header, and its cells by column, or what is wrong with it.

    `lines` have their line ends, whatever these are. A blank row is {}. The separator is the one by which most cells of
    the first row are known columns. Where none is known, `without_header` says what the columns of its cells are; where
    it says nothing (None), they are names nobody knows.
    """
    records = _Records(lines)
    separator, names, has_header = _layout(records.first_line(), is_known, without_header)
    if has_header:
        records.next(separator)
    for number, cells in enumerate(iter(lambda: records.next(separator), None), start=1):
        if isinstance(cells, str) or not any(map(str.strip, cells)):
            yield number, cells if isinstance(cells, str) else {}
        else:
            yield number, _named(names, cells)


def _layout(
    line: str, is_known: Callable[[str], bool], without_header: Callable[[Sequence[str]], Sequence[str] | None]
) -> tuple[str, list[str], bool]:
    """Separator and names of the columns by the first line, and whether that is a header."""
    split = {separator: _cells(line, separator) for separator in _SEPARATORS}
    known = {separator: sum(map(is_known, cells)) for separator, cells in split.items()}
    best = max(_SEPARATORS, key=lambda separator: (known[separator], len(split[separator])))
    if not known[best]:
        for separator in (_WHOLE_LINE, *_SEPARATORS):
            names = without_header(_cells(line, separator))
            if names is not None:
                return separator, list(names), False
    return best, split[best], True


def _cells(line: str, separator: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]
    except csv.Error:
        return []


def _named(names: Sequence[str], cells: Sequence[str]) -> dict[str, str] | str:
    extra = cells[len(names) :]
    if len(cells) < len(names) or any(cell.strip() for cell in extra):
        return f"it has {_COUNTED} ({len(cells)}) than the header ({len(names)}); quote the separators in its cells"
    if any(map(undecodable, cells)):
        return "it is not UTF-8 text; save the table as UTF-8"
    values = [unshielded(cell) for cell in cells[: len(names)]]
    return dict(zip(reversed(names), reversed(values), strict=True))  # of equal names, the first counts


class _Records:
    """The rows of lines, of which one that is damaged ends with its line."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = chain(lines)  # which, unlike a generator, is not closed with what reads some of it
        self._ahead: deque[str] = deque()

    def first_line(self) -> str:
        """The first line that is not blank and no remark of a spreadsheet about its separator; it is still unread."""
        for line in self._lines:
            if line.strip() and not line.lower().startswith("sep="):
                self._ahead.append(line)
                return line
        return ""

    def next(self, separator: str) -> list[str] | str | None:
        """The cells of the next row, or what is wrong with its first line; None after the last row."""
        read: list[str] = []
        lines = (self._noted(line, read) for line in islice(self._all_lines(), _MAX_LINES))
        try:
            return next(csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True), None)
        except csv.Error as error:
            self._ahead.extendleft(reversed(read[1:]))
            return f"it is broken ({error}); correct its quotes"

    def _all_lines(self) -> Iterator[str]:
        while self._ahead:
            yield self._ahead.popleft()
        yield from self._lines

    @staticmethod
    def _noted(line: str, read: list[str]) -> str:
        read.append(line)
        return line
