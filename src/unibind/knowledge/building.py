"""Building the descriptions of a base from its journals, one class at a time so that memory stays small."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..data.stored_text import stored
from ..disk_errors import writing
from ..files import scratch, sync, sync_folder, write_whole
from ..json_files import COUNT, FLAG, NUMBER, TEXT, check_fields, optional, parse_json, read_json
from .base import COLUMNS, Description
from .filters import (
    BLOCKED,
    MISFIT,
    NEAR_DUPLICATE,
    REPEATED,
    ClassFilter,
    EmbedTexts,
    FilterRules,
    Verdict,
    nearest_classes,
    rejection_reason,
)
from .journal import QUESTIONS, Answer, Edit, Journal

REMOVED, FILTERS = "removed.jsonl", "filters.json"
_ROW_GROUP = 4096
_RULES = {
    "min_words": COUNT,
    "max_words": COUNT,
    "language": TEXT,
    "max_similarity": optional(NUMBER),
    "drop_misfits": FLAG,
}
_REMOVED_ROW = {"id": TEXT, "category": TEXT, "text": TEXT, "reason": TEXT, "conflict": optional(TEXT)}
_REBUILD = "remove the file and build the base again"


@dataclass
class BuildResult:
    """Counts of a rebuild: descriptions kept by category, removed by reason, and misfits by category (texts that fit
    another class better, kept or not).
    """

    kept: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    misfits: Counter[str] = field(default_factory=Counter)


def rebuild(
    journal: Journal,
    rules: FilterRules | None = None,
    embed: EmbedTexts | None = None,
    *,
    progress: Callable[[int], None] | None = None,
) -> BuildResult:
    """Rewrite descriptions.parquet and removed.jsonl from all answers and edits.

    `rules` default to those of the last build. `embed` is used to find near duplicates and misfits; without it, the
    results of the last build that used one apply. Edited texts are kept whatever the rules say; blocked ones are
    removed. `progress` is called with the number of answers just read.
    """
    rules = rules or saved_rules(journal)
    result, edits = BuildResult(), journal.edits()
    earlier = {} if embed else earlier_verdicts(journal, rules)
    with (
        writing(journal.path),
        _Spool(journal.path, embed is not None) as spool,
        _open_tables(journal) as (table, removed),
    ):
        for category, offsets in journal.index().items():
            class_filter = ClassFilter(rules, embed, earlier.get(category))
            _filter_category(category, journal.answers_at(offsets), class_filter, edits, spool)
            if progress is not None:
                progress(len(offsets))
        for description, verdict, better_class in spool.rows():
            edit = edits.get(description.id)
            better_class = None if edit is not None else better_class
            result.misfits[description.category] += better_class is not None or verdict.reason == MISFIT
            final = _final_verdict(verdict, better_class, edit, rules)
            if final.reason is None:
                result.kept[description.category] += 1
                table.add(asdict(replace(description, text=final.text)))
            else:
                result.removed[final.reason] += 1
                row = asdict(description) | {"reason": final.reason, "conflict": final.conflict}
                removed.write(json.dumps(row, ensure_ascii=False) + "\n")
    write_whole(journal.path / FILTERS, json.dumps(asdict(rules), indent=1) + "\n")
    return result


def saved_rules(journal: Journal) -> FilterRules:
    """The rules of the last build, or the default ones."""
    path = journal.path / FILTERS
    if not path.is_file():
        return FilterRules()
    fix = "remove it to use the default filters"
    return FilterRules(**check_fields(read_json(path, fix), _RULES, str(path), fix, defaults=_RULES))


def earlier_verdicts(journal: Journal, rules: FilterRules) -> dict[str, dict[str, Verdict]]:
    """What the last comparison of embeddings removed, as far as the rules still ask for it: category -> text ->
    verdict.
    """
    reasons = {NEAR_DUPLICATE} if rules.max_similarity is not None else set()
    reasons |= {MISFIT} if rules.drop_misfits else set()
    verdicts: dict[str, dict[str, Verdict]] = {}
    for row in removed_rows(journal):
        if row["reason"] in reasons:
            verdict = Verdict(row["text"], row["reason"], row["conflict"])
            verdicts.setdefault(row["category"], {})[row["text"]] = verdict
    return verdicts


def removed_rows(journal: Journal) -> Iterator[dict[str, Any]]:
    """What the last build removed: the columns of a description, `reason`, and `conflict` (see Verdict)."""
    path = journal.path / REMOVED
    if path.is_file():
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                where = f"{path}, line {number}"
                yield check_fields(parse_json(line, where, _REBUILD), _REMOVED_ROW, where, _REBUILD, open=True)


# --- one class -----------------------------------------------------------------------------------------------------


def verdicts_on(answer: Answer, ids: list[str], class_filter: ClassFilter, edits: Mapping[str, Edit]) -> list[Verdict]:
    """Verdicts on an answer's texts. Descriptions of items may repeat each other, because items may look alike."""
    pinned = [i for i, name in enumerate(ids) if name in edits]
    if answer.kind == "category":
        return class_filter.filter(answer.texts, trusted=answer.trusted, pinned=pinned)
    any_length = FilterRules(1, 10_000, class_filter.rules.language)  # their length is checked when they are made
    return [
        Verdict(text, None if answer.trusted or i in pinned else rejection_reason(text, any_length))
        for i, text in enumerate(answer.texts)
    ]


