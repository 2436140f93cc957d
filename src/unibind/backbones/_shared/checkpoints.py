"""Weights on disk, read safely: .safetensors files, and .pth or .pt files as plain tensors, never as code."""

from __future__ import annotations

import hashlib
import json
import math
import pickle
import warnings
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import MissingFileError, UnibindError

Shape = tuple[int, ...]

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
_PICKLE_LIMIT = 64 << 20  # bytes of names and shapes in a .pth file
ZIP, LEGACY = b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how files of torch.save begin
_CODE = ("GLOBAL", "Unsupported class", "unrecognized function", "Can only")  # of torch's refusals to run something
_WRAPPERS = ("state_dict", "model")
_SHOWN = 3  # names of each kind in a message


class Checkpoint(ABC):
    """Named tensors in a file. `metadata` are its remarks; `shapes` and `dtypes` are known without reading tensors."""

    path: Path
    metadata: dict[str, str]
    shapes: dict[str, Shape]
    dtypes: dict[str, torch.dtype]

    @abstractmethod
    def mapped(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors that share memory with the file: pages are read when touched. Do not write to them."""

    @abstractmethod
    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Private copies, one at a time, in the order of `names`."""


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a .safetensors file, or a state dict as torch.save writes it (also under "state_dict" or "model").

    Nothing in a file is executed. Raises MissingFileError where there is none, and UnibindError for files that are
    damaged, cut off, of another kind, or hold more than plain tensors.
    """
    if path.is_dir():
        raise UnibindError(f"{path} is a folder where a file of weights belongs; name a file in it")
    if not path.is_file():
        raise MissingFileError(f"there is no file of weights at {path}; check the path")
    try:
        return SafetensorsFile(path) if path.suffix == ".safetensors" else TorchFile(path)
    except OSError as error:
        raise UnibindError(f"{path} cannot be read: {error.strerror or error}") from error


# --- safetensors ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Entry:
    dtype: torch.dtype
    shape: Shape
    start: int  # bytes from the end of the header
    end: int


class SafetensorsFile(Checkpoint):
    """A .safetensors file. `stream` reads it plainly, so that pages of earlier tensors do not stay in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            header, self._data = _read_header(file, path)
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
            raise _damaged(path, "its metadata are not texts")
        self.metadata = metadata
        self._entries = {name: _entry(path, name, facts) for name, facts in header.items()}
        _check_layout(path, self._entries, path.stat().st_size - self._data)
        self.shapes = {name: entry.shape for name, entry in self._entries.items()}
        self.dtypes = {name: entry.dtype for name, entry in self._entries.items()}

    def mapped(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors over the mapped file."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in names}
        except (SafetensorError, OSError) as error:
            raise _damaged(self.path, str(error)) from error

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Copies by plain reads."""
        with self.path.open("rb") as file:
            for name in names:
                yield name, self._read(file, self._entries[name])  # held by whoever asked, not here

    def _read(self, file: BufferedReader, entry: _Entry) -> Tensor:
        tensor = torch.empty(entry.shape, dtype=entry.dtype)
        file.seek(self._data + entry.start)
        if file.readinto(_bytes_of(tensor)) != entry.end - entry.start:
            raise _damaged(self.path, "it was cut off while it was read")
        return tensor


def _read_header(file: BufferedReader, path: Path) -> tuple[dict[str, Any], int]:
    """The header and where the tensors' bytes begin."""
    length = int.from_bytes(file.read(8), "little")
    size = path.stat().st_size
    if length > min(size - 8, _HEADER_LIMIT):
        raise _damaged(path, f"it has {size} bytes and claims a header of {length}")
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "its header is no JSON") from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is no table")
    return header, 8 + length


def _entry(path: Path, name: str, facts: Any) -> _Entry:
    try:
        kind, shape, (start, end) = facts["dtype"], tuple(facts["shape"]), facts["data_offsets"]
        whole = all(type(n) is int and n >= 0 for n in (*shape, start, end))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"the header's entry {name} is incomplete") from error
    if not isinstance(kind, str) or kind not in _DTYPES:
        raise UnibindError(f"{path}: {name} has the type {kind}; only {', '.join(_DTYPES)} are read")
    if not whole or math.prod(shape) * _DTYPES[kind].itemsize != end - start:
        raise _damaged(path, f"the header's entry {name} does not fit its own shape")
    return _Entry(_DTYPES[kind], shape, start, end)


def _check_layout(path: Path, entries: Mapping[str, _Entry], size: int) -> None:
    """Entries must follow each other without gap or overlap, to the end of the file."""
    reached = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != reached:
            raise _damaged(path, f"the header's entry {name} overlaps another or leaves a gap")
        reached = entry.end
    if reached != size:
        raise _damaged(path, f"its tensors take {reached} bytes and {size} are there")


# --- torch.save ----------------------------------------------------------------------------------------------------


