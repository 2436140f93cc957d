"""Segments of recordings: `talk.wav#t=10,20` are its seconds from 10 to 20 (a Media Fragment URI of the W3C)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .limits import Limits
    from .source import Source
    from .spec import Raw

_NUMBER = r"\d+(?:\.\d+)?"
_MARK = "#t="
_SEGMENT = re.compile(f"(.+){_MARK}({_NUMBER}),({_NUMBER})", re.DOTALL)


@dataclass(frozen=True)
class Segment:
    """A part of a recording, in seconds from its start; written, it is what follows the name of the file."""

    start_s: float
    end_s: float

    def __str__(self) -> str:
        return f"{_MARK}{_seconds(self.start_s)},{_seconds(self.end_s)}"


def _seconds(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def split_segment(uri: str) -> tuple[str, Segment | None]:
    """The file or URL that a uri names, and the segment of it; None for all of it."""
    found = _SEGMENT.fullmatch(uri) if _MARK in uri else None
    return (uri, None) if found is None else (found[1], Segment(float(found[2]), float(found[3])))


@dataclass(frozen=True)
class SegmentReader:
    """How a modality's files are read in segments.

    `duration(source, limits)` is that of a file in seconds, `read(source, limits, segment)` a raw item of one segment,
    for which no more is decoded than it needs; a segment may end after the file does.
    """

    duration: Callable[[Source, Limits], float]
    read: Callable[[Source, Limits, Segment], Raw]
