"""Items of any shape as rows of bytes, so that pictures of different sizes share a batch.

A row is the number of bytes that follow (8 bytes), then named arrays in the safetensors format. Batches pad rows with
zeros on the right, which reading ignores.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Arrays = Mapping[str, NDArray]

_LENGTH = np.dtype("<u8")


def pack(arrays: Arrays) -> Tensor:
    """One item's arrays as uint8 [T]."""
    from safetensors.numpy import save

    content = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    row = np.empty(_LENGTH.itemsize + len(content), np.uint8)
    row[: _LENGTH.itemsize] = np.frombuffer(np.array(len(content), _LENGTH).tobytes(), np.uint8)
    row[_LENGTH.itemsize :] = np.frombuffer(content, np.uint8)
    return torch.from_numpy(row)


def unpack(row: Tensor) -> dict[str, NDArray]:
    """The arrays of an item, from uint8 [T] on the CPU, padded or not."""
    from safetensors.numpy import load

    content = row.numpy().tobytes()
    length = int(np.frombuffer(content[: _LENGTH.itemsize], _LENGTH)[0])
    return load(content[_LENGTH.itemsize : _LENGTH.itemsize + length])
