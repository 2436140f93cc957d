"""AEDAT4, the container of iniVation's cameras: packets of flatbuffers, each compressed on its own.

Format: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-4.0.html. It is parsed here,
with every offset checked and a bound on every unpacked packet, because faery's decoder (0.7.1) aborts the process on
some damaged files and unpacks whatever a packet claims.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, UnreadableError

MAGIC = b"#!AER-DAT4.0\r\n"

_CODECS = {0: None, 1: "lz4", 2: "lz4", 3: "zstd", 4: "zstd"}
_EVENT = np.dtype({"names": ["t", "x", "y", "p"], "formats": ["<i8", "<i2", "<i2", "u1"], "offsets": [0, 8, 10, 12],
                   "itemsize": 16})  # fmt: skip
_CHUNK = 1 << 20  # bytes unpacked at a time
_MAX_INFO = 1 << 24  # bytes of the header's XML; real ones have a few kilobytes
_STREAM = re.compile(r'<node name="(\d+)" path="/mainloop/Recorder/outInfo/\d+/">')
_SIZE = {axis: re.compile(rf'<attr key="size{axis}" type="int">(\d{{1,6}})</attr>') for axis in "XY"}


def read_aedat4(file: IO[bytes], name: str, max_events: int) -> tuple[tuple[int, int], Iterator[NDArray[Any]]]:
    """Sensor (width, height) of the first event stream, and its packets as structured arrays of t, x, y, p."""
    if file.read(len(MAGIC)) != MAGIC:
        raise UnreadableError(f"{name} does not start as an AEDAT4 file")
    (size,) = struct.unpack("<I", _exactly(file, 4, name))
    if size > _MAX_INFO:
        raise LimitError(f"{name} claims an AEDAT4 header of {size:,} bytes; it is damaged")
    header = _exactly(file, size, name)
    codec = _number(header, 0, "<i", 0)
    if codec not in _CODECS:
        raise UnreadableError(f"{name} uses the unknown AEDAT4 compression {codec}; record it with LZ4 or ZSTD")
    table = _number(header, 1, "<q", -1)  # offset of the index after the packets; -1 if there is none
    stream, sensor = _event_stream(_text(header, 2), name)
    return sensor, _packets(file, name, stream, _CODECS[codec], table, max_events)


def _packets(
    file: IO[bytes], name: str, stream: int, codec: str | None, end: int, max_events: int
) -> Iterator[NDArray[Any]]:
    cap = max_events * _EVENT.itemsize + _CHUNK
    while end < 0 or file.tell() < end:
        head = file.read(8)
        if end < 0 and not head:
            return
        if len(head) < 8:
            raise UnreadableError(f"{name} is cut short: its packets end before its index, or within a header")
        number, size = struct.unpack("<iI", head)
        if number != stream:
            _skip(file, size, name)
            continue
        if size > cap:
            raise LimitError(f"{name} has a packet of {size:,} bytes, the limits allow {cap:,}; raise max_events")
        packed = _exactly(file, size, name)
        packet = _unpacked(packed, codec, cap, name)
        if packet[8:12] == b"EVTS":
            yield _vector(packet[4:], 0, _EVENT)  # after the size prefix


def _unpacked(packed: bytes, codec: str | None, cap: int, name: str) -> bytes:
    """The packet's bytes, at most `cap`: a small packet must not unpack to a huge one."""
    if codec is None:
        return packed
    import pyarrow as pa

    chunks: list[bytes] = []
    with pa.CompressedInputStream(pa.BufferReader(packed), codec) as unpacker:
        while chunk := unpacker.read(_CHUNK):
            chunks.append(chunk)
            if len(chunks) * _CHUNK > cap + _CHUNK:
                raise LimitError(f"{name} has a packet of more than {cap:,} bytes; raise max_events to read it")
    return b"".join(chunks)


def _event_stream(info: str, name: str) -> tuple[int, tuple[int, int]]:
    """Number of the first event stream in the recorder's XML, and its sensor's width and height."""
    pieces = _STREAM.split(info)[1:]  # number, attributes, number, attributes, ...
    for number, attributes in zip(pieces[::2], pieces[1::2], strict=True):
        if ">EVTS<" in attributes:
            width, height = (pattern.search(attributes) for pattern in _SIZE.values())
            if not (width and height):
                raise UnreadableError(f"{name} does not state the sensor size of its event stream")
            return int(number), (int(width[1]), int(height[1]))
    raise UnreadableError(f"{name} has no stream of events; record the camera's events, not only frames")


def _exactly(file: IO[bytes], size: int, name: str) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise UnreadableError(f"{name} is cut short: it announces {size:,} bytes and has {len(data):,}")
    return data


def _skip(file: IO[bytes], size: int, name: str) -> None:
    while size > 0:
        size -= len(_exactly(file, min(size, _CHUNK), name))


# A flatbuffer's first word points to the root table; the table's first word points back to its field directory.


def _field(buffer: bytes, index: int) -> int | None:
    """Position of a field of the root table, None where it has its default value."""
    (table,) = struct.unpack_from("<I", buffer)
    directory = table - struct.unpack_from("<i", buffer, table)[0]
    if directory < 0:
        raise UnreadableError("a flatbuffer of this AEDAT4 file points outside itself; the file is damaged")
    (size,) = struct.unpack_from("<H", buffer, directory)
    slot = 4 + 2 * index
    if slot + 2 > size:
        return None
    (offset,) = struct.unpack_from("<H", buffer, directory + slot)
    return table + offset if offset else None


def _number(buffer: bytes, index: int, kind: str, default: int) -> int:
    position = _field(buffer, index)
    return default if position is None else struct.unpack_from(kind, buffer, position)[0]


def _vector(buffer: bytes, index: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    position = _field(buffer, index)
    if position is None:
        return np.empty(0, dtype)
    start = position + struct.unpack_from("<I", buffer, position)[0]
    (count,) = struct.unpack_from("<I", buffer, start)
    return np.frombuffer(buffer, dtype, count, start + 4) if count else np.empty(0, dtype)


def _text(buffer: bytes, index: int) -> str:
    return _vector(buffer, index, np.dtype("u1")).tobytes().decode("utf-8", "replace")
