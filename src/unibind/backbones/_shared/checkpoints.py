"""Weights on disk, read safely: .safetensors files, and .pth or .pt files as plain tensors, never as code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from ...errors import MissingFileError, UnibindError
from .checkpoint import Checkpoint, Shape, memory_of
from .safetensors_file import SafetensorsFile, check_finite
from .torch_file import TorchFile

__all__ = ["Checkpoint", "check_entries", "fingerprint", "load_weights", "open_checkpoint", "open_shards"]

_SHOWN = 3  # names of each kind in a message


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a .safetensors file, or a state dict as torch.save writes it (also under "state_dict" or "model").

    Nothing in a file is executed. Raises MissingFileError if there is no file, and UnibindError for files that are
    damaged, truncated, of another kind, or contain more than plain tensors.
    """
    if path.is_dir():
        raise UnibindError(f"{path} is a folder, not a file of weights; choose a file in it")
    if not path.is_file():
        raise MissingFileError(f"the file of weights {path} does not exist; check the path")
    try:
        return SafetensorsFile(path) if path.suffix == ".safetensors" else TorchFile(path)
    except OSError as error:
        raise UnibindError(f"{path} cannot be read: {error.strerror or error}") from error


class _Shards(Checkpoint):
    """Several files of one checkpoint; `path` is that of the first."""

    def __init__(self, files: Sequence[Checkpoint]) -> None:
        self.path, self.metadata = files[0].path, files[0].metadata
        self._file_of = {name: file for file in files for name in file.shapes}
        self.shapes = {name: file.shapes[name] for name, file in self._file_of.items()}
        self.dtypes = {name: file.dtypes[name] for name, file in self._file_of.items()}

    def mapped(self, names: Iterable[str]) -> dict[str, Tensor]:
        return {name: self._file_of[name].mapped([name])[name] for name in names}

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        for name in names:
            yield from self._file_of[name].stream([name])


def open_shards(paths: Sequence[Path]) -> Checkpoint:
    """Open a checkpoint that may be split into several files; see `open_checkpoint` for what is raised."""
    files = [open_checkpoint(path) for path in paths]
    return files[0] if len(files) == 1 else _Shards(files)


def load_weights(path: Path, shapes: Mapping[str, Shape]) -> dict[str, Tensor]:
    """Private copies of all tensors of a file, which must have these names and shapes, and finite values.

    Raises what `open_checkpoint` raises, and UnibindError, naming file and tensor, for others.
    """
    file = open_checkpoint(path)
    check_entries(shapes, file.shapes, str(path))
    state: dict[str, Tensor] = {}
    for name, tensor in file.stream(file.shapes):
        check_finite(path, name, tensor, "download it again")
        state[name] = tensor
    return state


def check_entries(expected: Mapping[str, Shape], actual: Mapping[str, Shape], where: str) -> None:
    """Raise UnibindError, naming some differences, unless the names and shapes are the expected ones."""
    kinds: dict[str, list[str]] = {
        "lacks": sorted(expected.keys() - actual.keys()),
        "has the unexpected": sorted(actual.keys() - expected.keys()),
        "has the wrong shapes": [
            f"{n} {list(actual[n])} instead of {list(expected[n])}"
            for n in sorted(expected.keys() & actual.keys())
            if tuple(actual[n]) != tuple(expected[n])
        ],
    }
    problems = [_listed(kind, names) for kind, names in kinds.items() if names]
    if problems:
        raise UnibindError(f"{where} does not fit: it {'; it '.join(problems)}; choose the weights of this model")


def _listed(kind: str, names: list[str]) -> str:
    more = len(names) - _SHOWN
    return f"{kind} {', '.join(names[:_SHOWN])}" + (f" and {more} more" if more > 0 else "")


def fingerprint(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Twelve hexadecimal digits of the names, types, shapes and values of tensors.

    The digits do not depend on the order or the file format. Only one tensor is in memory at a time.
    """
    digests = {name: _digest(tensor) for name, tensor in tensors}
    return hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()[:12]


def _digest(tensor: Tensor) -> str:
    digest = hashlib.sha256(f"{tensor.dtype}{list(tensor.shape)}".encode())
    digest.update(memory_of(tensor.detach().cpu().contiguous()))
    return digest.hexdigest()
