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
    """

    rank: int
    score: float
    id: str
    modality: str
    uri: str | None
    label: str | None
    text: str | None


class Hits(list[Hit]):
    """The results of one query, best first.

    `query` is what was searched for, in words or as a path, and `query_modality` its modality; `gaps` maps each
    searched modality to the distance of its mean from the others', before centering; `outside_anchor_space` lists the
    stored modalities that could not be compared with the query; `store_version` is the version that was searched.
    """

    query: str = ""
    query_modality: str = ""
    gaps: Mapping[str, float] = {}
    outside_anchor_space: tuple[str, ...] = ()
    store_version: int = 0

    def to_rows(self) -> list[dict[str, Any]]:
        """One dict per hit: rank, score, id, modality, uri, label and text."""
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
