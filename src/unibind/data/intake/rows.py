"""Rows to items: of tables, data frames, data sets, and lists of dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from ...errors import UnibindError
from ...modalities import ANCHOR
from ...modalities.reading import has_known_ending
from ...modalities.source import is_url
from ..location import canonical_location
from ..manifest import Item
from ..tables import BadRow, text_cell
from .collecting import Collector
from .columns import columns, named_modality
from .media import Media, media_of
from .modality_choice import Modalities

_KEPT = ("label", "split", "description", "object")
_FACTS = ("id", "modality", *_KEPT)
_Files = list[tuple[Media, str | None]]  # each with the modality that its column tells


def collect_rows(
    rows: Iterable[tuple[int, Mapping[str, Any] | BadRow]],
    source: str,
    folder: Path | str,
    into: Collector,
    modalities: Modalities,
    typed: Mapping[str, str] | None = None,
) -> None:
    """Collect the items of numbered rows; relative paths start from `folder`. Rows that are not items are set aside.

    `typed` are columns of files whose modality is known otherwise than by their names.
    """
    for number, row in rows:
        try:
            for item in _items(row, folder, modalities, typed or {}):
                into.add(item, source, number)
        except UnibindError as error:
            into.set_aside(source, number, str(error))


def _items(
    row: Mapping[str, Any] | BadRow, folder: Path | str, modalities: Modalities, typed: Mapping[str, str]
) -> list[Item]:
    """The items of a row: one, or one per column of files, which are then records of one object."""
    if isinstance(row, BadRow):
        raise UnibindError(row.reason)
    meant = columns(tuple(row)).meanings
    facts = {name: _first_text(row, meant.get(name, ())) for name in _FACTS}
    text = _first_text(row, meant.get(ANCHOR, ()))
    files = _files(row, typed)
    if not files:
        return [_text_item(text, facts)]
    facts["description"] = facts["description"] or text
    if len(files) == 1:
        ((media, column_modality),) = files
        uri = media.uri(folder)
        chosen = facts["modality"] or modalities.of(media.written, uri) or column_modality
        return [_file_item(media, uri, facts, chosen)]
    facts["object"] = facts["object"] or facts["id"] or canonical_location(files[0][0].uri(folder))
    own_id = facts["id"]
    return [
        _file_item(media, media.uri(folder), facts | {"id": own_id and f"{own_id}/{modality}"}, modality)
        for media, modality in files
    ]


def _file_item(media: Media, uri: str, facts: Mapping[str, str | None], modality: str | None) -> Item:
    if modality is None and media.content is None and not has_known_ending(media.written):
        raise UnibindError(f"no modality has files like {media.written}; correct its ending, or give the modality")
    certain = None if media.content is None else media.content.modality
    kind = certain or (media.modality(uri) if modality is None else named_modality(modality))
    known: dict[str, Any] = {name: facts[name] for name in _KEPT}
    return Item(facts["id"] or canonical_location(uri), kind, uri, **known, content=media.content)


def _text_item(text: str | None, facts: Mapping[str, str | None]) -> Item:
    if text is None:
        raise UnibindError("it has neither a file nor a text")
    kind = named_modality(facts["modality"] or ANCHOR)
    known: dict[str, Any] = {name: facts[name] for name in _KEPT}
    return Item(facts["id"] or canonical_location(None, text), kind, text=text, **known)


def _files(row: Mapping[str, Any], typed: Mapping[str, str]) -> _Files:
    """The files of a row, each with the modality that its column tells.

    What is in a cell itself, or in a column that is known to have files, counts before the path in another column.
    """
    known = columns(tuple(row))
    by_modality: dict[str, Media] = {}
    for name, modality in {**typed, **known.modalities}.items():
        media = media_of(row[name], name) if _may_be_media(row[name]) else None
        if media is not None and (modality not in by_modality or _is_better(media, by_modality[modality])):
            by_modality[modality] = media
    if not typed and not any(media.content for media in by_modality.values()):
        general = (media_of(row[name], name) for name in known.meanings.get("uri", ()))
        first = next((media for media in general if media is not None), None)
        if first is not None:
            return [(first, None)]
    if len(by_modality) > 1:  # a name in such a column is not a file
        by_modality = {m: media for m, media in by_modality.items() if media.content or _is_place(media.written)}
    return [(media, modality) for modality, media in by_modality.items()]


def _is_better(media: Media, other: Media) -> bool:
    return media.content is not None and other.content is None


def _may_be_media(cell: Any) -> bool:
    """Whether a cell of a column that is called like a modality can be an item: a number is a measurement."""
    return not isinstance(cell, bool | int | float)


def _is_place(written: str) -> bool:
    return is_url(written) or bool(PurePath(written).suffix)


def _first_text(row: Mapping[str, Any], names: Iterable[str]) -> str | None:
    cells = (text_cell(row[name], name) for name in names)
    return next((cell.strip() for cell in cells if cell is not None), None)
