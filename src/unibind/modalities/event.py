"""Event-camera recordings: AEDAT4, DAT, EVT2/EVT3 RAW, ES, 40-bit ATIS BIN, NPY/NPZ, and drawn event frames."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import LimitError, UnreadableError
from . import image
from .formats import aedat4 as _aedat4
from .formats import arrays as _arrays
from .formats import event_files as _event_files
from .formats.event_files import Decode, Recording
from .limits import Limits
from .source import Source
from .spec import Reader, require


@dataclass(frozen=True, eq=False)
class Events:
    """An event-camera recording: times `t` int64 [N] in microseconds from the first event (sorted), pixel columns
    `x` and rows `y` int32 [N], polarity `p` bool [N] (True: brighter), sensor `width` and `height` in pixels."""

    t: NDArray[np.int64]
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    p: NDArray[np.bool_]
    width: int
    height: int
    modality: ClassVar[str] = "event"

    def __post_init__(self) -> None:
        """Refuse arrays of unlike length, an empty recording, or pixels outside the sensor."""
        n = len(self.t)
        require(
            n > 0 and len(self.x) == n and len(self.y) == n and len(self.p) == n,
            f"Events need equal, non-zero counts of t, x, y, p, not {n}, {len(self.x)}, {len(self.y)}, {len(self.p)}",
        )
        inside = self.x.min() >= 0 and self.y.min() >= 0 and self.x.max() < self.width and self.y.max() < self.height
        require(bool(inside), f"Events lie outside the {self.width} x {self.height} sensor")

    @property
    def duration_s(self) -> float:
        """Time from the first to the last event in seconds."""
        return float(self.t[-1] - self.t[0]) / 1e6

    def summary(self) -> dict[str, Any]:
        """Count of events, length in seconds, share of brighter events, sensor size."""
        return {
            "events": len(self.t),
            "duration_s": round(self.duration_s, 6),
            "brighter_share": round(float(self.p.mean()), 4),
            "width": self.width,
            "height": self.height,
        }


@dataclass(frozen=True, eq=False)
class EventFrame:
    """An event recording that somebody has already drawn as a picture: `pixels` uint8 [H, W, 3]."""

    pixels: NDArray[np.uint8]
    modality: ClassVar[str] = "event"

    def summary(self) -> dict[str, Any]:
        """Width and height in pixels."""
        return {"width": self.pixels.shape[1], "height": self.pixels.shape[0], "drawn": True}


MICROSECONDS = {"us": 1.0, "ms": 1e3, "s": 1e6, "ns": 1e-3}
_COLUMNS = {
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "x": ("x", "xs"),
    "y": ("y", "ys"),
    "p": ("p", "ps", "pol", "polarity", "on"),
}
_EVT = re.compile(rb"(?im)^% *(evt|format evt)")
_MAX_SPAN = 100 * 366 * 86_400 * 1_000_000  # us, a century
_BYTES_PER_EVENT = 64  # of an array file, at the most: eight columns of eight bytes


def read(
    source: Source, limits: Limits, *, width: int | None = None, height: int | None = None, time_unit: str = "us"
) -> Events | EventFrame:
    """Read one recording, sorted by time and starting at 0 us; a PNG or JPEG is taken as an already drawn frame.

    `width` and `height` (pixels) replace the sensor size of the file; where neither says it, the smallest sensor
    that holds all events is taken. `time_unit` (us, ms, s, ns) is that of a NPY or NPZ file's times. Raises
    LimitError for more events or pixels than `limits` allow, UnreadableError for a recording that is empty, cut
    short, or has events outside of its sensor.
    """
    if _is_picture(source.head):
        return EventFrame(image.read(source, limits).pixels)
    if time_unit not in MICROSECONDS:
        raise UnreadableError(f"unknown time unit {time_unit!r}; choose one of: {', '.join(MICROSECONDS)}")
    with _decoder(source, time_unit)(source, limits.max_events) as recording:
        packets = list(_at_most(limits.max_events, recording, source.name))
    if not packets:
        raise UnreadableError(f"{source.name} holds no events")
    columns = {name: np.concatenate([packet[name] for packet in packets]) for name in _COLUMNS}
    columns["t"] = _from_start(columns["t"], source.name)
    if (columns["t"][1:] < columns["t"][:-1]).any():
        order = np.argsort(columns["t"], kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
    width, height = _sensor(columns["x"], columns["y"], recording.sensor, (width, height), source.name)
    if width * height > limits.max_pixels:
        raise LimitError(f"{source.name} claims a sensor of {width} x {height} pixels, more than the limits allow")
    x, y = columns["x"].astype(np.int32), columns["y"].astype(np.int32)
    return Events(columns["t"], x, y, columns["p"] > 0, width, height)


def _at_most(max_events: int, recording: Recording, name: str) -> Iterator[NDArray[Any]]:
    """The packets that hold events; LimitError as soon as there are too many in all."""
    count = 0
    for packet in recording.packets:
        count += len(packet)
        if count > max_events:
            raise LimitError(f"{name} holds more than the {max_events:,} events that the limits allow; raise them")
        if len(packet):
            yield packet


def _from_start(t: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Times from the earliest one, int64; cameras' clocks are often uint64."""
    t = t if t.dtype == np.uint64 else t.astype(np.int64)
    if int(t.max()) - int(t.min()) > _MAX_SPAN:
        raise UnreadableError(f"{name} spans more than a century: its times are damaged, or not in microseconds")
    return (t - t.min()).astype(np.int64)


