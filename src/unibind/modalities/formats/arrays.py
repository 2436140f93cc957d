"""NumPy's NPY and NPZ files, read without pickle and without trusting the sizes that their headers claim."""

from __future__ import annotations

import math
import zipfile
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ...errors import LimitError, UnreadableError
from ..limits import Limits
from ..source import Source
from .archives import opened_archive

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK\x03\x04"

_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def arrays_of(source: Source, limits: Limits) -> dict[str, NDArray[Any]]:
    """Arrays of an NPY or NPZ file by name; the single array of an NPY file is named `array`.

    Arrays of Python objects are left out, since reading them would run pickle. Raises LimitError where the arrays
    would take more memory than `limits` allow, UnreadableError where one is cut short or of an unknown version.
    """
    with source.open() as stream:
        if source.head.startswith(NPY_MAGIC):
            members = {"array": _array(stream, source.name, limits.max_unpacked)}
        else:
            with opened_archive(stream, source.name, limits) as archive:
                members = _members(archive, source.name, limits.max_unpacked)
    arrays = {name: array for name, array in members.items() if array is not None}
    if not arrays:
        raise UnreadableError(f"{source.name} contains no plain arrays; save numbers, not Python objects")
    return arrays


def _members(archive: zipfile.ZipFile, name: str, max_bytes: int) -> dict[str, NDArray[Any] | None]:
    members: dict[str, NDArray[Any] | None] = {}
    left = max_bytes
    for member in archive.namelist():
        with archive.open(member) as packed:
            array = _array(packed, f"{name}:{member}", left)
        members[member.removesuffix(".npy")] = array
        left -= 0 if array is None else array.nbytes
    return members


def _array(stream: IO[bytes], name: str, max_bytes: int) -> NDArray[Any] | None:
    """One array; None if it contains Python objects. The header is checked before anything is allocated."""
    version = npy.read_magic(stream)
    if version not in _HEADER_READERS:
        raise UnreadableError(f"{name} is an NPY file of version {version}; save it again with numpy.save")
    shape, fortran_order, dtype = _HEADER_READERS[version](stream)
    if dtype.hasobject:
        return None
    if min(shape, default=0) < 0 or not dtype.itemsize:
        raise UnreadableError(f"{name} claims an array of {dtype} {list(shape)}; its header is damaged")
    if math.prod(max(length, 1) for length in shape) * dtype.itemsize > max_bytes:
        raise LimitError(
            f"{name} claims {dtype} {list(shape)}, more than the {max_bytes:,} bytes that are left; raise them"
        )
    needed = math.prod(shape) * dtype.itemsize
    data = stream.read(needed)
    if len(data) < needed:
        raise UnreadableError(f"{name} is cut short: its header announces {needed:,} bytes and it has {len(data):,}")
    return np.ndarray(shape, dtype, data, order="F" if fortran_order else "C")
