"""Means of modalities as a file: one row per modality, and how many items each was learned from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..backbones._shared.safetensors_file import read_arrays
from ..centering import Mean
from ..errors import UnibindError
from ..files import write_whole
from ..json_files import COUNT, check_fields, parse_json

_HEADER_KEY = "items"  # in the safetensors header


def save_means(means: Mapping[str, Mean], path: Path) -> None:
    """Write the means of several modalities to one safetensors file."""
    from safetensors.numpy import save

    tensors = {m: np.ascontiguousarray(mean.vector) for m, mean in means.items()}
    items = {m: mean.items for m, mean in sorted(means.items())}
    write_whole(path, save(tensors, metadata={_HEADER_KEY: json.dumps(items)}))


def load_means(path: Path, fix: str) -> dict[str, Mean]:
    """Inverse of `save_means`; raises UnibindError, which ends with `fix`, for a file that is damaged or another."""
    tensors, header = read_arrays(path, fix)
    where = f"the numbers of items in {path}"
    items = check_fields(parse_json(header.get(_HEADER_KEY, ""), where, fix), dict.fromkeys(tensors, COUNT), where, fix)
    try:
        return {m: Mean(vector, items[m]) for m, vector in tensors.items()}
    except UnibindError as error:
        raise UnibindError(f"{path}: {error}; {fix}") from None
