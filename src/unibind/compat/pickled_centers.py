"""UniBind's released embedding centers: pickles of {label: tensor [K, D]}, read without trusting them.

A pickle is a program. This reader executes only the few instructions that a dict of tensors consists of, and calls its
own functions instead of those that the pickle names. A subclass of `pickle.Unpickler` cannot do this: it would still
hash tuples of tuples used as keys, which crashes the interpreter or takes forever, and allocate a memo of any size.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch

from ..backbones._shared.torch_file import LEGACY
from ..data.embeddings import Vectors
from ..errors import LimitError, MissingFileError, UnibindError

MAX_BYTES = 1 << 30
_MAX_INSTRUCTIONS = 1_000_000  # a label needs about 50

_Function: TypeAlias = Callable[..., Any]


def load_centers_pickle(path: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, Vectors]:
    """Centers by label, float32 [K, D]; K may differ between labels, D may not.

    Nothing in the file is executed. Raises MissingFileError for a missing file, LimitError for a file of more than
    `max_bytes` bytes, and UnibindError for a file that is not a dict of such tensors.
    """
    if not path.is_file():
        raise MissingFileError(f"the centers file {path} does not exist; check the path")
    if path.stat().st_size > max_bytes:
        raise LimitError(f"{path} has {path.stat().st_size} bytes, but a centers file has at most {max_bytes}")
    try:
        value = _interpret(path.read_bytes())
    except _RefusedError as refusal:
        raise UnibindError(
            f"{path} is not a centers file: it contains {refusal} and was not loaded; "
            "pass a pickle of {label: tensor [K, D]}"
        ) from None
    except Exception as error:  # damaged bytes can raise anything
        raise UnibindError(
            f"{path} is damaged or not a centers file ({type(error).__name__}); pass a pickle of "
            "{label: tensor [K, D]}"
        ) from error
    return _checked(path, value)


def _checked(path: Path, value: Any) -> dict[str, Vectors]:
    if not isinstance(value, dict) or not value:
        raise UnibindError(f"{path} contains a {type(value).__name__} instead of a dict {{label: tensor [K, D]}}")
    centers: dict[str, Vectors] = {}
    total = 0
    for label, entry in value.items():
        if not isinstance(entry, _Rebuilt) or entry.tensor.ndim != 2 or not entry.tensor.is_floating_point():
            raise UnibindError(f"{path}: the centers of {label} are not a tensor [K, D]; pass a centers file")
        total += entry.tensor.nbytes
        if total > path.stat().st_size:  # labels may share numbers, in a file made to exhaust the memory
            raise UnibindError(f"{path} declares more numbers than it contains; download it again")
        centers[label] = entry.tensor.float().numpy()
    for label, vectors in centers.items():
        _check_vectors(path, label, vectors, next(iter(centers.items())))
    return centers


def _check_vectors(path: Path, label: str, vectors: Vectors, first: tuple[str, Vectors]) -> None:
    if not len(vectors) or vectors.shape[1] != first[1].shape[1] or not vectors.any(axis=1).all():
        raise UnibindError(
            f"{path}: the centers of {label} have the shape {list(vectors.shape)}, those of {first[0]} "
            f"{list(first[1].shape)}, or a row is zero; pass a centers file with one width and no zero rows"
        )
    if not np.isfinite(vectors).all():
        raise UnibindError(f"{path}: the centers of {label} contain values that are not finite; download it again")


# --- the interpreter -------------------------------------------------------------------------------------------------


class _RefusedError(Exception):
    """The pickle contains something that a dict of tensors does not need."""


class _Storage(NamedTuple):
    """A flat tensor that the pickle's instructions cannot access."""

    flat: torch.Tensor


class _Rebuilt(NamedTuple):
    """A tensor of the result."""

    tensor: torch.Tensor


