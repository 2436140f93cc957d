"""Reading what a person has: folders, tables, archives, frames, data sets, single files, and lists of these."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import MissingFileError, UnibindError, UnknownNameError, UnreadableError
from ...files import check_not_special
from ...modalities.reading import has_known_ending, known_endings
from ...modalities.source import is_url
from ...modalities.tar_members import TAR
from ..location import local_path
from ..manifest import Item
from ..tables import TABLE_ENDINGS, is_table
from .archives import collect_archive
from .collecting import Collector, Manifest
from .columns import is_known
from .folders import collect_folder
from .frames import collect_data_set, collect_frame, is_data_set, is_frame, is_lazy_frame
from .hub import names_data_set, open_data_set
from .modality_choice import Modalities, ModalityChoice
from .patterns import split_pattern
from .remote import collect_file, collect_url
from .rows import collect_rows
from .table_files import collect_table, names_items

Sources = Any

STANDARD_INPUT = "-"
_HEAD = 4096  # bytes that tell the kind of a table
_BEGINNINGS = {b"PAR1": ".parquet", b"{": ".jsonl", b"[": ".json"}


def read_manifest(
    source: Sources,
    *,
    modality: ModalityChoice = None,
    root: str | Path | None = None,
    strict: bool = False,
    allow_empty: bool = False,
    segments: float | None = None,
) -> Manifest:
    """The items of a source, in its order or by name, each once, and a report of what was left out.

    `source` is one of these, or a list of them:

    - a folder of any depth: the label of a file is its folder, its split the first folder called like one;
    - a pattern of paths, such as "photos/**/*.jpg", which is that folder with only the files that match;
    - a table (CSV, TSV, JSONL, JSON, Parquet, also with the files themselves in its cells), a list of paths in a text
      file, a tar archive or shard of WebDataset, or "-": a table or list on standard input;
    - a media file;
    - a URL of a folder, pattern, table or file, of any protocol that fsspec knows ("s3://bucket/photos/",
      "https://host/list.csv", "zip://::https://host/photos.zip"); what fails for the moment is tried again;
    - a data set of the Hugging Face Hub, "hf:OWNER/NAME" or "hf:OWNER/NAME:CONFIGURATION" (extra `datasets`);
    - a data frame (pandas, polars, Arrow), a Hugging Face data set, or a dictionary for a row, as in a table;
    - an `Item`.

    A dictionary of sources gives the split of each, as `{"train": ..., "test": ...}`. Relative paths in rows start from
    `root`, by default the folder of the table, or the working directory where there is no table. Cells may be paths,
    URLs, bytes, pictures and raw types.

    The modality of a file is that of its row, otherwise `modality`, otherwise the one of its column, or of its name and
    first bytes. `modality` is one for all files, or a mapping of folders to modalities ("." stands for all others). An
    item without an id of its own has its canonical location as its id (`data.location`). Splits are called train,
    val or test, whatever their spelling in the source.

    With `segments`, a recording (sound or video) becomes an item for each so many seconds, `talk.wav#t=10,20`; what is
    less than one and a half times as long stays whole. The segments of a recording are records of one object.

    What is not an item is left out and reported: files of unknown endings, and, with row number and reason, rows that
    are blank, damaged or repeated. Raises MissingFileError where a source does not exist, and UnibindError where it is
    not a source, has no items (unless `allow_empty`), or, if `strict`, where a row or file is set aside.
    """
    if root is not None and not Path(root).is_dir():
        raise MissingFileError(f"the root {root} is not a folder; pass the one that paths start from")
    into, modalities = Collector(None if root is None else Path(root), segments), Modalities(modality)
    _collect(source, into, modalities)
    name = _name_of(source)
    modalities.check_all_met(name)
    return into.finish(name, strict=strict, allow_empty=allow_empty)


def source_folders(source: Sources) -> list[Path]:
    """The folders of a source that consists of nothing else; none if tables, files or items are in it."""
    sources = source if isinstance(source, list | tuple) else [source]
    folders = [Path(one) for one in sources if isinstance(one, str | Path) and Path(one).is_dir()]
    return folders if len(folders) == len(sources) else []


def _name_of(source: Sources) -> str:
    return str(source) if isinstance(source, str | Path) else f"the {type(source).__name__}"


def _collect(source: Sources, into: Collector, modalities: Modalities) -> None:
    if isinstance(source, str | Path) and str(source) == STANDARD_INPUT:
        _collect_standard_input(into, modalities)
    elif isinstance(source, str) and names_data_set(source):
        _collect(open_data_set(source), into, modalities)
    elif isinstance(source, str | Path):
        _check_is_source(source, modalities)
        _collect_path(source, into, modalities, alone=True)
    elif isinstance(source, Item):
        into.add(source, f"the item {source.id!r}")
    elif is_lazy_frame(source):
        collect_frame(source.collect(), into, modalities)
    elif is_data_set(source):
        collect_data_set(source, into, modalities)
    elif is_frame(source):
        collect_frame(source, into, modalities)
    elif isinstance(source, Mapping):
        _collect_splits(source, into, modalities)
    elif isinstance(source, Iterable) and not isinstance(source, bytes):
        _collect_list(source, into, modalities)
    else:
        raise UnibindError(f"a {type(source).__name__} is not a source of items; pass a folder, a table, or a list")


def _is_named_otherwise(source: str) -> bool:
    """Whether a source is standard input or the name of a data set, rather than a path or URL."""
    return source == STANDARD_INPUT or names_data_set(source)


def _collect_splits(sources: Mapping[Any, Sources], into: Collector, modalities: Modalities) -> None:
    """Collect sources of one split each."""
    for split, source in sources.items():
        if not isinstance(split, str) or is_known(split):
            raise UnibindError("a dictionary gives the sources of splits by name; put a row into a list, [row]")
        into.default_split = split
        _collect(source, into, modalities)
    into.default_split = None


def _collect_list(sources: Iterable[Any], into: Collector, modalities: Modalities) -> None:
    for number, source in enumerate(sources, start=1):
        if isinstance(source, str | Path) and not _is_named_otherwise(str(source)):
            _collect_path(source, into, modalities, alone=False)
        elif isinstance(source, Mapping):
            collect_rows([(number, source)], "the list", into.root or Path(), into, modalities)
        else:
            _collect(source, into, modalities)


def _collect_path(source: str | Path, into: Collector, modalities: Modalities, *, alone: bool) -> None:
    if is_url(str(source)) and local_path(str(source)) is None:
        collect_url(str(source), into, modalities)
        return
    path = local_path(str(source)) or Path(source)
    folder, pattern = split_pattern(str(path))
    try:
        check_not_special(path)
    except UnreadableError as error:
        into.set_aside(str(path), None, str(error))
        return
    if path.is_dir():
        collect_folder(path, into, modalities)
    elif pattern and not path.exists() and Path(folder).is_dir():
        collect_folder(Path(folder), into, modalities, pattern)
    elif path.suffix.lower() == TAR:
        collect_archive(path, into, modalities)
    elif _lists_items(path, modalities, alone=alone):
        collect_table(path, into, modalities)
    else:
        if not (path.exists() or has_known_ending(path)):
            raise MissingFileError(f"{path} does not exist; pass a folder, a table of items, or a file")
        collect_file(str(path), into, modalities)


def _collect_standard_input(into: Collector, modalities: Modalities) -> None:
    """Collect the items of a table or list from standard input; paths start from the working directory."""
    with tempfile.TemporaryDirectory(prefix="unibind-") as folder:
        table = Path(folder, "input")
        with table.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        with table.open("rb") as file:
            head = file.read(_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
        kind = next((kind for begin, kind in _BEGINNINGS.items() if head.startswith(begin)), ".csv")
        collect_table(table.rename(table.with_suffix(kind)), into, modalities, source="standard input", folder=Path())


def _lists_items(path: Path, modalities: Modalities, *, alone: bool) -> bool:
    """Whether a file is a table of items rather than an item: some modalities are in text files, too."""
    if not is_table(path):
        return False
    chosen = modalities.of(path, path)
    if path.suffix.lower() in known_endings(chosen) and path.is_file():
        return names_items(path) or (alone and path.suffix.lower() not in known_endings())
    return True


def _check_is_source(source: str | Path, modalities: Modalities) -> None:
    """Raise MissingFileError or UnibindError where a single source is none."""
    if is_url(str(source)):
        return
    path = Path(source)
    check_not_special(path)
    if split_pattern(str(path))[1] and not path.exists():
        return
    if not path.exists():
        raise MissingFileError(f"{path} does not exist; pass a folder, a table of items, or a file")
    ending = path.suffix.lower()
    known = is_table(path) or ending in known_endings() or ending == TAR
    if path.is_file() and not known and modalities.of(path, path) is None:
        raise UnknownNameError(f"table format of {path}:", ending, (*TABLE_ENDINGS, TAR))
