"""Upper bounds on what a single input may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The largest inputs that are read: bytes of a file, pixels of a picture or frame, seconds and samples of a
    recording, points of a cloud, events of a stream, characters of a text. Headers are checked against them before
    anything is allocated.
    """

    max_bytes: int = 2 << 30
    max_pixels: int = 100_000_000
    max_seconds: float = 3600.0
    max_samples: int = 200_000_000  # about an hour at 48 kHz
    max_points: int = 20_000_000
    max_events: int = 50_000_000
    max_characters: int = 1_000_000
