"""PCD, the Point Cloud Library's format: ascii, binary and binary_compressed.

Format: https://pointclouds.org/documentation/tutorials/pcd_file_format.html.
"""

from __future__ import annotations

import struct
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, UnreadableError
from ..limits import Limits
from .text_numbers import filled, table

_KINDS = {"F": "f", "I": "i", "U": "u"}
_MAX_HEADER_LINES = 64
_MAX_PACKED = 16 << 20  # bytes of LZF, which is unpacked step by step


def read_pcd(file: IO[bytes], name: str, limits: Limits) -> tuple[NDArray[np.float64], NDArray[np.uint8] | None]:
    """Points [N, 3] and their colors [N, 3] (None without a field `rgb` or `rgba`)."""
    header = _header(file, name)
    dtype, count, encoding = _layout(header, name)
    if count > limits.max_points or count * dtype.itemsize > limits.max_unpacked:
        raise LimitError(
            f"{name} claims {count:,} points of {dtype.itemsize} bytes, the limits allow {limits.max_points:,} points "
            f"and {limits.max_unpacked:,} bytes; raise them"
        )
    if encoding not in _DECODERS:
        raise UnreadableError(f"{name} has PCD data of the unknown kind {encoding!r}")
    cloud = _DECODERS[encoding](file, dtype, count, name)
    if missing := {"x", "y", "z"} - set(dtype.names or ()):
        raise UnreadableError(f"{name} has no field {', '.join(sorted(missing))}; a point cloud needs x, y and z")
    xyz = np.stack([cloud[axis].reshape(count, -1)[:, 0].astype(np.float64) for axis in "xyz"], axis=1)
    return xyz, _colors(cloud)


def _header(file: IO[bytes], name: str) -> dict[str, list[str]]:
    header: dict[str, list[str]] = {}
    for _ in range(_MAX_HEADER_LINES):
        words = file.readline(4096).decode("ascii", "replace").split()
        if words and not words[0].startswith("#"):
            header[words[0]] = words[1:]
        if "DATA" in header:
            return header
    raise UnreadableError(f"{name} has no DATA line, which ends a PCD header")


def _layout(header: dict[str, list[str]], name: str) -> tuple[np.dtype[Any], int, str]:
    """Type of one point, number of points and encoding, from the header's lines."""
    try:
        fields, sizes, types = header["FIELDS"], header["SIZE"], header["TYPE"]
        repeats = [int(repeat) for repeat in header.get("COUNT", ["1"] * len(fields))]
        columns = [
            # padding is named "_", possibly several times
            (field if field != "_" else f"_{position}", f"<{_KINDS[kind]}{int(size)}", (repeat,))
            for position, (field, size, kind, repeat) in enumerate(zip(fields, sizes, types, repeats, strict=True))
        ]
        width, height = int(header["WIDTH"][0]), int(header["HEIGHT"][0])
        count = int(header.get("POINTS", [str(width * height)])[0])
        if min(count, *repeats) < 0:
            raise ValueError("a negative count")
        return np.dtype(columns), count, header["DATA"][0]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise UnreadableError(f"{name} has a broken PCD header: {error}") from error


def _ascii(file: IO[bytes], dtype: np.dtype[Any], count: int, name: str) -> NDArray[Any]:
    flat = [(field, dtype[field].base, dtype[field].shape[0]) for field in dtype.names or ()]
    width = sum(repeat for _, _, repeat in flat)
    lines = filled(line.decode("ascii", "replace") for line in file)
    values = table(lines, count, width, name)
    cloud, start = np.empty(count, dtype), 0
    for field, base, repeat in flat:
        cloud[field] = values[:, start : start + repeat].astype(base)
        start += repeat
    return cloud


def _binary(file: IO[bytes], dtype: np.dtype[Any], count: int, name: str) -> NDArray[Any]:
    data = file.read(count * dtype.itemsize)
    if len(data) < count * dtype.itemsize:
        raise UnreadableError(f"{name} announces {count:,} points and has {len(data) // max(dtype.itemsize, 1):,}")
    return np.frombuffer(data, dtype, count)


def _binary_compressed(file: IO[bytes], dtype: np.dtype[Any], count: int, name: str) -> NDArray[Any]:
    """Points field by field (all x, then all y, ...), packed by LZF."""
    sizes = file.read(8)
    if len(sizes) < 8:
        raise UnreadableError(f"{name} is cut short before its compressed points")
    packed, unpacked = struct.unpack("<II", sizes)
    if packed > _MAX_PACKED:
        raise LimitError(
            f"{name} has {packed:,} bytes of compressed points, at most {_MAX_PACKED:,} are read; save it as binary"
        )
    data = file.read(packed)
    if unpacked != count * dtype.itemsize or packed > len(data):
        raise UnreadableError(f"{name} is cut short, or its header does not fit its {count:,} compressed points")
    planes = unpack_lzf(data, unpacked, name)
    cloud, start = np.empty(count, dtype), 0
    for field in dtype.names or ():
        column = np.frombuffer(planes, dtype[field], count, start)
        cloud[field] = column
        start += column.nbytes
    return cloud


_DECODERS = {"ascii": _ascii, "binary": _binary, "binary_compressed": _binary_compressed}


def unpack_lzf(packed: bytes, size: int, name: str) -> bytes:
    """Undo Marc Lehmann's LZF: runs of literal bytes, and copies of at most 264 bytes from the 8 KiB before."""
    out = bytearray()
    at, end = 0, len(packed)
    try:
        while at < end and len(out) <= size:
            control = packed[at]
            at += 1
            if control < 32:
                out += packed[at : at + control + 1]
                at += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += packed[at]
                at += 1
            start = len(out) - ((control & 31) << 8) - packed[at] - 1
            at += 1
            length += 2
            if start < 0:
                raise IndexError
            pattern = out[start : start + length]  # shorter than `length` where the copy overlaps its end
            out += (pattern * (length // len(pattern) + 1))[:length]
    except IndexError:
        out.clear()
    if len(out) != size:
        raise UnreadableError(f"{name} is damaged: its compressed points do not unpack to {size:,} bytes")
    return bytes(out)


def _colors(cloud: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Colors packed as 0x00RRGGBB into four bytes, which are often declared as a float."""
    for field in ("rgb", "rgba"):
        if field in (cloud.dtype.names or ()) and cloud.dtype[field].itemsize == 4:
            packed = np.ascontiguousarray(cloud[field]).reshape(-1).view("<u4")
            return np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=1).astype(np.uint8)
    return None
