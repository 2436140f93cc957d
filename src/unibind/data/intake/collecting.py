"""Collecting the items of a source, each once, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

from ...errors import UnibindError
from ..item_table import Entry, ItemTable
from ..location import canonical_location
from ..manifest import Item
from .report import IntakeReport, SetAside
from .segmenting import Segmenter
from .split_names import SPLITS, normalized_split

_NAMED = 1000  # rows and files set aside that are named; the others are only counted
_FACTS = ("label", "split", "description", "object")


class Manifest(Sequence[Item]):
    """The items of a source, kept on disk; `report` says what was left out, and why."""

    def __init__(self, table: ItemTable, report: IntakeReport) -> None:
        self.table, self.report = table, report

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.table)

    @overload
    def __getitem__(self, position: int) -> Item: ...

    @overload
    def __getitem__(self, position: slice) -> list[Item]: ...

    def __getitem__(self, position: int | slice) -> Item | list[Item]:
        if isinstance(position, slice):
            return [self.table.at(number).item for number in range(*position.indices(len(self)))]
        return self.table.at(position + len(self) if position < 0 else position).item

    def __eq__(self, other: object) -> bool:
        """Whether `other` is a manifest or list of the same items."""
        if not isinstance(other, Manifest | list):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


class Collector:
    """Takes items one by one; a second row of the same item, or with the same id, is set aside.

    `root` is the folder that relative paths in rows start from, if one was chosen. Recordings become segments of
    `segment_seconds`, if that is given.
    """

    def __init__(self, root: Path | None = None, segment_seconds: float | None = None) -> None:
        self.root, self._segmenter = root, Segmenter(segment_seconds)
        self.default_split: str | None = None  # of items whose rows and folders do not say it
        self._table = ItemTable()
        self._splits, self._skipped = Counter[str](), Counter[str]()
        self._set_aside: list[SetAside] = []
        self._more_set_aside = 0

    def add(self, item: Item, source: str, row: int | None = None) -> None:
        """Take an item, or set it aside where it was taken before."""
        item = replace(item, split=normalized_split(item.split or self.default_split))
        for part in self._segmenter.parts(item):
            self._add(part, source, row)

    def _add(self, item: Item, source: str, row: int | None) -> None:
        earlier = self._table.add(item, source if row is None else f"row {row}")
        if earlier is None:
            self._splits.update([item.split] if item.split and item.split not in SPLITS else ())
        elif _is_same(item, earlier):
            self.set_aside(source, row, _repeats(item, str(earlier.where), earlier.item))
        else:
            self.set_aside(source, row, f"its id {item.id!r} is that of {earlier.where}; give it another")

    def set_aside(self, source: str, row: int | None, reason: str) -> None:
        """Note a row or file that is not an item."""
        if len(self._set_aside) < _NAMED:
            self._set_aside.append(SetAside(source, row, reason))
        else:
            self._more_set_aside += 1

    def skip(self, ending: str) -> None:
        """Count a file whose ending belongs to no modality."""
        self._skipped[ending] += 1

    def finish(self, source: str, *, strict: bool, allow_empty: bool) -> Manifest:
        """The items with the report.

        Raises UnibindError for none, unless that is allowed, and, if `strict`, for rows or files set aside.
        """
        report = IntakeReport(
            len(self._table), dict(self._skipped), tuple(self._set_aside), dict(self._splits), self._more_set_aside
        )
        if strict and self._set_aside:
            raise UnibindError(f"{_refusal(report)}; correct it, or do without strict")
        if not len(self._table) and not allow_empty:
            raise UnibindError(f"{source} contains no items{_why(report)}; add some, or pass another source")
        return Manifest(self._table, report)


def _is_same(item: Item, earlier: Entry) -> bool:
    """Whether an item is the earlier one again, rather than another one of the same id."""
    if item.uri is None or earlier.item.uri is None:
        return item.uri is earlier.item.uri
    return canonical_location(item.uri) == earlier.place


def _repeats(item: Item, where: str, earlier: Item) -> str:
    other = [name for name in _FACTS if getattr(item, name) not in (None, getattr(earlier, name))]
    return f"it repeats the item of {where}" + (f" with another {' and '.join(other)}" if other else "")


def _refusal(report: IntakeReport) -> str:
    more = report.all_set_aside - 1
    return f"{report.set_aside[0]}" + (f" (and {more:,} more)" if more else "")


def _why(report: IntakeReport) -> str:
    reasons = [str(report.set_aside[0])] if report.set_aside else []
    if report.skipped:
        reasons.append(report.lines()[0])
    return f": {'; '.join(reasons)}" if reasons else ""
