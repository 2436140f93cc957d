"""Readings of inertial sensors: CSV and NPY. No file is taken for one by its name alone."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import LimitError, UnreadableError
from .formats.arrays import NPY_MAGIC, ZIP_MAGIC, arrays_of
from .limits import Limits
from .source import Source
from .spec import Reader, require


@dataclass(frozen=True, eq=False)
class Imu:
    """Readings of an inertial sensor: `values` float32 [6, N], acceleration x, y, z in m/s^2 and rotation x, y, z in
    rad/s, at `rate` readings a second."""

    values: NDArray[np.float32]
    rate: float
    modality: ClassVar[str] = "imu"

    def __post_init__(self) -> None:
        """Refuse arrays of another shape or type, and numbers that are not finite."""
        require(
            self.values.dtype == np.float32
            and self.values.ndim == 2
            and len(self.values) == 6
            and self.values.size > 6,
            f"an Imu takes float32 [6, N] with N of 2 and more, not {self.values.dtype} {list(self.values.shape)}",
        )
        require(bool(np.isfinite(self.values).all()), "an Imu must not hold NaN or infinite readings")
        require(self.rate > 0, f"an Imu's rate must be positive, not {self.rate}")

    def summary(self) -> dict[str, Any]:
        """Length in seconds, rate, largest acceleration and rotation."""
        size = np.linalg.norm(self.values.reshape(2, 3, -1), axis=1).max(axis=1)
        return {
            "duration_s": round(self.values.shape[1] / self.rate, 4),
            "rate_hz": self.rate,
            "largest_acceleration": round(float(size[0]), 3),
            "largest_rotation": round(float(size[1]), 3),
        }


_CHANNELS = 6
_SLOWEST_HZ = 1.0  # slower ones are times in milliseconds


def read(source: Source, limits: Limits, *, rate: float | None = None) -> Imu:
    """Read acceleration x, y, z in m/s^2 and rotation x, y, z in rad/s.

    CSV: six columns in that order, or seven whose first is the time in seconds, with or without names above. NPY:
    [N, 6] or [N, 7] likewise, or [6, N]. `rate` in Hz is needed where there is no time; otherwise it is the mean over
    the recording. Raises UnreadableError for other shapes, for [6, 6] and [6, 7], which could be either, for times that
    go back or are no seconds, and where the rate is not known.
    """
    rows = _rows(source, limits)  # [N, 6 or 7]
    if len(rows) < 2:
        raise UnreadableError(f"{source.name} has {len(rows)} readings; at least two are needed")
    if rows.shape[1] == _CHANNELS + 1:
        span = float(rows[-1, 0] - rows[0, 0])
        if not (span > 0 and (np.diff(rows[:, 0]) >= 0).all()):
            raise UnreadableError(f"{source.name}: its first column is no time that goes on; sort it, or leave it out")
        said = (len(rows) - 1) / span
        if rate is None and said < _SLOWEST_HZ:
            raise UnreadableError(
                f"{source.name}: by its first column there are {said:.2g} readings a second; give the time in seconds"
            )
        rate = said if rate is None else rate
    if rate is None:
        raise UnreadableError(f"{source.name} says no time; add it as first column in seconds, or read it with rate=Hz")
    return Imu(np.ascontiguousarray(rows[:, -_CHANNELS:].T, np.float32), rate)


def _rows(source: Source, limits: Limits) -> NDArray[np.float64]:
    if not source.head.startswith((NPY_MAGIC, ZIP_MAGIC)):
        return _table(source, limits)
    values = next(iter(arrays_of(source, limits.max_events * 8 * (_CHANNELS + 1)).values()))
    if values.ndim != 2 or values.dtype.kind not in "uif" or _CHANNELS not in (len(values), *_widths(values)):
        raise UnreadableError(f"{source.name} holds {values.dtype} {list(values.shape)}; an IMU is numbers [N, 6]")
    if len(values) == _CHANNELS and _CHANNELS in _widths(values):
        raise UnreadableError(
            f"{source.name} is {list(values.shape)}, which may be meant either way; save more readings, as [N, 6]"
        )
    return (values if _CHANNELS in _widths(values) else values.T).astype(np.float64)


def _widths(values: NDArray[Any]) -> tuple[int, int]:
    """Columns with and without a time before them."""
    return values.shape[1], values.shape[1] - 1


def _table(source: Source, limits: Limits) -> NDArray[np.float64]:
    """Rows of numbers; a first row of names is passed over."""
    rows: list[list[float]] = []
    with source.open() as file:
        lines = (line.decode("utf-8", "replace") for line in file)
        for number, cells in enumerate(csv.reader(lines), start=1):
            if not cells:
                continue
            try:
                row = [float(cell) for cell in cells]
            except ValueError:
                if number == 1:
                    continue
                raise UnreadableError(f"{source.name} line {number}: {cells[:7]} are not all numbers") from None
            if len(row) not in (_CHANNELS, _CHANNELS + 1) or (rows and len(row) != len(rows[0])):
                raise UnreadableError(
                    f"{source.name} line {number} has {len(row)} columns; an IMU has 6, or 7 with time"
                )
            rows.append(row)
            if len(rows) > limits.max_events:
                raise LimitError(f"{source.name} has more than {limits.max_events:,} readings; raise the limits")
    return np.array(rows, np.float64).reshape(len(rows), len(rows[0]) if rows else 0)


READER = Reader(modality="imu", suffixes=(), read=read, sniff=lambda head: False)
