"""Search results: the hits of one query, and saving them as a table, a picture or a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Hit:
    """One search result: cosine `score` (of centered vectors, unless the search was not centered) and the stored item.

    `uri` is a path that can be opened from the working directory, or a URL; None for an inline text, which is `text`.
    `start_s` and `end_s` are where a segment is in its file, in seconds, and its `uri` ends in "#t=START,END"; None for
    a whole item. `same_as` is the rank
    of the hit that this one is nearly the same as, a cosine of at least 0.98; None for a hit that is not.
    """

    rank: int
    score: float
    id: str
    modality: str
    uri: str | None
    label: str | None
    text: str | None
    start_s: float | None = None
    end_s: float | None = None
    same_as: int | None = None

    @property
    def moment(self) -> str:
        """Where a segment is in its file, such as "1:05-1:15"; empty for a whole item."""
        if self.start_s is None:
            return ""
        return clock(self.start_s) if self.end_s is None else f"{clock(self.start_s)}-{clock(self.end_s)}"


class Hits(list[Hit]):
    """The results of one query, best first.

    `query` is what was searched for, in words or as a path, and `query_modality` the modalities of its parts; `gaps`
    maps each searched modality to the distance of its mean from the others', before centering; `outside_anchor_space`
    lists the stored modalities that could not be compared with the query; `store_version` is the version that was
    searched. Hits are in the order of their scores, unless the search was hybrid or diverse.
    """

    query: str = ""
    query_modality: str = ""
    gaps: Mapping[str, float] = {}
    outside_anchor_space: tuple[str, ...] = ()
    store_version: int = 0

    def to_rows(self) -> list[dict[str, Any]]:
        """One dict per hit, with what `Hit` has."""
        return [asdict(hit) for hit in self]

    def save(self, path: str | Path) -> None:
        """Write the hits as a table: `.csv`, `.json`, `.jsonl` or `.parquet`, by the suffix of the path.

        Raises UnknownNameError for another suffix.
        """
        from .tables import save_table

        save_table(self.to_rows(), Path(path), [field.name for field in fields(Hit)])

    def save_png(self, path: str | Path) -> None:
        """Write a picture of the results: one cell per hit, captioned by rank, label and score."""
        from .page import save_contact_sheet

        save_contact_sheet(self, Path(path))

    def save_html(self, path: str | Path) -> None:
        """Write one page that works offline: every hit's picture, a player for its sound, its score and its file."""
        from .page import save_page

        save_page(self, Path(path))


def clock(seconds: float) -> str:
    """Seconds as people read them beside a recording: "0:07", "1:05", "1:02:03.5"."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest // 10:02}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minutes:02}:{shown}" if hours else f"{minutes}:{shown}"
