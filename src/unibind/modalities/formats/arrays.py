"""NumPy's NPY and NPZ files, read without pickle and without trusting the sizes that their headers claim."""

from __future__ import annotations

import math
import zipfile
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ...errors import LimitError, UnreadableError
from ..source import Source

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK\x03\x04"

_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def arrays_of(source: Source, max_bytes: int) -> dict[str, NDArray[Any]]:
    """Arrays of an NPY or NPZ file by name; the single array of an NPY file is named `array`.

    Arrays of Python objects are left out, since reading them would run pickle. Raises LimitError where the arrays
    would take more than `max_bytes` in memory, UnreadableError where one is cut short or of an unknown version.
    """
    with source.open() as stream:
        if source.head.startswith(NPY_MAGIC):
            members = {"array": _array(stream, source.name, max_bytes)}
        else:
            members = {}
            with zipfile.ZipFile(stream) as archive:
                for member in archive.namelist():
                    left = max_bytes - sum(a.nbytes for a in members.values() if a is not None)
                    with archive.open(member) as packed:
                        members[member.removesuffix(".npy")] = _array(packed, f"{source.name}:{member}", left)
    arrays = {name: array for name, array in members.items() if array is not None}
    if not arrays:
        raise UnreadableError(f"{source.name} contains no plain arrays; save numbers, not Python objects")
    return arrays


def _array(stream: IO[bytes], name: str, max_bytes: int) -> NDArray[Any] | None:
    """One array; None if it contains Python objects. The header is checked before anything is allocated."""
    version = npy.read_magic(stream)
    if version not in _HEADER_READERS:
        raise UnreadableError(f"{name} is an NPY file of version {version}; save it again with numpy.save")
    shape, fortran_order, dtype = _HEADER_READERS[version](stream)
    if dtype.hasobject:
        return None
    needed = math.prod(shape) * dtype.itemsize
    if needed > max_bytes:
        raise LimitError(f"{name} claims {needed:,} bytes of numbers, the limits allow {max_bytes:,}; raise them")
    data = stream.read(needed)
    if len(data) < needed:
        raise UnreadableError(f"{name} is cut short: its header announces {needed:,} bytes and it has {len(data):,}")
    return np.ndarray(shape, dtype, data, order="F" if fortran_order else "C")
