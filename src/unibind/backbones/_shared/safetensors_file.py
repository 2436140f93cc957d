"""Reading .safetensors files, which may be hostile or damaged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import MissingFileError, UnibindError
from ...json_files import parse_json
from .checkpoint import Checkpoint, Shape, damaged, memory_of

_DTYPES = {  # of safetensors headers
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_HEADER_LIMIT = 100 << 20  # bytes, as in the safetensors library


@dataclass(frozen=True)
class _Entry:
    dtype: torch.dtype
    shape: Shape
    start: int  # bytes from the end of the header
    end: int


class SafetensorsFile(Checkpoint):
    """A .safetensors file; `stream` uses plain reads, so that pages of earlier tensors do not stay in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            header, self._data = _read_header(file, path)
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
            raise damaged(path, "its metadata is not text")
        self.metadata = metadata
        self._entries = {name: _entry(path, name, facts) for name, facts in header.items()}
        _check_layout(path, self._entries, path.stat().st_size - self._data)
        self.shapes = {name: entry.shape for name, entry in self._entries.items()}
        self.dtypes = {name: entry.dtype for name, entry in self._entries.items()}

    def mapped(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors in the mapped file."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in names}
        except (SafetensorError, OSError) as error:
            raise damaged(self.path, str(error)) from error

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Copies by plain reads."""
        with self.path.open("rb") as file:
            for name in names:
                yield name, self._read(file, self._entries[name])  # without keeping a reference here

    def _read(self, file: BufferedReader, entry: _Entry) -> Tensor:
        tensor = torch.empty(entry.shape, dtype=entry.dtype)
        file.seek(self._data + entry.start)
        if file.readinto(memory_of(tensor)) != entry.end - entry.start:
            raise damaged(self.path, "it was truncated while it was read")
        return tensor


def _read_header(file: BufferedReader, path: Path) -> tuple[dict[str, Any], int]:
    """The header, and the offset of the tensors."""
    length = int.from_bytes(file.read(8), "little")
    size = path.stat().st_size
    if length > min(size - 8, _HEADER_LIMIT):
        raise damaged(path, f"it has {size} bytes and claims a header of {length}")
    header = parse_json(file.read(length), f"the header of {path}", "download the file again")
    if not isinstance(header, dict):
        raise damaged(path, "its header is not an object")
    return header, 8 + length


def _entry(path: Path, name: str, facts: Any) -> _Entry:
    try:
        kind, shape, (start, end) = facts["dtype"], tuple(facts["shape"]), facts["data_offsets"]
        whole = all(type(n) is int and n >= 0 for n in (*shape, start, end))
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"the header's entry {name} is incomplete") from error
    if not isinstance(kind, str) or kind not in _DTYPES:
        raise UnibindError(f"{path}: {name} has the type {str(kind)[:40]}; supported are {', '.join(_DTYPES)}")
    if not whole or math.prod(shape) * _DTYPES[kind].itemsize != end - start:
        raise damaged(path, f"the header's entry {name} does not fit its own shape")
    return _Entry(_DTYPES[kind], shape, start, end)


def _check_layout(path: Path, entries: Mapping[str, _Entry], size: int) -> None:
    """Entries must follow each other without gaps or overlaps, to the end of the file."""
    reached = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != reached:
            raise damaged(path, f"the header's entry {name} overlaps another or leaves a gap")
        reached = entry.end
    if reached != size:
        raise damaged(path, f"its tensors take {reached} bytes, but it has {size}")


# --- the small files that unibind writes -----------------------------------------------------------------------------


def read_arrays(path: Path, fix: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The tensors of a file of float32 numbers, and its metadata.

    Raises MissingFileError for a missing file and UnibindError, naming file and tensor, for a damaged one, another
    type, and values that are not finite; `fix` ends the messages.
    """
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; {fix}")
    try:
        file = SafetensorsFile(path)
        arrays = {name: tensor.numpy() for name, tensor in _float32(file, fix)}
    except OSError as error:
        raise UnibindError(f"{path} cannot be read: {error.strerror or error}; {fix}") from error
    return arrays, file.metadata


def _float32(file: SafetensorsFile, fix: str) -> Iterator[tuple[str, Tensor]]:
    for name, dtype in file.dtypes.items():
        if dtype != torch.float32:
            raise UnibindError(f"{file.path}: the tensor {name!r} is {dtype}, not float32; {fix}")
    for name, tensor in file.stream(file.shapes):
        check_finite(file.path, name, tensor, fix)
        yield name, tensor


def check_finite(path: Path, name: str, tensor: Tensor, fix: str) -> None:
    """Raise UnibindError, naming file and tensor, where a value is not finite."""
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise UnibindError(f"{path}: the tensor {name!r} contains values that are not finite; {fix}")