class TorchFile(Checkpoint):
    """A state dict of torch.save: memory-mapped, or read whole where it is in the format from before torch 1.6."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata = {}
        self._state = _checked_state(path, _unwrapped(_load(path)))
        self.shapes = {name: tuple(tensor.shape) for name, tensor in self._state.items()}
        self.dtypes = {name: tensor.dtype for name, tensor in self._state.items()}

    def mapped(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors over the mapped file."""
        return {name: self._state[name] for name in names}

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Copies through the map."""
        for name in names:
            yield name, self._state[name].clone()


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        start = file.read(len(LEGACY))
    if not start.startswith((ZIP, LEGACY)):
        raise UnibindError(f"{path} is no checkpoint; name a .safetensors file or one written by torch.save")
    mapped = start.startswith(ZIP)
    if mapped:
        _check_archive(path)
    with _torch_errors(path):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


def _check_archive(path: Path) -> None:
    """torch.save compresses nothing: an archive that does could unpack to any size."""
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _damaged(path, "its end is missing or no archive's") from error
    if any(r.filename.endswith("/constants.pkl") for r in records):
        raise UnibindError(f"{path} is a TorchScript program, which is never run; name a file of its weights alone")
    pickles = sum(r.file_size for r in records if r.filename.endswith(".pkl"))
    if any(r.compress_type != zipfile.ZIP_STORED for r in records) or pickles > _PICKLE_LIMIT:
        raise UnibindError(f"{path} was not written by torch.save (it is compressed); get the original file")


@contextmanager
def _torch_errors(path: Path) -> Iterator[None]:
    """What torch.load raises, as one sentence; what it warns of is in no user's hands."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except pickle.UnpicklingError as error:
        if any(sign in str(error) for sign in _CODE):
            raise UnibindError(
                f"{path} holds more than tensors and was not loaded, for that would run code of the file; "
                "save its state dict alone"
            ) from error
        raise _damaged(path, "its pickle is no state dict's") from error
    except MemoryError:
        raise UnibindError(f"{path} claims tensors that do not fit into memory; get the file again") from None
    except Exception as error:  # the parser raises all kinds on bytes that make no sense
        raise _damaged(path, str(error).split("\n")[0][:120]) from error


def _unwrapped(loaded: Any) -> Any:
    """The state dict in the wrappers that training scripts put around it."""
    for key in _WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            return loaded[key]
    return loaded


def _checked_state(path: Path, state: Any) -> dict[str, Tensor]:
    if not isinstance(state, dict) or not state:
        raise UnibindError(
            f"{path} holds a {type(state).__name__} where a state dict belongs; save one with torch.save"
        )
    strange = next((n for n, t in state.items() if not isinstance(n, str) or not _plain(t)), None)
    if strange is not None:
        raise UnibindError(
            f"{path} holds something else than a plain tensor under {strange!r}; save its state dict alone"
        )
    return {name: tensor.detach().contiguous() for name, tensor in state.items()}


def _plain(value: Any) -> bool:
    """Whether this is a dense CPU tensor with a place in the file for every number: no small one blown up."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    return not value.is_quantized and value.untyped_storage().nbytes() >= value.numel() * value.itemsize


def _damaged(path: Path, why: str) -> UnibindError:
    return UnibindError(f"{path} is damaged or cut off ({why}); get the file again")


# --- what tensors are ----------------------------------------------------------------------------------------------


def check_entries(wanted: Mapping[str, Shape], found: Mapping[str, Shape], where: str) -> None:
    """Raise UnibindError unless the names and shapes found are those wanted; some of each kind are named."""
    kinds: dict[str, list[str]] = {
        "lacks": sorted(wanted.keys() - found.keys()),
        "has the unexpected": sorted(found.keys() - wanted.keys()),
        "has the wrong shapes": [
            f"{n} {list(found[n])} instead of {list(wanted[n])}"
            for n in sorted(wanted.keys() & found.keys())
            if tuple(found[n]) != tuple(wanted[n])
        ],
    }
    problems = [_listed(kind, names) for kind, names in kinds.items() if names]
    if problems:
        raise UnibindError(f"{where} does not fit: it {'; it '.join(problems)}; name the weights of this model")


def _listed(kind: str, names: list[str]) -> str:
    more = len(names) - _SHOWN
    return f"{kind} {', '.join(names[:_SHOWN])}" + (f" and {more} more" if more > 0 else "")


def fingerprint(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Twelve hexadecimal digits of tensors' names, types, shapes and numbers.

    The same tensors give the same digits in any order and from any format of file. One tensor is held at a time.
    """
    digests = {name: _digest(tensor) for name, tensor in tensors}
    return hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()[:12]


def _digest(tensor: Tensor) -> str:
    digest = hashlib.sha256(f"{tensor.dtype}{list(tensor.shape)}".encode())
    digest.update(_bytes_of(tensor.detach().cpu().contiguous()))
    return digest.hexdigest()


def _bytes_of(tensor: Tensor) -> memoryview:
    """The memory of a contiguous CPU tensor."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data
