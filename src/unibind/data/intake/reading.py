"""Reading what a person has: folders, tables, single files, and lists of these."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

from ...errors import MissingFileError, UnibindError, UnknownNameError
from ...modalities.reading import known_endings
from ...modalities.source import is_url
from ..location import canonical_location
from ..manifest import Item, detected_modality
from ..tables import TABLE_ENDINGS, is_table
from .collecting import Collector, Manifest
from .folders import collect_folder
from .modality_choice import Modalities, ModalityChoice
from .table_files import collect_table, names_items

Source = str | Path | Item
Sources = Source | Sequence[Source]


def read_manifest(source: Sources, *, modality: ModalityChoice = None, strict: bool = False) -> Manifest:
    """The items of a source, in its order or by name, each once, and a report of what was left out.

    `source` is a folder of any depth, a table (CSV, TSV, JSONL, JSON, Parquet), a list of paths in a text file, a
    media file, or a list of these and of items. Relative paths in a table start from its folder.

    The modality of a file is that of its row, otherwise `modality`, otherwise the one of its name and first bytes.
    `modality` is one for all files, or a mapping of folders to modalities ("." stands for all other files). An item
    without an id of its own has its canonical location as its id (`data.location`). Splits are called train, val or
    test, whatever their spelling in the source.

    What is not an item is left out and reported: files of unknown endings, and, with row number and reason, rows that
    are blank, damaged or repeated. Raises MissingFileError where a source does not exist, and UnibindError where it is
    not a source, has no items, or, if `strict`, where a row or file is set aside.
    """
    into, modalities = Collector(), Modalities(modality)
    if isinstance(source, str | Path | Item):
        name = str(source.id if isinstance(source, Item) else source)
        _check_is_source(source, modalities)
        _collect(source, into, modalities, alone=True)
    else:
        name = "the list of sources"
        for one in source:
            _collect(one, into, modalities, alone=False)
    modalities.check_all_met(name)
    return into.finish(name, strict=strict)


def source_folders(source: Sources) -> list[Path]:
    """The folders of a source that consists of nothing else; none if tables, files or items are in it."""
    sources = [source] if isinstance(source, str | Path | Item) else source
    folders = [Path(one) for one in sources if not isinstance(one, Item) and Path(one).is_dir()]
    return folders if len(folders) == len(sources) else []


def _collect(source: Source, into: Collector, modalities: Modalities, *, alone: bool) -> None:
    if isinstance(source, Item):
        into.add(source, f"the item {source.id!r}")
        return
    path = Path(source)
    if path.is_dir():
        collect_folder(path, into, modalities)
    elif _lists_items(path, modalities, alone=alone):
        collect_table(path, into, modalities)
    else:
        _collect_file(str(source), into, modalities)


def _collect_file(uri: str, into: Collector, modalities: Modalities) -> None:
    try:
        modality = modalities.of(PurePath(uri), uri) or detected_modality(uri)
    except UnibindError as error:
        into.set_aside(uri, None, str(error))
    else:
        into.add(Item(canonical_location(uri), modality, uri), uri)


def _lists_items(path: Path, modalities: Modalities, *, alone: bool) -> bool:
    """Whether a file is a table of items rather than an item: some modalities are in text files, too."""
    if not is_table(path):
        return False
    chosen = modalities.of(path, path)
    if path.suffix.lower() in known_endings(chosen) and path.is_file():
        return names_items(path) or (alone and path.suffix.lower() not in known_endings())
    return True


def _check_is_source(source: Source, modalities: Modalities) -> None:
    """Raise MissingFileError or UnibindError where a single source is none."""
    if isinstance(source, Item) or is_url(str(source)):
        return
    path = Path(source)
    if not path.exists():
        raise MissingFileError(f"{path} does not exist; pass a folder, a table of items, or a file")
    ending = path.suffix.lower()
    if path.is_file() and not is_table(path) and ending not in known_endings() and modalities.of(path, path) is None:
        raise UnknownNameError(f"table format of {path}:", ending, TABLE_ENDINGS)
