"""UniBind's released embedding centers: pickles of {label: tensor [K, D]}, read without trusting them.

A pickle is a program. This reader knows the few instructions of which a dict of tensors is made and runs no others,
looks up no names but those of such tensors, and calls its own functions in their place.
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
from numpy.typing import NDArray

from ..backbones._shared.torch_file import LEGACY
from ..errors import LimitError, MissingFileError, UnibindError

LIMIT = 1 << 30  # bytes
_INSTRUCTION_LIMIT = 1_000_000  # about 50 a label

_Function: TypeAlias = Callable[..., Any]


def load_centers_pickle(path: Path, *, limit: int = LIMIT) -> dict[str, NDArray[np.float32]]:
    """Centers by label: float32 [K, D], D the same for all.

    Nothing in the file is executed. Raises MissingFileError where there is none, LimitError for one of more than
    `limit` bytes, and UnibindError for what is no dict of such tensors.
    """
    if not path.is_file():
        raise MissingFileError(f"there is no file of centers at {path}; check the path")
    if path.stat().st_size > limit:
        raise LimitError(f"{path} has {path.stat().st_size} bytes, more than the {limit} that centers may have")
    try:
        found = _interpret(path.read_bytes())
    except _RefusedError as refusal:
        raise UnibindError(
            f"{path} is no file of centers: it asks for {refusal} and was not loaded; "
            "name a pickle of {label: tensor [K, D]}"
        ) from None
    except Exception as error:  # bytes that make no sense fail in all ways
        raise UnibindError(
            f"{path} is no file of centers, or damaged ({type(error).__name__}); name a pickle of "
            "{label: tensor [K, D]}"
        ) from error
    return _checked(path, found)


def _checked(path: Path, found: Any) -> dict[str, NDArray[np.float32]]:
    if not isinstance(found, dict) or not found:
        raise UnibindError(f"{path} holds a {type(found).__name__} where {{label: tensor [K, D]}} belongs")
    centers: dict[str, NDArray[np.float32]] = {}
    total = 0
    for label, value in found.items():
        if not isinstance(value, _Rebuilt) or value.tensor.ndim != 2 or not value.tensor.is_floating_point():
            raise UnibindError(f"{path}: the centers of {label} are no tensor [K, D]; name a file of centers")
        total += value.tensor.nbytes
        if total > path.stat().st_size:  # labels may share numbers, in a file made to fill the memory
            raise UnibindError(f"{path} claims more numbers than it has; get the file again")
        centers[label] = value.tensor.float().numpy()
    first = next(iter(centers))
    for label, vectors in centers.items():
        if not len(vectors) or vectors.shape[1] != centers[first].shape[1] or not vectors.any(axis=1).all():
            raise UnibindError(
                f"{path}: the centers of {label} have the shape {list(vectors.shape)} beside "
                f"{list(centers[first].shape)} of {first}, or a row of zeros; name a file of centers"
            )
        if not np.isfinite(vectors).all():
            raise UnibindError(f"{path}: the centers of {label} are not all finite; get the file again")
    return centers


class _RefusedError(Exception):
    """Something that a dict of tensors has no need of."""


class _Storage(NamedTuple):
    """A flat tensor, out of reach of the pickle's instructions."""

    flat: torch.Tensor


class _Rebuilt(NamedTuple):
    tensor: torch.Tensor


_MARK = object()
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def _interpret(content: bytes) -> Any:
    """Run a pickle's instructions, those of a dict of tensors and no others."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    functions: dict[tuple[str, str], _Function] = {
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
        ("torch.storage", "_load_from_bytes"): _StorageLoader(len(content)),
        ("collections", "OrderedDict"): _nothing,
    }
    for number, (instruction, found, _) in enumerate(pickletools.genops(content)):
        argument: Any = found
        if number >= _INSTRUCTION_LIMIT:
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
                stack.append(function(*arguments))  # nothing that can be called is on the stack but our functions
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
    place = next(i for i in reversed(range(len(stack))) if stack[i] is _MARK)
    return _popped(stack, len(stack) - place)[1:]


def _fill(items: list[Any], table: Any) -> None:
    for label, value in zip(items[::2], items[1::2], strict=True):
        if type(label) is not str or type(table) is not dict:  # to hash tuples of tuples of ... can take for ever
            raise _RefusedError("a key that is no label")
        table[label] = value


def _known(functions: Mapping[tuple[str, str], _Function], module: Any, name: Any) -> _Function:
    """Our own function in place of a known one."""
    if not isinstance(module, str) or not isinstance(name, str):
        raise _RefusedError("something without a name")
    if (module, name) not in functions:
        raise _RefusedError(f"{module}.{name}"[:100])
    return functions[module, name]


class _StorageLoader:
    """In place of torch.storage._load_from_bytes, which would unpickle anything; loads `limit` bytes in all."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def __call__(self, content: bytes) -> _Storage:
        self._left -= len(content)
        if not content.startswith(LEGACY) or self._left < 0:  # others could be compressed, or the same over and over
            raise _RefusedError("something else than numbers within a tensor")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of storages that have a type
                found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            raise _RefusedError("more than numbers within a tensor") from None
        if not isinstance(found, torch.storage.TypedStorage):
            raise _RefusedError("something else than numbers within a tensor")
        whole = found._untyped_storage
        flat = torch.empty(0, dtype=found.dtype).set_(whole, 0, (whole.nbytes() // found.dtype.itemsize,), (1,))
        return _Storage(flat)


def _rebuild(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Rebuilt:
    """In place of torch._utils._rebuild_tensor_v2, which would let a tensor grow beyond its numbers."""
    if not isinstance(storage, _Storage) or not all(type(n) is int for n in (offset, *size, *stride)):
        raise _RefusedError("a tensor without numbers")
    return _Rebuilt(storage.flat.as_strided(size, stride, offset))


def _nothing() -> None:
    """In place of an empty OrderedDict: a tensor's hooks."""