_MARK = object()
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def _interpret(content: bytes) -> Any:
    """Execute a pickle, refusing every instruction that a dict of tensors does not need."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    functions: dict[tuple[str, str], _Function] = {
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
        ("torch.storage", "_load_from_bytes"): _StorageLoader(len(content)),
        ("collections", "OrderedDict"): _nothing,
    }
    for number, (instruction, parsed, _) in enumerate(pickletools.genops(content)):
        argument: Any = parsed
        if number >= _MAX_INSTRUCTIONS:
            raise _RefusedError("too many instructions")
        match instruction.name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                stack.append(_MARK)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[instruction.name])
            case "BININT" | "BININT1" | "BININT2" | "SHORT_BINUNICODE" | "BINUNICODE":
                stack.append(argument)
            case "SHORT_BINBYTES" | "BINBYTES" | "BINBYTES8":
                stack.append(argument)
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(_popped(stack, _TUPLES[instruction.name])))
            case "TUPLE":
                stack.append(tuple(_since_mark(stack)))
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                _fill(_popped(stack, 2), stack[-1])
            case "SETITEMS":
                _fill(_since_mark(stack), stack[-1])
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(_known(functions, *argument.split(" ", 1)))
            case "STACK_GLOBAL":
                stack.append(_known(functions, *_popped(stack, 2)))
            case "REDUCE":
                function, arguments = _popped(stack, 2)
                stack.append(function(*arguments))  # our own functions are the only callables on the stack
            case "STOP":
                return stack.pop()
            case other:
                raise _RefusedError(f"the instruction {other}")
    raise EOFError


def _popped(stack: list[Any], count: int) -> list[Any]:
    if len(stack) < count:
        raise IndexError
    items = stack[-count:]
    del stack[-count:]
    return items


def _since_mark(stack: list[Any]) -> list[Any]:
    position = next(i for i in reversed(range(len(stack))) if stack[i] is _MARK)
    return _popped(stack, len(stack) - position)[1:]


def _fill(items: list[Any], table: Any) -> None:
    for label, value in zip(items[::2], items[1::2], strict=True):
        if type(label) is not str or type(table) is not dict:  # hashing nested tuples can take forever
            raise _RefusedError("a key that is not a label")
        table[label] = value


def _known(functions: Mapping[tuple[str, str], _Function], module: Any, name: Any) -> _Function:
    """Our own function in place of the named one."""
    if not isinstance(module, str) or not isinstance(name, str):
        raise _RefusedError("a function without a name")
    if (module, name) not in functions:
        raise _RefusedError(f"a call of {module}.{name}"[:100])
    return functions[module, name]


class _StorageLoader:
    """Replaces torch.storage._load_from_bytes, which unpickles anything; loads `max_bytes` bytes in total at most."""

    def __init__(self, max_bytes: int) -> None:
        self._remaining = max_bytes

    def __call__(self, content: bytes) -> _Storage:
        self._remaining -= len(content)
        if not content.startswith(LEGACY) or self._remaining < 0:  # others may be compressed, or repeat the same bytes
            raise _RefusedError("something other than numbers within a tensor")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # typed storages are deprecated
                storage = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            raise _RefusedError("more than numbers within a tensor") from None
        if not isinstance(storage, torch.storage.TypedStorage):
            raise _RefusedError("something other than numbers within a tensor")
        untyped, dtype = storage._untyped_storage, storage.dtype
        flat = torch.empty(0, dtype=dtype).set_(untyped, 0, (untyped.nbytes() // dtype.itemsize,), (1,))
        return _Storage(flat)


def _rebuild(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Rebuilt:
    """Replaces torch._utils._rebuild_tensor_v2, which would let a tensor grow beyond its numbers."""
    if not isinstance(storage, _Storage) or not all(type(n) is int for n in (offset, *size, *stride)):
        raise _RefusedError("a tensor without numbers")
    return _Rebuilt(storage.flat.as_strided(size, stride, offset))


def _nothing() -> None:
    """Replaces an empty OrderedDict, the hooks of a tensor."""
