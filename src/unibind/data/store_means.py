"""The means of a store's modalities, which search removes, kept in its folder for the items they were learned from.

The file `means.safetensors` has the sum of each modality's vectors in float64, and in its header how many they are and
the commit of the store that they belong to. It has nothing that the store cannot tell: where it is missing, damaged or
of other items, the sums are made again, and where it cannot be written, they are made every time.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..centering import Mean
from ..disk_errors import writing
from ..errors import UnibindError
from ..files import write_whole
from ..json_files import COUNT, OBJECT, TEXT, check_fields, optional, parse_json
from .store import Store

_log = logging.getLogger(__name__)

MEANS = "means.safetensors"
_TRAIN = "train"
_HEADER_KEY = "sums"
_FORMAT = 1
_HEADER = {"format": COUNT, "commit": TEXT, "modalities": OBJECT, "sha256": TEXT}
_FACTS = {"items": COUNT, "split": optional(TEXT)}
_MAX_BYTES = 1 << 26
_HUGE = 1e30  # no sum of vectors of unit length
_FIX = "it is made again when it is needed"


@dataclass(frozen=True)
class Sum:
    """The sum [D] of the vectors of `items` items of one modality: those of a `split`, or all of them."""

    total: NDArray[np.float64]
    items: int
    split: str | None

    def mean(self) -> Mean:
        """What is removed."""
        return Mean.of_sum(self.total, self.items)


def store_means(store: Store) -> dict[str, Mean]:
    """The mean of each stored modality: of its training items, or of all items where it has none.

    A modality whose vectors cannot be read is left out, with a warning. Memory does not grow with the store.
    """
    return {m: found.mean() for m, found in store_sums(store).items()}


def store_sums(store: Store) -> dict[str, Sum]:
    """What `store_means` divides; see there."""
    commit = store.commit
    if commit is None:
        return {}
    with suppress(OSError, UnibindError):
        kept, of = _read(store.path / MEANS)
        if of == commit:
            return kept
    sums = _made(store)
    if not store.at_a_version and sums.keys() == set(store.modalities()):
        with suppress(OSError, UnibindError):  # a folder that is read-only, or a disk that is full
            write_whole(store.path / MEANS, _content(sums, commit))
    return sums


def damaged_means(store: Path) -> str | None:
    """What is wrong with the file of means in a store's folder; None where it is whole or missing."""
    if not (store / MEANS).exists():
        return None
    try:
        _read(store / MEANS)
    except (OSError, UnibindError) as error:
        return str(error)
    return None


def remove_damaged_means(store: Path) -> bool:
    """Remove the file of means from a store's folder where it is damaged; returns whether it was."""
    damaged = damaged_means(store) is not None
    if damaged:
        with writing(store / MEANS):
            (store / MEANS).unlink()
    return damaged


# --- making sums -----------------------------------------------------------------------------------------------------


def _made(store: Store) -> dict[str, Sum]:
    splits, sums = store.splits(), dict[str, Sum]()
    for modality in store.modalities():
        try:
            sums[modality] = _sum(store, modality, _TRAIN if _TRAIN in splits[modality] else None)
        except UnibindError as error:
            _log.warning(f"the mean of {modality} is not known: {error}")
    return sums


def _sum(store: Store, modality: str, split: str | None) -> Sum:
    total, items = np.zeros(()), 0
    for vectors in store.vector_batches(modality, split):
        total, items = total + vectors.sum(axis=0, dtype=np.float64), items + len(vectors)
    return Sum(total, items, split)


# --- the file --------------------------------------------------------------------------------------------------------


def _content(sums: Mapping[str, Sum], commit: str) -> bytes:
    from safetensors.numpy import save

    totals = {m: np.ascontiguousarray(found.total) for m, found in sums.items()}
    facts = {m: {"items": found.items, "split": found.split} for m, found in sums.items()}
    header = {"format": _FORMAT, "commit": commit, "modalities": facts}
    signed = header | {"sha256": _checksum(header, totals)}
    return save(totals, metadata={_HEADER_KEY: json.dumps(signed)})


def _read(path: Path) -> tuple[dict[str, Sum], str]:
    """The sums in a file, and the commit they belong to; raises UnibindError for a damaged one or another format."""
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        raise UnibindError(f"{path} is not a file of means; {_FIX}")
    totals, text = _tensors(path)
    header = check_fields(parse_json(text, f"the header of {path}", _FIX), _HEADER, str(path), _FIX)
    signed = {name: value for name, value in header.items() if name != "sha256"}
    if header["format"] != _FORMAT or header["modalities"].keys() != totals.keys():
        raise UnibindError(f"{path} has another format; {_FIX}")
    if _checksum(signed, totals) != header["sha256"]:
        raise UnibindError(f"{path} is not what was written; {_FIX}")
    where = f"the sum of {{}} in {path}"
    facts = {m: check_fields(v, _FACTS, where.format(m), _FIX) for m, v in header["modalities"].items()}
    return {m: _checked(Sum(totals[m], **facts[m]), where.format(m)) for m in totals}, header["commit"]


def _tensors(path: Path) -> tuple[dict[str, NDArray[Any]], str]:
    """The tensors of a safetensors file, and the entry of its header that is ours."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, (file.metadata() or {}).get(_HEADER_KEY, "")  # noqa: SIM118
    except (SafetensorError, TypeError, ValueError) as error:
        raise UnibindError(f"{path} is damaged ({error}); {_FIX}") from error


def _checked(found: Sum, where: str) -> Sum:
    total = found.total
    if total.dtype != np.float64 or total.ndim != 1 or not (np.abs(total) < _HUGE).all() or found.items < 1:
        raise UnibindError(f"{where} is not one finite row for one item or more; {_FIX}")
    return found


def _checksum(header: Mapping[str, Any], totals: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for modality in sorted(totals):
        digest.update(np.ascontiguousarray(totals[modality]).tobytes())
    return digest.hexdigest()
