"""Bringing descriptions from elsewhere into a base, and bases together; who wrote a text, how and when goes along."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..files import write_whole
from .base import Description, description_id
from .building import FILTERS, REMOVED, Built, rebuild, removed_rows, saved_rules
from .filters import MISFIT, NEAR
from .formats import read_descriptions
from .journal import QUESTIONS, Answer, Journal, existing

T = TypeVar("T")

_TEXTS_AN_ANSWER = 500
_ANSWERS_A_WRITE = 256


class Taken(NamedTuple):
    """How many descriptions were new to a base, and how many of its own came back with another text."""

    new: int
    edited: int


def import_descriptions(folder: Journal, descriptions: Iterable[Description]) -> Taken:
    """Write descriptions that the base has not into its journal, as answers of which only repetitions are filtered
    out. `building.rebuild` makes them part of the base.

    A description with the id of one of the base's, under the same category, is that one with the text edited, as
    people do in a spreadsheet.
    """
    there = {name: a.category for a in folder.answers() if a.kind != QUESTIONS for name in a.ids()}
    edits, new, edited = folder.edits(), list[Description](), dict[str, str | None]()
    for description in descriptions:
        name = description_id(description.category, description.text, description.item)
        if name != description.id and there.get(description.id) == description.category:
            if description.id not in edits or edits[description.id].text != description.text:
                edited[description.id] = description.text
        elif name not in there:
            there[name] = description.category
            new.append(description)
    for answers in _groups(_answers(new), _ANSWERS_A_WRITE):
        folder.append_answers(answers)
    if edited:
        folder.change(edited)
    return Taken(len(new), len(edited))


def merge_folders(folder: Journal, sources: Sequence[str | Path]) -> Built:
    """Bring whole bases into `folder` and rebuild it: of a folder its answers, edits and what filters found, of a file
    its descriptions.

    Where two bases edit one description the later edit holds. A base that was new gets the filters of the first folder.
    """
    rules = saved_rules(folder)
    if not (folder.path / FILTERS).is_file():
        rules = next((saved_rules(existing(s)) for s in sources if Path(s).is_dir()), rules)
    for source in sources:
        if Path(source).is_dir():
            _bring(existing(source), folder)
        else:
            import_descriptions(folder, read_descriptions(source))
    return rebuild(folder, rules)


def _answers(descriptions: Sequence[Description]) -> Iterator[Answer]:
    """Neighbors with the same provenance share an answer."""
    for _, alike in groupby(descriptions, key=lambda d: (*astuple(d)[3:], d.category)):
        for group in _groups(alike, _TEXTS_AN_ANSWER):
            first, texts = group[0], [d.text for d in group]
            facts = [first.kind, first.category, first.item, first.prompt_id, first.generator, texts]
            yield Answer(
                hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:20],
                first.kind,
                first.category,
                first.item,
                first.modality,
                first.aspect,
                first.prompt_id or "",
                first.generator or "",
                texts,
                raw="",
                created=first.created or "",
                trusted=True,
            )


def _bring(source: Journal, folder: Journal) -> None:
    keys = {answer.key for answer in folder.answers()}
    for answers in _groups((a for a in source.answers() if a.key not in keys), _ANSWERS_A_WRITE):
        folder.append_answers(answers)
    mine = folder.edits()
    later = {
        name: edit.text
        for name, edit in source.edits().items()
        if name not in mine or (mine[name].text != edit.text and mine[name].created <= edit.created)
    }
    if later:
        folder.change(later)
    # what embeddings showed: a rebuild without them takes it from here
    shown = [row for row in removed_rows(source) if row["reason"] in (NEAR, MISFIT)]
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in [*removed_rows(folder), *shown]]
    write_whole(folder.path / REMOVED, "".join(lines).encode("utf-8", "surrogatepass"))


def _groups(things: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(things)
    return iter(lambda: list(islice(rest, size)), [])
