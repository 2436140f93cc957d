"""Checkpoint files, read as tensors and nothing else.

Safetensors are memory-mapped. Files of `torch.save` go through torch's weights-only reader, which runs no code of
theirs. Whatever is wrong with a file is one sentence that names it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from ..errors import MissingFileError, UnibindError

Shapes = Mapping[str, tuple[int, ...]]

_DTYPES = {
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
_WRAPPERS = ("state_dict", "model", "model_state_dict")


class Checkpoint(Protocol):
    """An open checkpoint: names and shapes are known, data is read when asked for."""

    path: Path
    metadata: Mapping[str, str]
    shapes: dict[str, tuple[int, ...]]

    def mapped(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Tensors backed by the file, where its format allows."""
        ...

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Private copies, one at a time."""
        ...


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a .safetensors file or one of `torch.save`; raises MissingFileError or UnibindError."""
    if not path.is_file():
        raise MissingFileError(f"there is no checkpoint {path}; check the path")
    return SafeCheckpoint(path) if path.suffix == ".safetensors" else TorchCheckpoint(path)


class SafeCheckpoint:
    """A safetensors file."""

    def __init__(self, path: Path) -> None:
        from safetensors import safe_open

        self.path = path
        try:
            with safe_open(path, framework="pt") as file:  # checks the header against the file's length
                self.metadata: Mapping[str, str] = file.metadata() or {}
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(length))
        except Exception as error:
            raise _unreadable(path, error) from None
        header.pop("__metadata__", None)
        self._data = 8 + length
        self._entries: dict[str, dict[str, Any]] = header
        self.shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}

    def mapped(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Tensors backed by the file."""
        from safetensors import safe_open

        with safe_open(self.path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in names}

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Copies by plain reads: pages of a memory map would stay in this process's memory."""
        with self.path.open("rb") as file:
            for name in names:
                entry = self._entries[name]
                begin, end = entry["data_offsets"]
                buffer = bytearray(end - begin)
                file.seek(self._data + begin)
                file.readinto(buffer)
                dtype = _DTYPES[entry["dtype"]]
                flat = torch.frombuffer(buffer, dtype=dtype) if buffer else torch.empty(0, dtype=dtype)
                yield name, flat.reshape(entry["shape"])


class TorchCheckpoint:
    """A file of `torch.save` that holds tensors by name, perhaps in one dictionary more."""

    metadata: Mapping[str, str] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            held = _load(path)
        except Exception as error:
            raise _unreadable(path, error) from None
        for wrapper in _WRAPPERS:
            if isinstance(held, Mapping) and isinstance(held.get(wrapper), Mapping):
                held = held[wrapper]
        if not isinstance(held, Mapping) or not held or not all(isinstance(t, Tensor) for t in held.values()):
            raise UnibindError(f"{path} holds no table of tensors by name; name a file with a model's state_dict")
        self._tensors: dict[str, Tensor] = {str(name): tensor for name, tensor in held.items()}
        self.shapes = {name: tuple(tensor.shape) for name, tensor in self._tensors.items()}

    def mapped(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Tensors backed by the file where torch can map it."""
        return {name: self._tensors[name].detach() for name in names}

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Copies, one at a time."""
        for name in names:
            yield name, self._tensors[name].detach().clone(memory_format=torch.contiguous_format)


def _load(path: Path) -> Any:
    """Memory-mapped; files from before torch 1.6 cannot be."""
    import zipfile

    return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def _unreadable(path: Path, error: Exception) -> UnibindError:
    first = str(error).split("\n")[0]
    if "weights_only" in str(error).lower() or "Unsupported global" in str(error) or "WeightsUnpickler" in str(error):
        return UnibindError(f"{path} holds more than tensors, and was not loaded; get a file that holds weights only")
    return UnibindError(f"{path} is damaged or no checkpoint ({first[:150].rstrip('.')}); get it again")


def check_entries(wanted: Shapes, found: Shapes, where: str) -> None:
    """Raise UnibindError, naming up to three of each, where entries are missing, unexpected or of another shape."""
    wrong = [name for name in wanted if name in found and tuple(wanted[name]) != tuple(found[name])]
    complaints = [
        _some("lacks", [name for name in wanted if name not in found]),
        _some("holds unexpected", [name for name in found if name not in wanted]),
        _some("has other shapes for", [f"{n} {list(found[n])}, not {list(wanted[n])}" for n in wrong]),
    ]
    if any(complaints):
        raise UnibindError(f"{where} {' and '.join(c for c in complaints if c)}; it is damaged or another model's")


def _some(verb: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{verb} {', '.join(names[:3])}{more}"


def fingerprint(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Twelve hexadecimal digits of names, shapes, types and bytes, whatever the order and the format of the file."""
    digests = {}
    for name, tensor in tensors:
        digest = hashlib.sha256(f"{name}|{list(tensor.shape)}|{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        digests[name] = digest.hexdigest()
    return hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()[:12]
