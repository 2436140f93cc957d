"""Decoders of point files to coordinates and colors: PCD, XYZ text, NumPy arrays, torch tensors."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, UnreadableError
from ..limits import Limits
from ..source import Source
from .archives import opened_archive
from .arrays import ZIP_MAGIC, arrays_of
from .pcd import read_pcd

Colors = NDArray[np.uint8] | None
Cloud = tuple[NDArray[np.float64], Colors]  # xyz [N, 3], rgb [N, 3]
Decode = Callable[[Source, Limits], Cloud]
T = TypeVar("T")

_COMMENTS = ("#", "//")
_MOST_SKIPPED = 100_000  # lines without numbers
_KEYS = ("points", "xyz")  # of an archive with several arrays
_MOST_COLUMNS = 6  # x y z, and colors or normals


def pcd(source: Source, limits: Limits) -> Cloud:
    """A file of the Point Cloud Library."""
    with source.open() as file:
        return read_pcd(file, source.name, limits)


def xyz(source: Source, limits: Limits) -> Cloud:
    """Lines of x y z, or x y z r g b, separated by white space, commas or semicolons."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty file is reported later
        table = np.loadtxt(_rows(source, limits), comments=_COMMENTS, ndmin=2, max_rows=limits.max_points + 1)
    return _columns(table, limits, source.name)


def _rows(source: Source, limits: Limits) -> Iterator[str]:
    """The lines with numbers, separated by spaces."""
    separators, skipped = str.maketrans(",;", "  "), 0
    for line in source.lines(limits):
        text = line.translate(separators).strip()
        if text and not text.startswith(_COMMENTS):
            yield text
        else:
            skipped += 1
            if skipped > _MOST_SKIPPED:
                raise LimitError(f"{source.name} has more than {_MOST_SKIPPED:,} lines without numbers; remove them")


def numpy_array(source: Source, limits: Limits) -> Cloud:
    """An array [N, 3] or [N, 6] of an NPY or NPZ file."""
    arrays = arrays_of(source, limits)
    return _columns(_the_points(arrays, source.name), limits, source.name)


def torch_tensor(source: Source, limits: Limits) -> Cloud:
    """A tensor, or a dict of tensors, written by torch.save; unpickled by torch's weights-only reader."""
    if not source.head.startswith(ZIP_MAGIC):
        raise UnreadableError(f"{source.name} is not a file of torch.save (of torch 1.6 or later); save it again")
    tensor = _the_points(_tensors(source, limits), source.name)
    if tensor.numel() > _MOST_COLUMNS * limits.max_points:  # a view may claim far more than its storage has
        raise LimitError(
            f"{source.name} claims {tensor.numel():,} numbers, the limits allow {limits.max_points:,} points"
        )
    return _columns(tensor.detach().to_dense().double().numpy(), limits, source.name)


def _tensors(source: Source, limits: Limits) -> dict[str, Any]:
    """The tensors of a torch file by name; a bare tensor is named `points`."""
    import torch

    data = io.BytesIO(source.read_bytes(limits))
    with opened_archive(data, source.name, limits) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > limits.max_unpacked:
        raise LimitError(f"{source.name} unpacks to {unpacked:,} bytes, the limits allow {limits.max_unpacked:,}")
    data.seek(0)
    try:
        loaded = torch.load(data, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnreadableError(f"{source.name} has Python objects, which are never run; save a bare tensor") from error
    named = loaded if isinstance(loaded, dict) else {"points": loaded}
    return {str(key): value for key, value in named.items() if isinstance(value, torch.Tensor)}


def _the_points(arrays: Mapping[str, T], name: str) -> T:
    """The array named points or xyz, or the only one."""
    for key in arrays if len(arrays) == 1 else _KEYS:
        if key in arrays:
            return arrays[key]
    raise UnreadableError(f"{name} has {', '.join(arrays) or 'no arrays'}; name one of its arrays {' or '.join(_KEYS)}")


def _columns(table: NDArray[Any], limits: Limits, name: str) -> Cloud:
    """Points and colors of numbers [N, 3] or [N, 6]."""
    if table.ndim != 2 or table.shape[1] not in (3, 6) or table.dtype.kind not in "iuf":
        raise UnreadableError(
            f"{name} is {table.dtype} {list(table.shape)}; a point cloud is numbers [N, 3], or [N, 6] with rgb"
        )
    if len(table) > limits.max_points:
        raise LimitError(f"{name} has {len(table):,} points, the limits allow {limits.max_points:,}; raise them")
    return table[:, :3].astype(np.float64), _colors(table[:, 3:])


def _colors(columns: NDArray[Any]) -> Colors:
    """Colors from 0..1 or 0..255; None for columns that are not colors, such as normals."""
    if not columns.size or not ((columns >= 0) & (columns <= 255)).all():
        return None
    scale = 255 if columns.max() <= 1 else 1
    return np.rint(columns * scale).astype(np.uint8)
