"""Reading files of torch.save as plain tensors, without executing anything in them."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import UnibindError
from .checkpoint import Checkpoint, damaged

_PICKLE_LIMIT = 64 << 20  # bytes of names and shapes in a .pth file
ZIP, LEGACY = b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # first bytes of torch.save's formats
_CODE = (
    "GLOBAL",
    "Unsupported class",
    "unrecognized function",
    "Can only",
)  # in torch's refusals to run code
_WRAPPERS = ("state_dict", "model")


class TorchFile(Checkpoint):
    """A state dict of torch.save, memory-mapped; files in the format before torch 1.6 are read as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata = {}
        self._state = _checked_state(path, _unwrapped(_load(path)))
        self.shapes = {name: tuple(tensor.shape) for name, tensor in self._state.items()}
        self.dtypes = {name: tensor.dtype for name, tensor in self._state.items()}

    def mapped(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors in the mapped file."""
        return {name: self._state[name] for name in names}

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Copies from the mapped file."""
        for name in names:
            yield name, self._state[name].clone()


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        start = file.read(len(LEGACY))
    if not start.startswith((ZIP, LEGACY)):
        raise UnibindError(f"{path} is not a checkpoint; choose a .safetensors file or one written by torch.save")
    mapped = start.startswith(ZIP)
    if mapped:
        _check_archive(path)
    with _torch_errors(path):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


def _check_archive(path: Path) -> None:
    """Refuse compressed archives, which could unpack to any size; torch.save does not compress."""
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise damaged(path, "it does not end like an archive") from error
    if any(r.filename.endswith("/constants.pkl") for r in records):
        raise UnibindError(f"{path} is a TorchScript program, which is never run; choose a file of its weights only")
    pickles = sum(r.file_size for r in records if r.filename.endswith(".pkl"))
    if any(r.compress_type != zipfile.ZIP_STORED for r in records) or pickles > _PICKLE_LIMIT:
        raise UnibindError(f"{path} was not written by torch.save (it is compressed); download the original file")


@contextmanager
def _torch_errors(path: Path) -> Iterator[None]:
    """Turn errors of torch.load into one sentence, and drop its warnings, which no user can act on."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except pickle.UnpicklingError as error:
        if any(sign in str(error) for sign in _CODE):
            raise UnibindError(
                f"{path} contains more than tensors and was not loaded, because that would run code; "
                "save only its state dict"
            ) from error
        raise damaged(path, "its pickle is not a state dict") from error
    except MemoryError:
        raise UnibindError(f"{path} declares tensors that do not fit in memory; download the file again") from None
    except Exception as error:  # the parser raises all kinds of errors on invalid bytes
        raise damaged(path, str(error).split("\n")[0][:120]) from error


def _unwrapped(loaded: Any) -> Any:
    """The state dict within the dictionaries that training scripts wrap it in."""
    for key in _WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            return loaded[key]
    return loaded


def _checked_state(path: Path, state: Any) -> dict[str, Tensor]:
    if not isinstance(state, dict) or not state:
        raise UnibindError(f"{path} contains a {type(state).__name__}, not a state dict; save one with torch.save")
    invalid = next((n for n, t in state.items() if not isinstance(n, str) or not _plain(t)), None)
    if invalid is not None:
        raise UnibindError(
            f"{path} contains something other than a plain tensor under {invalid!r}; save only its state dict"
        )
    return {name: tensor.detach().contiguous() for name, tensor in state.items()}


def _plain(value: Any) -> bool:
    """Whether this is a dense CPU tensor whose file contains every value: not a small one expanded to a large one."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    return not value.is_quantized and value.untyped_storage().nbytes() >= value.numel() * value.itemsize
