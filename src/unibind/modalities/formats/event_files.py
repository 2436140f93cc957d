"""Decoders of event-camera files: each yields packets (structured arrays with t, x, y, p) and the sensor's size.

DAT, EVT and ES go through faery, 40-bit ATIS records (N-MNIST, N-Caltech101) through numpy.
"""

from __future__ import annotations

import re
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, UnreadableError
from ..source import Source
from . import aedat4 as _aedat4

_HEADER = re.compile(rb"(?:%[^\n]*\n)*")  # text lines that open a Prophesee file
_MAX_HEADER = 1 << 16
_ES_POLARITY = {"dvs": "on", "atis": "polarity"}  # the field of polarity, by type of event
_STUMBLES = (RuntimeError, ValueError, OSError, struct.error)  # what decoders raise on damaged files


@dataclass(frozen=True)
class Recording:
    """Packets of events as they come from a file; `sensor` is (width, height), None where the file does not say."""

    sensor: tuple[int, int] | None
    packets: Iterable[NDArray[Any]]


# What every decoder below is: it checks what it can before decoding, with at most so many events allowed.
Decode = Callable[[Source, int], AbstractContextManager[Recording]]


@contextmanager
def aedat4(source: Source, max_events: int) -> Iterator[Recording]:
    """IniVation's AEDAT4: the first stream of events."""
    with _reported(source.name), source.open() as file:
        yield Recording(*_aedat4.read_aedat4(file, source.name, max_events))


@contextmanager
def dat(source: Source, max_events: int) -> Iterator[Recording]:
    """Prophesee's DAT, versions 1 and 2, "2d" (N-Cars) and "cd" events: 8 bytes an event."""
    import faery

    _, body = _header_and_body(source)
    _check_records(source, body - 2, 8, max_events)  # two bytes say the type and size of an event
    unknown = (1 << 14, 1 << 14)  # all that 14 bits of x and y can say
    with _reported(source.name), _path_of(source) as path, faery.dat.Decoder(path, unknown, "dat2") as decoder:
        if decoder.event_type == "trigger":
            raise UnreadableError(f"{source.name} holds trigger signals, not events of a sensor")
        packets = (_renamed(packet, p="payload") for packet in decoder)
        yield Recording(_known(decoder.dimensions, unknown), packets)


@contextmanager
def evt(source: Source, max_events: int) -> Iterator[Recording]:
    """Prophesee's RAW: EVT2 (4-byte words) and EVT3 (2-byte words)."""
    import faery

    header, body = _header_and_body(source)
    _check_records(source, body, 2 if re.search(rb"(?i)evt ?3", header) else 4)
    unknown = (1 << 11, 1 << 11)  # all that 11 bits of x and y can say
    with _reported(source.name), _path_of(source) as path, faery.evt.Decoder(path, unknown, None) as decoder:
        packets = (packet["events"] for packet in decoder if "events" in packet)
        yield Recording(_known(decoder.dimensions, unknown), (_renamed(packet, p="on") for packet in packets))


@contextmanager
def es(source: Source, max_events: int) -> Iterator[Recording]:
    """Event Stream files of "dvs" and "atis" events; their rows are counted from the bottom."""
    import faery

    with _reported(source.name), _path_of(source) as path, faery.es.Decoder(path, 0) as decoder:
        if decoder.event_type not in _ES_POLARITY:
            raise UnreadableError(
                f'{source.name} holds events of type "{decoder.event_type}"; "dvs" or "atis" are read'
            )
        polarity, height = _ES_POLARITY[decoder.event_type], decoder.dimensions[1]
        packets = (_upright(packet, polarity, height) for packet in decoder)
        yield Recording(decoder.dimensions, packets)


@contextmanager
def atis(source: Source, max_events: int) -> Iterator[Recording]:
    """40-bit ATIS records: x, y, then one bit of polarity and 23 bits of microseconds, the highest byte first.

    A record of row 240 is no event: it adds 2^13 us to every later time, as the readers that came with the data
    sets do (Orchard et al., "Converting static image datasets to spiking neuromorphic datasets", 2015).
    """
    _check_records(source, source.size, 5, max_events)
    with source.open() as file:
        records = np.frombuffer(file.read(), np.uint8).reshape(-1, 5)
    overflow = records[:, 1] == 240
    packet = np.empty(len(records), [("t", np.int64), ("x", np.int32), ("y", np.int32), ("p", np.uint8)])
    packet["x"], packet["y"], packet["p"] = records[:, 0], records[:, 1], records[:, 2] >> 7
    packet["t"] = (records[:, 2:] & [0x7F, 0xFF, 0xFF]) @ np.array([1 << 16, 1 << 8, 1])
    packet["t"] += np.cumsum(overflow) << 13
    yield Recording(None, [packet[~overflow]])


def _header_and_body(source: Source) -> tuple[bytes, int]:
    """The text lines that open a Prophesee file, and the count of bytes that follow them."""
    with source.open() as file:
        match = _HEADER.match(file.read(_MAX_HEADER))
    header = match[0] if match else b""
    return header, source.size - len(header)


def _check_records(source: Source, body: int, size: int, max_events: int | None = None) -> None:
    """Refuse a body that is not a whole number of records or, where a record is an event, holds too many."""
    if body <= 0:
        raise UnreadableError(f"{source.name} holds no events")
    if body % size:
        raise UnreadableError(f"{source.name} is cut short: its last {body % size} bytes are no whole event record")
    if max_events is not None and body // size > max_events:
        raise LimitError(f"{source.name} holds {body // size:,} events and the limits allow {max_events:,}; raise them")


@contextmanager
def _reported(name: str) -> Iterator[None]:
    """Turn what a decoder stumbles over, faery's panics (which are no `Exception`) too, into UnreadableError."""
    try:
        yield
    except UnreadableError:
        raise
    except BaseException as error:
        if not isinstance(error, _STUMBLES) and type(error).__name__ != "PanicException":
            raise
        raise UnreadableError(f"{name} is damaged, or no event file of its kind: {error}") from error


def _known(sensor: tuple[int, int], unknown: tuple[int, int]) -> tuple[int, int] | None:
    return None if sensor == unknown else sensor


def _renamed(packet: NDArray[Any], p: str) -> NDArray[Any]:
    packet.dtype.names = tuple("p" if name == p else name for name in packet.dtype.names or ())
    return packet


def _upright(packet: NDArray[Any], polarity: str, height: int) -> NDArray[Any]:
    if "exposure" in (packet.dtype.names or ()):  # atis: light measurements are mixed with the events
        packet = packet[~packet["exposure"]]
    packet["y"] = height - 1 - packet["y"]
    return _renamed(packet, p=polarity)


@contextmanager
def _path_of(source: Source) -> Iterator[str]:
    """A path to the source's bytes: faery reads from nothing else."""
    if source.path is not None:
        yield str(source.path)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events"
        with source.open() as file, path.open("wb") as copy:
            shutil.copyfileobj(file, copy)
        yield str(path)