def _sensor(
    x: NDArray[Any],
    y: NDArray[Any],
    recorded: tuple[int, int] | None,
    asked: tuple[int | None, int | None],
    name: str,
) -> tuple[int, int]:
    """Width and height: as asked for, else as recorded, else the smallest that holds every event."""
    smallest = int(x.max()) + 1, int(y.max()) + 1
    width, height = (a or r for a, r in zip(asked, recorded or smallest, strict=True))
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    if outside.any():
        raise UnreadableError(
            f"{name}: {int(outside.sum()):,} of {len(x):,} events lie outside of the {width} x {height} sensor"
        )
    return width, height


def _decoder(source: Source, time_unit: str) -> Decode:
    """The decoder for this file, by suffix where the records have no magic number, else by its first bytes."""
    arrays = partial(_from_arrays, time_unit=time_unit)
    if source.suffix == ".bin":
        return _event_files.atis
    if source.head.startswith(b"%"):  # Prophesee's text header
        return _event_files.evt if _EVT.search(source.head) else _event_files.dat
    by_magic: dict[bytes, Decode] = {
        _aedat4.MAGIC: _event_files.aedat4,
        b"Event Stream": _event_files.es,
        _arrays.NPY_MAGIC: arrays,
        _arrays.ZIP_MAGIC: arrays,
    }
    for magic, decode in by_magic.items():
        if source.head.startswith(magic):
            return decode
    raise UnreadableError(f"{source.name} is no event file; known are {', '.join(READER.suffixes)}")


@contextmanager
def _from_arrays(source: Source, max_events: int, time_unit: str) -> Iterator[Recording]:
    """Columns of a NPZ file, or fields of one structured array, by their usual names."""
    arrays: Mapping[str, NDArray[Any]] = _arrays.arrays_of(source, max_events * _BYTES_PER_EVENT)
    if len(arrays) == 1:
        (array,) = arrays.values()
        arrays = {field: array[field] for field in array.dtype.names or ()}
    found = {column: _named(arrays, column, names, source.name) for column, names in _COLUMNS.items()}
    if len({array.shape for array in found.values()}) > 1 or found["t"].ndim != 1:
        shapes = ", ".join(f"{column} {list(array.shape)}" for column, array in found.items())
        raise UnreadableError(f"{source.name}: t, x, y and p must be one-dimensional and equally long, not {shapes}")
    if not np.isin(found["p"], (-1, 0, 1)).all():
        raise UnreadableError(f"{source.name}: polarities must be 0 and 1, -1 and 1, or false and true")
    if time_unit != "us":
        found["t"] = np.rint(found["t"].astype(np.float64) * MICROSECONDS[time_unit])
    for column in "txy":
        found[column] = _whole(found[column], column, source.name)
    packet = np.empty(len(found["t"]), [(column, array.dtype) for column, array in found.items()])
    for column, array in found.items():
        packet[column] = array
    sensor = [int(arrays[side]) for side in ("width", "height") if side in arrays and arrays[side].ndim == 0]
    yield Recording((sensor[0], sensor[1]) if len(sensor) == 2 else None, [packet])


def _named(arrays: Mapping[str, NDArray[Any]], column: str, names: tuple[str, ...], file: str) -> NDArray[Any]:
    for name in names:
        if name in arrays:
            return arrays[name]
    raise UnreadableError(f"{file} has no column {column} (or {', '.join(names[1:])}); it holds: {', '.join(arrays)}")


def _whole(values: NDArray[Any], column: str, name: str) -> NDArray[Any]:
    """Numbers of any type as integers, refused if they are not whole."""
    if values.dtype.kind in "iu":
        return values
    if values.dtype.kind != "f":
        raise UnreadableError(f"{name}: column {column} must hold numbers, not {values.dtype}")
    broken = ~(np.abs(values) < 1 << 53) | (np.trunc(values) != values)  # also catches NaN
    if broken.any():
        hint = "; say the unit of fractional times, e.g. time_unit='s'" if column == "t" else ""
        raise UnreadableError(f"{name}: {int(broken.sum()):,} values of column {column} are not whole numbers{hint}")
    return values.astype(np.int64)


def _is_picture(head: bytes) -> bool:
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


def _sniff(head: bytes) -> bool:
    return head.startswith((_aedat4.MAGIC, b"Event Stream")) or (head.startswith(b"%") and bool(_EVT.search(head)))


READER = Reader(
    modality="event",
    suffixes=(".aedat4", ".raw", ".dat", ".es", ".bin", ".npz", ".npy"),
    read=read,
    sniff=_sniff,
)
