"""Event recordings as NumPy arrays: the columns of an NPZ file, or the fields of one structured array."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UnreadableError
from ..limits import Limits
from ..source import Source
from .arrays import NPY_MAGIC, ZIP_MAGIC, arrays_of
from .event_files import Recording

MICROSECONDS = {"us": 1.0, "ms": 1e3, "s": 1e6, "ns": 1e-3}

_NAMES = {
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "x": ("x", "xs"),
    "y": ("y", "ys"),
    "p": ("p", "ps", "pol", "polarity", "on"),
}


def is_array_file(head: bytes) -> bool:
    """Whether the first bytes of a file are those of an NPY or NPZ file."""
    return head.startswith((NPY_MAGIC, ZIP_MAGIC))


@contextmanager
def decode(source: Source, limits: Limits, time_unit: str) -> Iterator[Recording]:
    """A recording whose columns have one of their usual names, with times in `time_unit`.

    Raises UnreadableError for missing columns, columns of different lengths, polarities other than two values, and
    coordinates that are not whole numbers.
    """
    if time_unit not in MICROSECONDS:
        raise UnreadableError(f"unknown time unit {time_unit!r}; choose one of: {', '.join(MICROSECONDS)}")
    arrays: Mapping[str, NDArray[Any]] = arrays_of(source, limits)
    if len(arrays) == 1:
        (array,) = arrays.values()
        arrays = {field: array[field] for field in array.dtype.names or ()}
    columns = {column: _named(arrays, column, names, source.name) for column, names in _NAMES.items()}
    _check(columns, source.name)
    if time_unit != "us":
        columns["t"] = np.rint(columns["t"].astype(np.float64) * MICROSECONDS[time_unit])
    for column in "txy":
        columns[column] = _whole(columns[column], column, source.name)
    packet = np.empty(len(columns["t"]), [(column, array.dtype) for column, array in columns.items()])
    for column, array in columns.items():
        packet[column] = array
    sensor = [int(arrays[side]) for side in ("width", "height") if side in arrays and arrays[side].ndim == 0]
    yield Recording((sensor[0], sensor[1]) if len(sensor) == 2 else None, [packet])


def _named(arrays: Mapping[str, NDArray[Any]], column: str, names: tuple[str, ...], file: str) -> NDArray[Any]:
    for name in names:
        if name in arrays:
            return arrays[name]
    raise UnreadableError(f"{file} has no column {column} (or {', '.join(names[1:])}); it has: {', '.join(arrays)}")


def _check(columns: Mapping[str, NDArray[Any]], name: str) -> None:
    if len({array.shape for array in columns.values()}) > 1 or columns["t"].ndim != 1:
        shapes = ", ".join(f"{column} {list(array.shape)}" for column, array in columns.items())
        raise UnreadableError(f"{name}: t, x, y and p must be one-dimensional and equally long, not {shapes}")
    if not np.isin(columns["p"], (-1, 0, 1)).all():
        raise UnreadableError(f"{name}: polarities must be 0 and 1, -1 and 1, or false and true")


def _whole(values: NDArray[Any], column: str, name: str) -> NDArray[Any]:
    """Numbers of any type as integers; refused if they are not whole."""
    if values.dtype.kind in "iu":
        return values
    if values.dtype.kind != "f":
        raise UnreadableError(f"{name}: column {column} must contain numbers, not {values.dtype}")
    broken = ~(np.abs(values) < 1 << 53) | (np.trunc(values) != values)  # also catches NaN
    if broken.any():
        hint = "; specify the unit of fractional times, such as time_unit='s'" if column == "t" else ""
        raise UnreadableError(f"{name}: {int(broken.sum()):,} values of column {column} are not whole numbers{hint}")
    return values.astype(np.int64)
