"""Rows to items: of tables, data frames, and lists of dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from ...errors import UnibindError
from ...modalities import ANCHOR
from ...modalities.reading import has_known_ending
from ...modalities.source import is_url
from ..location import canonical_location
from ..manifest import Item, detected_modality, resolve
from ..tables import BadRow, text_cell
from .collecting import Collector
from .columns import Columns, columns, named_modality
from .modality_choice import Modalities

_KEPT = ("label", "split", "description", "object")
_FACTS = ("id", "modality", *_KEPT)


def collect_rows(
    rows: Iterator[tuple[int, Mapping[str, Any] | BadRow]],
    source: str,
    folder: Path,
    into: Collector,
    modalities: Modalities,
) -> None:
    """Collect the items of numbered rows; relative paths start from `folder`. Rows that are not items are set aside."""
    for number, row in rows:
        try:
            for item in _items(row, folder, modalities):
                into.add(item, source, number)
        except UnibindError as error:
            into.set_aside(source, number, str(error))


def _items(row: Mapping[str, Any] | BadRow, folder: Path, modalities: Modalities) -> list[Item]:
    """The items of a row: one, or one per column of files, which are then records of one object."""
    if isinstance(row, BadRow):
        raise UnibindError(row.reason)
    meant = columns(tuple(row))
    facts = {name: _first_text(row, meant.meanings.get(name, ())) for name in _FACTS}
    text = _first_text(row, meant.meanings.get(ANCHOR, ()))
    files = _files(row, meant)
    if not files:
        return [_text_item(text, facts)]
    facts["description"] = facts["description"] or text
    if len(files) == 1:
        ((written, column_modality),) = files
        place = modalities.of(PurePath(written), resolve(written, folder))
        return [_file_item(written, facts, folder, facts["modality"] or place or column_modality)]
    shared = facts["object"] or facts["id"] or canonical_location(resolve(files[0][0], folder))
    return [
        _file_item(
            written, facts | {"object": shared, "id": facts["id"] and f"{facts['id']}/{modality}"}, folder, modality
        )
        for written, modality in files
    ]


def _file_item(written: str, facts: Mapping[str, str | None], folder: Path, modality: str | None) -> Item:
    uri = resolve(written, folder)
    known = {name: facts[name] for name in _KEPT}
    if modality is None and not has_known_ending(written):
        raise UnibindError(f"no modality has files like {written}; correct its ending, or give the modality")
    kind = named_modality(modality) if modality else detected_modality(str(uri))
    return Item(facts["id"] or canonical_location(uri), kind, uri, **known)


def _text_item(text: str | None, facts: Mapping[str, str | None]) -> Item:
    if text is None:
        raise UnibindError("it has neither a file nor a text")
    known = {name: facts[name] for name in _KEPT}
    kind = named_modality(facts["modality"] or ANCHOR)
    return Item(facts["id"] or canonical_location(None, text), kind, text=text, **known)


def _files(row: Mapping[str, Any], meant: Columns) -> list[tuple[str, str | None]]:
    """The files of a row as they are written, each with the modality that its column is called by."""
    general = _first_text(row, meant.meanings.get("uri", ()))
    if general is not None:
        return [(general, None)]
    of_one = [(text_cell(row[name], name), modality) for name, modality in meant.modalities.items()]
    present = {modality: cell.strip() for cell, modality in of_one if cell is not None}
    if len(present) > 1:  # a score or a name in such a column is no file
        present = {modality: cell for modality, cell in present.items() if is_url(cell) or PurePath(cell).suffix}
    return [(cell, modality) for modality, cell in present.items()]


def _first_text(row: Mapping[str, Any], names: Iterable[str]) -> str | None:
    cells = (text_cell(row[name], name) for name in names)
    return next((cell.strip() for cell in cells if cell is not None), None)
