"""How much a single input may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Largest input that is read: bytes of a file, pixels of a picture or frame, seconds and samples of a recording,
    points of a cloud, events of a stream. Headers are checked against them before anything is allocated."""

    max_bytes: int = 2 << 30
    max_pixels: int = 100_000_000
    max_seconds: float = 3600.0
    max_samples: int = 200_000_000  # an hour at 48 kHz and some
    max_points: int = 20_000_000
    max_events: int = 50_000_000
    max_characters: int = 1_000_000
