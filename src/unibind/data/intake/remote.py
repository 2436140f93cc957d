"""Sources behind URLs of any protocol that fsspec knows: folders, patterns, tables, shards, single files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from ...errors import UnibindError
from ...modalities.archive_copies import local_archive
from ...modalities.fetching import copy_to, patiently
from ...modalities.reading import known_endings
from ...modalities.source import CHAIN, ending_of
from ...modalities.tar_members import TAR
from ..location import canonical_location
from ..manifest import Item, detected_modality
from ..tables import TABLE_ENDINGS
from .archives import collect_archive
from .collecting import Collector
from .folder_names import split_and_label
from .modality_choice import Modalities
from .patterns import matches, split_pattern
from .table_files import collect_table

_PAGES = ("http", "https")  # whose addresses have question marks


def collect_url(url: str, into: Collector, modalities: Modalities) -> None:
    """Collect the items of a folder, a pattern of paths, a table or a file behind a URL.

    Raises MissingFileError or UnreadableError if a folder or table cannot be fetched.
    """
    base, pattern = (url, ()) if urlsplit(url).scheme in _PAGES else split_pattern(url)
    ending = ending_of(url)
    if pattern or url.endswith("/"):
        _collect_folder(base, pattern, into, modalities)
    elif ending in TABLE_ENDINGS and ending not in known_endings(modalities.of(url, url)):
        with _copy(url, ending) as table:
            collect_table(table, into, modalities, source=url, folder=url.rpartition("/")[0] + "/")
    elif ending == TAR:
        collect_archive(local_archive(url), into, modalities, url=url)
    elif ending in known_endings(modalities.of(url, url)) or not patiently(url, partial(_is_folder, url)):
        collect_file(url, into, modalities)
    else:
        _collect_folder(url, (), into, modalities)


def collect_file(uri: str, into: Collector, modalities: Modalities) -> None:
    """Collect a single file, or set it aside where its modality is not known."""
    try:
        modality = modalities.of(uri, uri) or detected_modality(uri)
    except UnibindError as error:
        into.set_aside(uri, None, str(error))
    else:
        into.add(Item(canonical_location(uri), modality, uri), uri)


def _collect_folder(url: str, pattern: tuple[str, ...], into: Collector, modalities: Modalities) -> None:
    for file, place in _files(url):
        if pattern and not matches(place.parts, pattern):
            continue
        chosen, ending = modalities.of(place, file), place.suffix.lower()
        if ending == TAR:
            collect_archive(local_archive(file), into, modalities, place.parts[:-1], url=file)
            continue
        if ending not in known_endings(chosen):
            into.skip(ending)
            continue
        try:
            modality = chosen or detected_modality(file)
        except UnibindError as error:
            into.set_aside(file, None, str(error))
            continue
        split, label = split_and_label(place.parts[:-1], ())
        into.add(Item(canonical_location(file), modality, file, label=label, split=split), file)


def _files(url: str) -> Iterator[tuple[str, PurePosixPath]]:
    """The URLs of the visible files below a folder by name, each with its path within the folder."""
    system, root = patiently(url, partial(_file_system, url))
    _, link, chained = url.partition(CHAIN)
    folders = [root]
    while folders:
        folder = folders.pop()
        entries = patiently(url, partial(system.ls, folder, detail=True))
        known = {str(entry["name"]).rstrip("/"): entry["type"] for entry in entries}
        visible = sorted(name for name in known if name.strip("/") != folder.strip("/") and not _is_hidden(name))
        folders += (name for name in reversed(visible) if known[name] == "directory")
        for name in (name for name in visible if known[name] == "file"):
            within = PurePosixPath(name.strip("/")).relative_to(root.strip("/"))
            yield f"{system.unstrip_protocol(name)}{link}{chained}", within


def _is_hidden(path: str) -> bool:
    return path.rpartition("/")[2].startswith(".")


def _is_folder(url: str) -> bool:
    system, path = _file_system(url)
    return bool(system.isdir(path))


def _file_system(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    system, path = url_to_fs(url)
    return system, str(path)


@contextmanager
def _copy(url: str, ending: str) -> Iterator[Path]:
    """A local copy that exists within the block."""
    with tempfile.TemporaryDirectory(prefix="unibind-") as folder:
        path = Path(folder, f"table{ending}")

        def fetch() -> None:
            with path.open("wb") as file:
                copy_to(url, file)

        patiently(url, fetch)
        yield path