def _filter_category(
    category: str,
    answers: Iterator[Answer],
    class_filter: ClassFilter,
    edits: Mapping[str, Edit],
    spool: _Spool,
) -> None:
    ids_so_far = set[str]()
    for answer in answers:
        if answer.kind == QUESTIONS:
            continue
        ids = answer.ids()
        for name, verdict in zip(ids, verdicts_on(answer, ids, class_filter, edits), strict=True):
            if name in ids_so_far and verdict.reason is None:  # the same text of the same item
                verdict = Verdict(verdict.text, REPEATED, verdict.text)
            ids_so_far.add(name)
            spool.add(_description(name, category, verdict.text, answer), verdict)
    spool.end_category(category, class_filter)


def _description(name: str, category: str, text: str, answer: Answer) -> Description:
    return Description(
        name,
        category,
        text,
        answer.kind,
        answer.item,
        answer.aspect,
        answer.modality,
        answer.model,
        answer.prompt_id,
        answer.created or None,
    )


def _final_verdict(verdict: Verdict, better_class: str | None, edit: Edit | None, rules: FilterRules) -> Verdict:
    if better_class is not None and rules.drop_misfits:
        return Verdict(verdict.text, MISFIT, better_class)
    if verdict.reason is not None or edit is None:
        return verdict
    return Verdict(verdict.text, BLOCKED) if edit.text is None else Verdict(edit.text)


# --- all classes: rows and vectors wait on disk until the mean of every class is known -------------------------------


class _Spool:
    """Temporary files with the rows of all classes, and the vectors of the texts that were embedded and are not near
    duplicates.
    """

    def __init__(self, folder: Path, embedded: bool) -> None:
        self._rows = tempfile.TemporaryFile("w+", dir=folder, encoding="utf-8", errors="surrogatepass")  # noqa: SIM115
        self._vectors = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._embedded = embedded
        self._sums: list[np.ndarray] = []
        self._counts: list[int] = []
        self._categories: list[str] = []

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        self._vectors.close()

    def add(self, description: Description, verdict: Verdict) -> None:
        row = [asdict(description), verdict.reason, verdict.conflict]
        self._rows.write(json.dumps(row, ensure_ascii=True) + "\n")

    def end_category(self, category: str, class_filter: ClassFilter) -> None:
        self._rows.write("\n")
        self._categories.append(category)
        self._counts.append(len(class_filter.vectors))
        if self._embedded:
            self._vectors.write(class_filter.vectors.astype("<f4").tobytes())
            self._sums.append(class_filter.vectors.sum(axis=0, dtype=np.float64))

    def rows(self) -> Iterator[tuple[Description, Verdict, str | None]]:
        """(description, verdict, the class that it fits better than its own, if any) of all rows."""
        self._rows.seek(0)
        for own, nearest in enumerate(self._nearest_classes()):
            while (line := self._rows.readline()) != "\n":
                columns, reason, conflict = json.loads(line)
                description = Description(**columns)
                embedded = description.kind == "category" and reason is None
                best = next(nearest, own) if embedded else own
                better_class = None if best == own else self._categories[best]
                yield description, Verdict(description.text, reason, conflict), better_class

    def _nearest_classes(self) -> Iterator[Iterator[int]]:
        """For every class, the nearest class of each of its vectors; nothing where no texts were embedded."""
        self._vectors.seek(0)
        dim = max((len(s) for s in self._sums), default=0)
        sums = np.array([s if len(s) else np.zeros(dim) for s in self._sums], np.float32)  # [C, D]
        counts = np.array(self._counts)
        for own, count in enumerate(self._counts):
            if not dim:
                yield iter(())
                continue
            vectors = np.frombuffer(self._vectors.read(4 * dim * count), "<f4").reshape(-1, dim)
            yield iter(nearest_classes(vectors, own, sums, counts).tolist())


# --- the two tables, moved into place when complete -----------------------------------------------------------------


class _Table:
    """Writes rows to Parquet in row groups."""

    def __init__(self, path: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        self._pyarrow = pyarrow
        self._schema = pyarrow.schema([(name, pyarrow.string()) for name in COLUMNS])
        self._writer = parquet.ParquetWriter(path, self._schema)
        self._pending: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        self._pending.append(row)
        if len(self._pending) == _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        with suppress(Exception):  # what ended the build is the error to show
            self._writer.close()

    def _flush(self) -> None:
        if self._pending:
            rows = [{name: stored(cell) for name, cell in row.items()} for row in self._pending]
            self._writer.write_table(self._pyarrow.Table.from_pylist(rows, self._schema))
            self._pending = []


@contextmanager
def _open_tables(journal: Journal) -> Iterator[tuple[_Table, IO[str]]]:
    """The two tables, written to temporary files and moved into place when the block ends without an error."""
    with scratch(journal.path) as temporary:
        descriptions_file, removed_file = temporary / journal.table.name, temporary / REMOVED
        table = _Table(descriptions_file)
        try:
            with removed_file.open("w", encoding="utf-8", errors="surrogatepass") as removed:
                yield table, removed
            table.close()
        except BaseException:
            table.abandon()
            raise
        for path in (removed_file, descriptions_file):
            sync(path)
        for path in (removed_file, descriptions_file):
            path.replace(journal.path / path.name)
        sync_folder(journal.path)
