"""Folders of any depth: `label/file`, `split/label/file`, `label/split/file`, and whatever lies above, below or beside.

The split of a file is the first folder on its way, from the top, whose name is a split's (train, val, test and their
other spellings). Folders beside such a one are splits too, of names that are not known. The label of a file is the
innermost folder that is not its split and not called like a modality. Hidden files are left out.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from ...errors import UnibindError
from ...modalities import modality_names, modality_spec
from ...modalities.reading import known_endings
from ...modalities.source import Source
from ..location import canonical_location
from ..manifest import Item, detected_modality
from .collecting import Collector
from .columns import plain
from .modality_choice import Modalities
from .split_names import known_split

# Files that accompany items, for modalities that read whatever no other does.
_SIDECARS = (
    *(".csv", ".db", ".gz", ".html", ".ini", ".json", ".jsonl", ".lnk", ".log", ".md", ".parquet", ".pdf", ".py"),
    *(".tar", ".tmp", ".tsv", ".xml", ".xmp", ".yaml", ".yml", ".zip"),
)


def collect_folder(root: Path, into: Collector, modalities: Modalities) -> None:
    """Collect the items of a folder and of all folders below it, by name."""
    files = [(file, file.relative_to(root)) for file in _files(root, into)]
    beside_splits = {_above_split(place.parts[:-1]) for _, place in files} - {None}
    for file, place in files:
        chosen = modalities.of(place, file)
        try:
            if not _is_item(file, chosen):
                into.skip(file.suffix.lower())
                continue
            modality = chosen or detected_modality(file)
        except UnibindError as error:
            into.set_aside(str(file), None, str(error))
            continue
        split, label = _split_and_label(place.parts[:-1], beside_splits)
        into.add(Item(canonical_location(str(file)), modality, str(file), label=label, split=split), str(file))


def _files(root: Path, into: Collector) -> Iterator[Path]:
    """Visible files below `root`, by name; folders are entered once, whatever links lead to them."""
    entered = set[str]()
    for name, folders, files in os.walk(root, onerror=lambda error: _note(error, into), followlinks=True):
        real = os.path.realpath(name)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        yield from (Path(name, file) for file in sorted(files) if not file.startswith("."))


def _note(error: OSError, into: Collector) -> None:
    into.set_aside(str(error.filename), None, f"the folder cannot be read ({error.strerror})")


# --- what is an item ------------------------------------------------------------------------------------------------


def _is_item(file: Path, modality: str | None) -> bool:
    """Whether a file may be an item of that modality (None: of any)."""
    ending = file.suffix.lower()
    if modality is None:
        return ending in known_endings()
    rows = modality_spec(modality).formats
    if ending in known_endings(modality) or any(row.recognizes(_head(file)) for row in rows):
        return True
    return ending not in _SIDECARS and any(row.fallback and not row.suffixes + row.also for row in rows)


def _head(file: Path) -> bytes:
    try:
        return Source(str(file), file).head if file.is_file() else b""
    except OSError:
        return b""


# --- what folders say -----------------------------------------------------------------------------------------------


def _split_and_label(folders: Sequence[str], beside_splits: Collection[Sequence[str]]) -> tuple[str | None, str | None]:
    """Split and label of a file by the folders on its way; the folders in `beside_splits` contain splits."""
    names_split = _first(known_split(name) is not None for name in folders)
    if names_split is None:
        names_split = _first(
            folders[:depth] in beside_splits and plain(name) not in _kinds() for depth, name in enumerate(folders)
        )
    split = None if names_split is None else folders[names_split]
    labels = [name for depth, name in enumerate(folders) if depth != names_split and plain(name) not in _kinds()]
    return split, labels[-1] if labels else None


def _above_split(folders: Sequence[str]) -> Sequence[str] | None:
    """The folders above the split of a file; None where it has no split that is known."""
    depth = _first(known_split(name) is not None for name in folders)
    return None if depth is None else folders[:depth]


def _first(conditions: Iterable[bool]) -> int | None:
    return next((index for index, holds in enumerate(conditions) if holds), None)


@cache
def _kinds() -> frozenset[str]:
    """Names of folders that say what kind of signal is in them, such as `image` and `images`."""
    return frozenset(plain(name) + plural for name in modality_names() for plural in ("", "s"))
