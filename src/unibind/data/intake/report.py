"""What an intake left out, and why: counted, numbered, and in words for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .split_names import SPLITS

_LISTED = 10  # rows that are named one by one
_NO_ENDING = "no ending"
_TABLES = (".csv", ".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class SetAside:
    """A row (counted from 1, without the header) or file of `source` that is not an item, and the reason."""

    source: str
    row: int | None
    reason: str

    def __str__(self) -> str:
        if self.row is None and self.reason.startswith(self.source):
            return self.reason
        return f"{self.source}{'' if self.row is None else f', row {self.row}'}: {self.reason}"


@dataclass(frozen=True)
class IntakeReport:
    """What became of the rows and files of a source.

    `items` were taken. `skipped` counts the files of a folder whose endings belong to no modality, by ending.
    `set_aside` are rows and files that should be items but are not: the first thousand, and `more_set_aside` counts
    the rest. `unknown_splits` counts the items of every split
    that is not train, val or test.
    """

    items: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    set_aside: Sequence[SetAside] = ()
    unknown_splits: Mapping[str, int] = field(default_factory=dict)
    more_set_aside: int = 0

    @property
    def all_set_aside(self) -> int:
        """How many rows and files were set aside."""
        return len(self.set_aside) + self.more_set_aside

    def lines(self) -> list[str]:
        """The report in words, a sentence or a row per line; empty where everything was taken."""
        return [*self._skipped_lines(), *self._set_aside_lines(), *self._split_lines()]

    def _skipped_lines(self) -> Iterator[str]:
        if self.skipped:
            counts = sorted(self.skipped.items(), key=lambda pair: (-pair[1], pair[0]))
            names = ", ".join(f"{count:,} {ending or _NO_ENDING}" for ending, count in counts)
            yield f"skipped files of other kinds: {names}"
        if any(ending in _TABLES for ending in self.skipped):
            yield "tables in a folder are not read: if one lists the files with labels, pass it instead of the folder"

    def _set_aside_lines(self) -> Iterator[str]:
        if self.set_aside:
            yield f"set aside {self.all_set_aside:,} of {self.items + self.all_set_aside:,} rows and files:"
            yield from (f"  {entry}" for entry in self.set_aside[:_LISTED])
            if self.all_set_aside > _LISTED:
                yield f"  ... and {self.all_set_aside - _LISTED:,} more"

    def _split_lines(self) -> Iterator[str]:
        if self.unknown_splits:
            names = ", ".join(
                f"{name!r} ({count:,} item{'s' * (count > 1)})" for name, count in self.unknown_splits.items()
            )
            yield f"not a known split: {names}; the known ones are {', '.join(SPLITS)}, and only they are used to fit"
