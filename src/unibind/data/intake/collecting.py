"""Collecting the items of a source, each once, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ...errors import UnibindError
from ..manifest import Item, identity
from .report import IntakeReport, SetAside
from .split_names import SPLITS, normalized_split

_FACTS = ("label", "split", "description", "object")


class Manifest(list[Item]):
    """The items of a source; `report` says what was left out, and why."""

    def __init__(self, items: Iterable[Item] = (), report: IntakeReport | None = None) -> None:
        super().__init__(items)
        self.report = report or IntakeReport(len(self))


class Collector:
    """Takes items one by one; a second row of the same item, or with the same id, is set aside.

    `root` is the folder that relative paths in rows start from, if one was chosen.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root
        self.default_split: str | None = None  # of items whose rows and folders do not say it
        self._items: list[Item] = []
        self._seen: dict[tuple[str, str], tuple[str, Item]] = {}  # identity -> where, and the item
        self._ids: dict[tuple[str, str], str] = {}  # modality and id -> where
        self._skipped: Counter[str] = Counter()
        self._set_aside: list[SetAside] = []

    def add(self, item: Item, source: str, row: int | None = None) -> None:
        """Take an item, or set it aside where it was taken before."""
        item = replace(item, split=normalized_split(item.split or self.default_split))
        where = source if row is None else f"row {row}"
        key, name = identity(item), (item.modality, item.id)
        earlier = self._seen.get(key)
        if earlier is not None:
            self.set_aside(source, row, _repeats(item, *earlier))
        elif name in self._ids:
            self.set_aside(source, row, f"its id {item.id!r} is that of {self._ids[name]}; give it another")
        else:
            self._seen[key] = where, item
            self._ids[name] = where
            self._items.append(item)

    def set_aside(self, source: str, row: int | None, reason: str) -> None:
        """Note a row or file that is not an item."""
        self._set_aside.append(SetAside(source, row, reason))

    def skip(self, ending: str) -> None:
        """Count a file whose ending belongs to no modality."""
        self._skipped[ending] += 1

    def finish(self, source: str, *, strict: bool) -> Manifest:
        """The items with the report; raises UnibindError for none and, if `strict`, for rows or files set aside."""
        splits = Counter(item.split for item in self._items if item.split and item.split not in SPLITS)
        report = IntakeReport(len(self._items), dict(self._skipped), tuple(self._set_aside), dict(splits))
        if strict and self._set_aside:
            raise UnibindError(f"{_refusal(self._set_aside)}; correct it, or do without strict")
        if not self._items:
            raise UnibindError(f"{source} contains no items{_why(report)}; add some, or pass another source")
        return Manifest(self._items, report)


def _repeats(item: Item, where: str, earlier: Item) -> str:
    other = [name for name in _FACTS if getattr(item, name) not in (None, getattr(earlier, name))]
    return f"it repeats the item of {where}" + (f" with another {' and '.join(other)}" if other else "")


def _refusal(set_aside: list[SetAside]) -> str:
    more = len(set_aside) - 1
    return f"{set_aside[0]}" + (f" (and {more:,} more)" if more else "")


def _why(report: IntakeReport) -> str:
    reasons = [str(report.set_aside[0])] if report.set_aside else []
    if report.skipped:
        reasons.append(report.lines()[0])
    return f": {'; '.join(reasons)}" if reasons else ""
