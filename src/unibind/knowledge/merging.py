"""Importing descriptions into a base and merging bases, with the origin of every text preserved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..files import check_output, write_whole
from .base import Description, description_id
from .building import FILTERS, REMOVED, BuildResult, rebuild, removed_rows, saved_rules
from .filters import MISFIT, NEAR_DUPLICATE
from .journal import BASE, QUESTIONS, Answer, Journal, open_existing
from .opening import read_descriptions

T = TypeVar("T")

_TEXTS_PER_ANSWER = 500
_ANSWERS_PER_WRITE = 256


class ImportCounts(NamedTuple):
    """How many descriptions were new to a base, and how many of its own were imported with another text."""

    new: int
    edited: int


@dataclass(frozen=True)
class ImportResult:
    """Counts of an import: descriptions `read` from the files, `new` ones, `edited` ones, and `descriptions` in the
    base afterwards.
    """

    read: int
    new: int
    edited: int
    descriptions: int


def import_files(
    out: str | Path,
    files: Sequence[str | Path],
    format: str | None = None,
    *,
    generator: str | None = None,
    modality: str | None = None,
    aspect: str | None = None,
) -> ImportResult:
    """Import files into the base in the folder `out`, created or extended; see `opening.read_descriptions`."""
    check_output(out, kind=BASE)
    read = [
        description
        for file in files
        for description in read_descriptions(file, format, generator=generator, modality=modality, aspect=aspect)
    ]
    with Journal(out) as journal:
        counts = import_descriptions(journal, read)
        built = rebuild(journal)
    return ImportResult(len(read), counts.new, counts.edited, built.kept.total())


def import_descriptions(journal: Journal, descriptions: Iterable[Description]) -> ImportCounts:
    """Write descriptions that the base lacks to its journal, as answers of which only repetitions are filtered out.

    A description with the id and category of an existing one but another text is an edit of it, as made in an exported
    spreadsheet. `building.rebuild` makes the descriptions part of the base.
    """
    category_of = {name: a.category for a in journal.answers() if a.kind != QUESTIONS for name in a.ids()}
    edits, new, edited = journal.edits(), list[Description](), dict[str, str | None]()
    for description in descriptions:
        name = description_id(description.category, description.text, description.item)
        if name != description.id and category_of.get(description.id) == description.category:
            if description.id not in edits or edits[description.id].text != description.text:
                edited[description.id] = description.text
        elif name not in category_of:
            category_of[name] = description.category
            new.append(description)
    for answers in _batches(_answers(new), _ANSWERS_PER_WRITE):
        journal.append_answers(answers)
    if edited:
        journal.apply_edits(edited)
    return ImportCounts(len(new), len(edited))


def merge_bases(out: str | Path, sources: Sequence[str | Path]) -> BuildResult:
    """Merge bases into the one in the folder `out`, and rebuild it.

    A folder contributes its answers, its edits and the results of its filters; a file its descriptions. Where two bases
    edit the same description, the later edit applies. A new base takes the filter rules of the first folder.
    """
    check_output(out, kind=BASE)
    with Journal(out) as journal:
        rules = saved_rules(journal)
        if not (journal.path / FILTERS).is_file():
            rules = next((saved_rules(open_existing(s)) for s in sources if Path(s).is_dir()), rules)
        for source in sources:
            if Path(source).is_dir():
                _copy_base(open_existing(source), journal)
            else:
                import_descriptions(journal, read_descriptions(source))
        return rebuild(journal, rules)


def _answers(descriptions: Sequence[Description]) -> Iterator[Answer]:
    """Adjacent descriptions of the same origin share an answer."""
    for _, same_origin in groupby(descriptions, key=lambda d: (*astuple(d)[3:], d.category)):
        for batch in _batches(same_origin, _TEXTS_PER_ANSWER):
            yield _imported_answer(batch)


def _imported_answer(descriptions: Sequence[Description]) -> Answer:
    first, texts = descriptions[0], [d.text for d in descriptions]
    identity = [first.kind, first.category, first.item, first.prompt_id, first.generator, texts]
    return Answer(
        hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:20],
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


def _copy_base(source: Journal, target: Journal) -> None:
    keys = {answer.key for answer in target.answers()}
    for answers in _batches((a for a in source.answers() if a.key not in keys), _ANSWERS_PER_WRITE):
        target.append_answers(answers)
    existing = target.edits()
    later = {
        name: edit.text
        for name, edit in source.edits().items()
        if name not in existing or (existing[name].text != edit.text and existing[name].created <= edit.created)
    }
    if later:
        target.apply_edits(later)
    # a rebuild without embeddings reads the results of earlier comparisons from this file
    compared = [row for row in removed_rows(source) if row["reason"] in (NEAR_DUPLICATE, MISFIT)]
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in [*removed_rows(target), *compared]]
    write_whole(target.path / REMOVED, "".join(lines).encode("utf-8", "surrogatepass"))


def _batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(values)
    return iter(lambda: list(islice(iterator, size)), [])
