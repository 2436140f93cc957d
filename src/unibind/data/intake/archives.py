"""Tar archives: shards of WebDataset, whose members of one key are a sample, and plain archives of folders.

`000017.jpg`, `000017.cls`, `000017.txt` and `000017.json` are one sample: a picture, its label, a text about it, and
other facts. A sample with several files has an item for each, records of one object. Members are read in place.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import UnibindError
from ...modalities import ANCHOR
from ...modalities.reading import known_endings
from ...modalities.tar_members import member_uri, members
from ..location import canonical_location
from ..manifest import Item, detected_modality
from ..tables import text_cell
from .collecting import Collector
from .columns import columns
from .folder_names import split_and_label
from .modality_choice import Modalities
from .split_names import known_split

_LABEL, _TEXTS, _FACTS = ".cls", (".txt", ".text", ".caption"), ".json"
_KEPT = ("label", "split", "object", "description")
_MAX_SIDE = 1 << 20  # bytes of a label, text or facts


def collect_archive(
    path: Path, into: Collector, modalities: Modalities, folders: tuple[str, ...] = (), *, url: str | None = None
) -> None:
    """Collect the samples of an archive in these folders of the source; with `url`, `path` is a local copy of it.

    An archive that is damaged is set aside from the damage on, and so is a file that is not an archive.
    """
    archive = _Archive(path, url or str(path))
    found = _whole_part(archive, into)
    for key, group in groupby(found, key=lambda member: _key(member.name)):
        sample = list(group)
        try:
            _collect_sample(archive, key, sample, into, modalities, folders)
        except UnibindError as error:
            into.set_aside(member_uri(archive.name, key), None, str(error))


@dataclass(frozen=True)
class _Archive:
    """The path of an archive on disk, and its name: that path, or the URL that it was fetched from."""

    path: Path
    name: str


def _whole_part(archive: _Archive, into: Collector) -> Iterator[tarfile.TarInfo]:
    try:
        yield from (member for member in members(archive.path) if not _is_hidden(member.name))
    except UnibindError as error:
        into.set_aside(archive.name, None, str(error))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") and part != ".." for part in PurePosixPath(name).parts)


def _key(name: str) -> str:
    """The name of a member up to the first dot of its last part, by which the members of a sample are known."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _collect_sample(
    archive: _Archive,
    key: str,
    sample: list[tarfile.TarInfo],
    into: Collector,
    modalities: Modalities,
    folders: tuple[str, ...],
) -> None:
    names = [member.name for member in sample]
    chosen = {name: modalities.of(PurePosixPath(*folders, name), archive.name) for name in names}
    media = {name: modality for name, modality in chosen.items() if _is_media(name, modality)}
    if not media:  # a text is an item only where there is nothing that it is about
        media = {name: ANCHOR for name in names if _ending(name) in _TEXTS}
    facts: dict[str, Any] = _facts(archive.path, [member for member in sample if member.name not in media])
    split, label = split_and_label((*folders, *PurePosixPath(key).parts[:-1]), ())
    facts = {"label": label, "split": split or _split_of_shard(archive.name), **facts}
    if len(media) > 1:
        facts.setdefault("object", canonical_location(member_uri(archive.name, key)))
    for name, modality in media.items():
        uri = member_uri(archive.name, name)
        into.add(Item(canonical_location(uri), modality or detected_modality(uri), uri, **facts), uri)
    for name in names:
        if name not in media and _ending(name) not in (_LABEL, *_TEXTS, _FACTS):
            into.skip(_ending(name))


def _is_media(name: str, modality: str | None) -> bool:
    return _ending(name) in known_endings(modality) and _ending(name) not in _TEXTS


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _split_of_shard(name: str) -> str | None:
    """The split that the name of a shard tells, such as train of `imagenet-train-000012.tar`."""
    words = re.split(r"[^a-z]+", PurePosixPath(name).stem.lower())
    return next((split for split in map(known_split, words) if split), None)


# --- facts ---------------------------------------------------------------------------------------------------------


def _facts(path: Path, sides: Iterable[tarfile.TarInfo]) -> dict[str, Any]:
    """Label, split, object and description by the members beside the files of a sample."""
    facts: dict[str, str | None] = {}
    for member in sides:
        ending = _ending(member.name)
        if ending == _LABEL:
            facts["label"] = _text(path, member)
        elif ending in _TEXTS:
            facts["description"] = _text(path, member)
        elif ending == _FACTS:
            facts = _json_facts(_text(path, member)) | facts
    return {name: fact for name, fact in facts.items() if fact}


def _text(path: Path, member: tarfile.TarInfo) -> str:
    if member.size > _MAX_SIDE:
        raise UnibindError(f"{member.name} has more than {_MAX_SIDE >> 20} MiB; it cannot be a label or a text")
    with path.open("rb") as file:
        file.seek(member.offset_data)
        return file.read(member.size).decode("utf-8-sig", "replace").strip()


def _json_facts(text: str) -> dict[str, str | None]:
    try:
        row: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnibindError(f"its facts are not JSON ({error})") from error
    if not isinstance(row, dict):
        return {}
    meant = columns(tuple(row)).meanings
    cells = {name: [row[column] for column in meant.get(name, ())] for name in _KEPT}
    return {name: _first_text(values, name) for name, values in cells.items()}


def _first_text(cells: list[Any], name: str) -> str | None:
    texts = (text_cell(cell, name) for cell in cells if isinstance(cell, str | int | float))
    return next((text.strip() for text in texts if text), None)
