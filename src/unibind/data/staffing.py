"""The number of reading processes: as many as keep the encoder busy, by the measured rates of both."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass

from ..processes import usable_cores

_FIRST = 16  # items to read before the rate counts
_RECENT = 0.02  # weight of an item in the running mean: about the last fifty count


@dataclass(frozen=True)
class Pace:
    """How fast a run was: its number of `workers`, and the seconds per item of one worker and of the encoder.

    `busy` is the share of the time from the first batch to the last in which the encoder was encoding. None means not
    measured, because there was nothing to do.
    """

    workers: int
    read_s: float | None = None
    encode_s: float | None = None
    busy: float | None = None

    @property
    def message(self) -> str:
        """The numbers in one line for people; empty where nothing was encoded."""
        if self.read_s is None or self.encode_s is None or self.busy is None:
            return ""
        readers = {0: "this process", 1: "1 worker"}.get(self.workers, f"{self.workers} workers")
        took = f"reading took {_ms(self.read_s)} per item in one process, and encoding {_ms(self.encode_s)}"
        return f"{took}; with {readers} the encoder was busy {self.busy:.0%} of the time"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2g} ms" if seconds < 0.1 else f"{seconds:.2g} s"


class Staffing:
    """The number of worker processes, and the rates that determine it.

    A given `count` stays as it is. Otherwise there is one worker at first. If reading an item takes r seconds in one
    process and encoding takes e, then r / e processes keep up with the encoder: that many are started, up to the number
    of cores. The number never shrinks, because idle workers only wait.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = 1 if count is None else count
        self._most = usable_cores() if count is None else self.count
        self._read, self._encode = _Mean(), _Mean()
        self._encoding_s, self._ended = 0.0, 0.0
        self._began: float | None = None
        self._lock = threading.Lock()

    def note_read(self, seconds: float) -> None:
        """Record that reading an item took `seconds`."""
        with self._lock:
            self._read.add(seconds, 1)
            self._decide()

    def note_encoded(self, items: int, seconds: float) -> None:
        """Record that a batch of `items` was just encoded in `seconds`."""
        with self._lock:
            self._ended = time.monotonic()
            self._began = self._ended - seconds if self._began is None else self._began
            self._encoding_s += seconds
            self._encode.add(seconds / items, items)
            self._decide()

    def pace(self) -> Pace:
        """The rates so far."""
        with self._lock:
            span = self._ended - (self._began or self._ended)
            busy = min(1.0, self._encoding_s / span) if span else None
            return Pace(self.count, self._read.overall, self._encode.overall, busy)

    def _decide(self) -> None:
        read, encode = self._read.recent, self._encode.recent
        if read is not None and encode and self._read.count >= _FIRST:
            self.count = max(self.count, min(self._most, math.ceil(read / encode)))


class _Mean:
    """The means of what items took: `recent` ones, and of all."""

    def __init__(self) -> None:
        self.recent: float | None = None
        self.count, self._total = 0, 0.0

    @property
    def overall(self) -> float | None:
        return self._total / self.count if self.count else None

    def add(self, value: float, items: int) -> None:
        self.count += items
        self._total += value * items
        weight = max(items / self.count, 1 - (1 - _RECENT) ** items)
        self.recent = value if self.recent is None else self.recent + weight * (value - self.recent)
