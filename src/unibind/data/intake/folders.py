"""Folders of any depth: `label/file`, `split/label/file`, `label/split/file`, and whatever lies above, below or beside.

Hidden files are left out; archives are read as folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import UnibindError
from ...files import check_not_special
from ...modalities import modality_spec
from ...modalities.reading import known_endings
from ...modalities.source import Source
from ...modalities.tar_members import TAR
from ..location import canonical_location
from ..manifest import Item, detected_modality
from .archives import collect_archive
from .collecting import Collector
from .folder_names import above_split, split_and_label
from .modality_choice import Modalities
from .patterns import matches

_LANCE = ".lance"  # ending of the tables of a store, which may lie in the folder that is encoded into it
# Files that accompany items, for modalities that read whatever no other does.
_SIDECARS = (
    *(".csv", ".db", ".gz", ".html", ".ini", ".json", ".jsonl", ".lnk", ".log", ".md", ".parquet", ".pdf", ".py"),
    *(".tar", ".tmp", ".tsv", ".xml", ".xmp", ".yaml", ".yml", ".zip"),
)


def collect_folder(root: Path, into: Collector, modalities: Modalities, pattern: Sequence[str] = ()) -> None:
    """Collect the items of a folder and of all folders below it, by name, as far as their paths match a pattern."""
    above = (above_split(folder.relative_to(root).parts) for folder, _ in _folders(root, None))
    beside_splits = {folders for folders in above if folders is not None}
    found = (folder / name for folder, names in _folders(root, into) for name in names)
    for file, place in ((file, file.relative_to(root)) for file in found):
        if pattern and not matches(place.parts, pattern):
            continue
        if file.suffix.lower() == TAR:
            collect_archive(file, into, modalities, place.parts[:-1])
            continue
        chosen = modalities.of(place, file)
        try:
            check_not_special(file)
            if not _is_item(file, chosen):
                into.skip(file.suffix.lower())
                continue
            modality = chosen or detected_modality(file)
        except UnibindError as error:
            into.set_aside(str(file), None, str(error))
            continue
        split, label = split_and_label(place.parts[:-1], beside_splits)
        into.add(Item(canonical_location(str(file)), modality, str(file), label=label, split=split), str(file))


def _folders(root: Path, into: Collector | None) -> Iterator[tuple[Path, list[str]]]:
    """Visible files below `root` by folder and name; folders are entered once, whatever links lead to them."""
    entered = set[str]()
    for name, folders, files in os.walk(root, onerror=lambda error: _note(error, into), followlinks=True):
        real = os.path.realpath(name)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(folder for folder in folders if not folder.startswith(".") and not folder.endswith(_LANCE))
        visible = sorted(file for file in files if not file.startswith("."))
        if visible:
            yield Path(name), visible


def _note(error: OSError, into: Collector | None) -> None:
    if into is not None:
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
