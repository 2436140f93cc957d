"""The means of a store's modalities, which search removes: of the sums of its fragments, which are kept in its folder.

The file `means.safetensors` has the sum of the vectors of each modality in each fragment, in float64, those of the
split "train" and the others apart; its header says how many they are, and names the fragments. A fragment never changes
under its name, so only what was written since is read. The file has nothing that the store cannot tell: where it is
missing or damaged, the sums are made again, and where it cannot be written, they are made every time.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..centering import Mean
from ..disk_errors import writing
from ..errors import UnibindError
from ..files import write_whole
from ..json_files import COUNT, TEXT, Kind, check_fields, list_of, parse_json
from .lance_files import Fragment
from .lance_tables import VECTOR
from .rows import PRESENT, VECTOR_SUM
from .store import Store
from .stored_text import cells

if TYPE_CHECKING:
    import pyarrow

_log = logging.getLogger(__name__)

MEANS = "means.safetensors"
_TRAIN = "train"
_COLUMNS = ("modality", "split", "state", VECTOR, VECTOR_SUM)
_TOTALS, _HEADER_KEY = "totals", "sums"
_FORMAT = 2
_YES_OR_NO = Kind("true or false", lambda value: isinstance(value, bool))
_HEADER = {"format": COUNT, "sums": list_of(Kind("an object", lambda value: isinstance(value, dict))), "sha256": TEXT}
_FACTS = {"fragment": TEXT, "modality": TEXT, "train": _YES_OR_NO, "items": COUNT}
_MAX_BYTES = 1 << 28
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


_Group = tuple[str, bool]  # a modality, and whether these are its training items
_Sums = dict[_Group, tuple[NDArray[np.float64], int]]  # their sums and numbers


def store_means(store: Store) -> dict[str, Mean]:
    """The mean of each stored modality: of its training items, or of all items where it has none.

    A modality whose vectors cannot be read is left out, with a warning. Memory does not grow with the store, and only
    what was written since the last call is read.
    """
    return {m: found.mean() for m, found in store_sums(store).items()}


def store_sums(store: Store) -> dict[str, Sum]:
    """What `store_means` divides; see there."""
    groups = _groups(store)
    chosen = {modality: (modality, True) in groups for modality, _ in groups}
    return {m: Sum(*groups[m, train], _TRAIN if train else None) for m, train in sorted(chosen.items())}


def whole_sums(store: Store) -> dict[str, Sum]:
    """The sum of the vectors of each stored modality, whatever their split; see `store_means`."""
    groups = _groups(store)
    whole = _added({(modality, False): found} for (modality, _), found in groups.items())
    return {modality: Sum(*found, None) for (modality, _), found in sorted(whole.items())}


def _groups(store: Store) -> _Sums:
    """The sums of the training items and of the others of each modality, kept or made."""
    fragments, kept = store.fragments(), dict[str, _Sums]()
    with suppress(OSError, UnibindError):
        kept = _read(store.path / MEANS)
    new = [fragment for fragment in fragments if fragment.name not in kept]
    unsound = set[str]()
    if new:
        kept |= _made(store, new, unsound)
    if new and not unsound and not store.at_a_version:
        with suppress(OSError, UnibindError):  # a folder that is read-only, or a disk that is full
            write_whole(store.path / MEANS, _content({f.name: kept[f.name] for f in fragments}))
    added = _added(kept[fragment.name] for fragment in fragments)
    return {group: found for group, found in added.items() if group[0] not in unsound}


def _added(sums: Iterable[_Sums]) -> _Sums:
    added: _Sums = {}
    for found in sums:
        for group, (total, items) in found.items():
            before, count = added.get(group, (np.zeros(()), 0))
            added[group] = before + total, count + items
    return added


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


def _made(store: Store, fragments: Sequence[Fragment], unsound: set[str]) -> dict[str, _Sums]:
    """The sums of fragments, by their names; modalities whose vectors cannot be read are added to `unsound`."""
    made: dict[str, _Sums] = {fragment.name: {} for fragment in fragments}
    for fragment, table in store.scan_fragments(_COLUMNS, fragments):
        for modality in store.modalities():
            if modality in unsound:
                continue
            try:
                made[fragment.name] = _added((made[fragment.name], _of_some(store, table, modality)))
            except UnibindError as error:
                _log.warning(f"the mean of {modality} is not known: {error}")
                unsound.add(modality)
    return made


def _of_some(store: Store, table: pyarrow.Table, modality: str) -> _Sums:
    """The sums of the items of a modality in a part of the table."""
    from pyarrow import compute

    of = compute.and_(compute.equal(table["modality"], modality), compute.equal(table["state"], PRESENT))
    vectors = store.sound_vectors(table.filter(of), modality)
    train = np.array([split == _TRAIN for split in cells(table.filter(of)["split"])], bool)
    groups = {(modality, True): vectors[train], (modality, False): vectors[~train]}
    return {group: (found.sum(axis=0, dtype=np.float64), len(found)) for group, found in groups.items() if len(found)}


# --- the file --------------------------------------------------------------------------------------------------------


def _content(sums: Mapping[str, _Sums]) -> bytes:
    from safetensors.numpy import save

    rows = [(name, group, found) for name, groups in sums.items() for group, found in sorted(groups.items())]
    totals = np.stack([total for _, _, (total, _) in rows]) if rows else np.zeros((0, 0))
    facts = [
        {"fragment": name, "modality": modality, "train": train, "items": items}
        for name, (modality, train), (_, items) in rows
    ]
    empty = [
        {"fragment": name, "modality": "", "train": False, "items": 0} for name, groups in sums.items() if not groups
    ]
    header = {"format": _FORMAT, "sums": facts + empty}
    return save({_TOTALS: totals}, metadata={_HEADER_KEY: json.dumps(header | {"sha256": _checksum(header, totals)})})


def _read(path: Path) -> dict[str, _Sums]:
    """The sums in a file, by the names of fragments; raises UnibindError for a damaged one or another format."""
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        raise UnibindError(f"{path} is not a file of means; {_FIX}")
    totals, text = _tensor(path)
    header = check_fields(parse_json(text, f"the header of {path}", _FIX), _HEADER, str(path), _FIX)
    if header["format"] != _FORMAT:
        raise UnibindError(f"{path} has another format; {_FIX}")
    if _checksum({name: header[name] for name in ("format", "sums")}, totals) != header["sha256"]:
        raise UnibindError(f"{path} is not what was written; {_FIX}")
    facts = [check_fields(row, _FACTS, f"a sum in {path}", _FIX) for row in header["sums"]]
    if totals.dtype != np.float64 or totals.ndim != 2 or not (np.abs(totals) < _HUGE).all():
        raise UnibindError(f"the sums in {path} are not finite rows; {_FIX}")
    if sum(row["items"] > 0 for row in facts) != len(totals):
        raise UnibindError(f"{path} does not name each of its sums; {_FIX}")
    found: dict[str, _Sums] = {row["fragment"]: {} for row in facts}
    for row, total in zip(facts, totals, strict=False):  # those of nothing come last
        found[row["fragment"]][row["modality"], row["train"]] = total, row["items"]
    return found


def _tensor(path: Path) -> tuple[NDArray[Any], str]:
    """The tensor of a safetensors file, and the entry of its header that is ours."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return file.get_tensor(_TOTALS), (file.metadata() or {}).get(_HEADER_KEY, "")
    except (SafetensorError, TypeError, ValueError) as error:
        raise UnibindError(f"{path} is damaged ({error}); {_FIX}") from error


def _checksum(header: Mapping[str, Any], totals: NDArray[Any]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(totals).tobytes())
    return digest.hexdigest()
