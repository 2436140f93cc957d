"""Decoders of event-camera files: each gives packets (structured arrays with t, x, y, p) and the sensor's size.

DAT, EVT and ES are read by faery, AEDAT4 and 40-bit ATIS records (N-MNIST, N-Caltech101) by our own code.
"""

from __future__ import annotations

import re
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
from ...extras import import_extra
from ..limits import Limits
from ..source import Source
from . import aedat4 as _aedat4

_HEADER = re.compile(rb"(?:%[^\n]*\n)*")  # text lines at the start of a Prophesee file
_EVT = re.compile(rb"(?im)^% *(evt|format evt)")
_ES_MAGIC = b"Event Stream"
_MAX_HEADER = 1 << 16
_ES_POLARITY = {"dvs": "on", "atis": "polarity"}  # field of the polarity, by event type
_DECODER_ERRORS = (RuntimeError, ValueError, OSError, struct.error)  # what decoders raise on damaged files


@dataclass(frozen=True)
class Recording:
    """Packets of events as a file stores them; `sensor` is (width, height), None where the file does not state it."""

    sensor: tuple[int, int] | None
    packets: Iterable[NDArray[Any]]


# The type of the decoders below: they check what they can before decoding.
Decode = Callable[[Source, Limits], AbstractContextManager[Recording]]


def is_aedat4(head: bytes) -> bool:
    """Whether the first bytes of a file are those of an AEDAT4 file."""
    return head.startswith(_aedat4.MAGIC)


def is_evt(head: bytes) -> bool:
    """Whether the first bytes of a file are the header of Prophesee's EVT."""
    return head.startswith(b"%") and bool(_EVT.search(head))


def is_dat(head: bytes) -> bool:
    """Whether the first bytes of a file are the header of Prophesee's DAT."""
    return head.startswith(b"%") and not is_evt(head)


def is_es(head: bytes) -> bool:
    """Whether the first bytes of a file are those of an Event Stream file."""
    return head.startswith(_ES_MAGIC)


@contextmanager
def aedat4(source: Source, limits: Limits) -> Iterator[Recording]:
    """IniVation's AEDAT4: the first stream of events."""
    with _reported(source.name), source.open() as file:
        yield Recording(*_aedat4.read_aedat4(file, source.name, limits.max_events))


@contextmanager
def dat(source: Source, limits: Limits) -> Iterator[Recording]:
    """Prophesee's DAT, versions 1 and 2, "2d" (N-Cars) and "cd" events: 8 bytes per event."""
    faery = import_extra("faery", "reading this kind of event file")

    _, body = _header_and_body(source)
    _check_records(source, body - 2, 8, limits.max_events)  # two bytes give the type and size of an event
    unknown = (1 << 14, 1 << 14)  # the range of 14 bits of x and y
    with _reported(source.name), _path_of(source) as path, faery.dat.Decoder(path, unknown, "dat2") as decoder:
        if decoder.event_type == "trigger":
            raise UnreadableError(f"{source.name} contains trigger signals, not events of a sensor")
        packets = (_renamed(packet, p="payload") for packet in decoder)
        yield Recording(_known(decoder.dimensions, unknown), packets)


@contextmanager
def evt(source: Source, limits: Limits) -> Iterator[Recording]:
    """Prophesee's RAW: EVT2 (4-byte words) and EVT3 (2-byte words)."""
    faery = import_extra("faery", "reading this kind of event file")

    header, body = _header_and_body(source)
    _check_records(source, body, 2 if re.search(rb"(?i)evt ?3", header) else 4)
    unknown = (1 << 11, 1 << 11)  # the range of 11 bits of x and y
    with _reported(source.name), _path_of(source) as path, faery.evt.Decoder(path, unknown, None) as decoder:
        packets = (packet["events"] for packet in decoder if "events" in packet)
        yield Recording(_known(decoder.dimensions, unknown), (_renamed(packet, p="on") for packet in packets))


@contextmanager
def es(source: Source, limits: Limits) -> Iterator[Recording]:
    """Event Stream files of "dvs" and "atis" events; their rows are counted from the bottom."""
    faery = import_extra("faery", "reading this kind of event file")

    if not is_es(source.head):
        raise UnreadableError(f"{source.name} does not start as an Event Stream file")

    with _reported(source.name), _path_of(source) as path, faery.es.Decoder(path, 0) as decoder:
        if decoder.event_type not in _ES_POLARITY:
            raise UnreadableError(
                f'{source.name} contains events of type "{decoder.event_type}"; "dvs" and "atis" can be read'
            )
        polarity, height = _ES_POLARITY[decoder.event_type], decoder.dimensions[1]
        packets = (_upright(packet, polarity, height) for packet in decoder)
        yield Recording(decoder.dimensions, packets)


@contextmanager
def atis(source: Source, limits: Limits) -> Iterator[Recording]:
    """40-bit ATIS records: x, y, then one bit of polarity and 23 bits of microseconds, the highest byte first.

    A record of row 240 is not an event: it adds 2^13 us to every later time, as in the readers published with the data
    sets (Orchard et al., "Converting static image datasets to spiking neuromorphic datasets", 2015).
    """
    _check_records(source, source.size, 5, limits.max_events)
    with source.open() as file:
        records = np.frombuffer(file.read(), np.uint8).reshape(-1, 5)
    overflow = records[:, 1] == 240
    packet = np.empty(len(records), [("t", np.int64), ("x", np.uint8), ("y", np.uint8), ("p", np.uint8)])
    packet["x"], packet["y"], packet["p"] = records[:, 0], records[:, 1], records[:, 2] >> 7
    packet["t"] = records[:, 2] & 0x7F
    for byte in (3, 4):  # in place
        packet["t"] <<= 8
        packet["t"] |= records[:, byte]
    del records  # here and below: the largest recordings must fit into memory
    if overflow.any():
        packet["t"] += np.cumsum(overflow, dtype=np.int64) << 13
        packet = packet[~overflow]
    yield Recording(None, [packet])


def _header_and_body(source: Source) -> tuple[bytes, int]:
    """The text lines at the start of a Prophesee file, and the number of bytes after them."""
    if not source.head.startswith(b"%"):
        raise UnreadableError(f"{source.name} does not start with the header of a Prophesee file")
    with source.open() as file:
        match = _HEADER.match(file.read(_MAX_HEADER))
    header = match[0] if match else b""
    return header, source.size - len(header)


def _check_records(source: Source, body: int, size: int, max_events: int | None = None) -> None:
    """Refuse a body that is not a whole number of records or, where a record is an event, has too many of them."""
    if body <= 0:
        raise UnreadableError(f"{source.name} contains no events")
    if body % size:
        raise UnreadableError(f"{source.name} is cut short: its last {body % size} bytes are not a whole event record")
    if max_events is not None and body // size > max_events:
        raise LimitError(f"{source.name} has {body // size:,} events, the limits allow {max_events:,}; raise them")


@contextmanager
def _reported(name: str) -> Iterator[None]:
    """Turn what a decoder raises, including faery's panics (which are not an `Exception`), into UnreadableError."""
    try:
        yield
    except UnreadableError:
        raise
    except BaseException as error:
        if not isinstance(error, _DECODER_ERRORS) and type(error).__name__ != "PanicException":
            raise
        raise UnreadableError(f"{name} is damaged, or not an event file of its kind: {error}") from error


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
    """A path to the source's bytes, since faery reads only from paths whose names are Unicode."""
    if source.path is not None and str(source.path).isprintable():
        yield str(source.path)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events"
        if source.path is not None:
            path.symlink_to(source.path.resolve())
        else:
            path.write_bytes(source.data)
        yield str(path)
