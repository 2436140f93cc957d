"""From the journals of a knowledge base to its descriptions, class by class, so that memory stays small."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import UnibindError
from ..files import write_whole
from .base import COLUMNS, Description
from .filters import BLOCKED, MISFIT, NEAR, REPEATED, Embed, Judge, Rules, Verdict, better_fits, fault
from .journal import QUESTIONS, Answer, Edit, Journal

REMOVED, FILTERS = "removed.jsonl", "filters.json"
_ROW_GROUP = 4096


@dataclass
class Built:
    """What a rebuild found: descriptions kept by category, how many were removed by reason, and how many of each
    category fit another one better, kept or not."""

    kept: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    misfits: Counter[str] = field(default_factory=Counter)


def rebuild(
    folder: Journal,
    rules: Rules | None = None,
    embed: Embed | None = None,
    *,
    progress: Callable[[int], None] | None = None,
) -> Built:
    """Write descriptions.parquet and removed.jsonl anew from all answers and edits.

    `rules` default to those of the last build. Near duplicates and texts that fit another class better are found by
    `embed`; without it, the findings of the last build with it stand. What a person edited stays whatever the rules
    say; what was blocked goes. `progress` is called with the number of answers just read.
    """
    rules = rules or saved_rules(folder)
    built, edits, known = Built(), folder.edits(), {} if embed else known_verdicts(folder, rules)
    with _Spool(folder.path, embed is not None) as spool, _tables(folder) as (table, removed):
        for category, places in folder.index().items():
            _judge(category, folder.answers_at(places), Judge(rules, embed, known.get(category)), edits, spool)
            if progress is not None:
                progress(len(places))
        for description, verdict, better in spool.rows(edits):
            built.misfits[description.category] += better is not None or verdict.reason == MISFIT
            if better is not None and rules.drop_misfits:
                verdict = Verdict(verdict.text, MISFIT, better)
            edit = edits.get(description.id) if verdict.reason is None else None
            if edit is not None:
                verdict = Verdict(verdict.text, BLOCKED if edit.text is None else None)
            if verdict.reason is None:
                built.kept[description.category] += 1
                table.add(asdict(description) | {"text": verdict.text if edit is None else edit.text})
            else:
                built.removed[verdict.reason] += 1
                row = asdict(description) | {"reason": verdict.reason, "like": verdict.like}
                removed.write(json.dumps(row, ensure_ascii=False) + "\n")
    write_whole(folder.path / FILTERS, json.dumps(asdict(rules), indent=1) + "\n")
    return built


def saved_rules(folder: Journal) -> Rules:
    """The rules of the last build, else the default ones."""
    path = folder.path / FILTERS
    if not path.is_file():
        return Rules()
    try:
        return Rules(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise UnibindError(f"{path} holds no filters ({error}); remove it to have the default ones") from error


def known_verdicts(folder: Journal, rules: Rules) -> dict[str, dict[str, Verdict]]:
    """What the last look at embeddings found and the rules still ask for: category -> text -> verdict."""
    asked = {NEAR} if rules.near is not None else set()
    asked |= {MISFIT} if rules.drop_misfits else set()
    found: dict[str, dict[str, Verdict]] = {}
    for row in removed_rows(folder):
        if row["reason"] in asked:
            verdict = Verdict(row["text"], row["reason"], row["like"])
            found.setdefault(row["category"], {})[row["text"]] = verdict
    return found


def removed_rows(folder: Journal) -> Iterator[dict[str, Any]]:
    """What the last build left out: the columns of a description, `reason`, and `like`: what a text repeats, or the
    class it fits better."""
    path = folder.path / REMOVED
    if path.is_file():
        with path.open(encoding="utf-8", errors="surrogatepass") as file:
            yield from (json.loads(line) for line in file)


# --- one class -----------------------------------------------------------------------------------------------------


def _judge(category: str, answers: Iterator[Answer], judge: Judge, edits: Mapping[str, Edit], spool: _Spool) -> None:
    there = set[str]()
    for answer in answers:
        if answer.kind == QUESTIONS:
            continue
        ids = answer.ids()
        for name, verdict in zip(ids, verdicts_of(answer, ids, judge, edits), strict=True):
            if name in there and verdict.reason is None:  # the very same text of the same item
                verdict = Verdict(verdict.text, REPEATED, verdict.text)
            there.add(name)
            description = Description(
                name,
                category,
                verdict.text,
                answer.kind,
                answer.item,
                answer.aspect,
                answer.modality,
                answer.model,
                answer.prompt_id,
                answer.created or None,
            )
            spool.add(description, verdict)
    spool.end_category(category, judge)


def verdicts_of(answer: Answer, ids: list[str], judge: Judge, edits: Mapping[str, Edit]) -> list[Verdict]:
    """What becomes of an answer's texts. Descriptions of items may repeat one another: alike items are alike."""
    pinned = [i for i, name in enumerate(ids) if name in edits]
    if answer.kind == "category":
        return judge.judge(answer.texts, trusted=answer.trusted, pinned=pinned)
    unlimited = Rules(1, 10_000, judge.rules.language)  # whoever describes items sees to their length
    return [
        Verdict(text, None if answer.trusted or i in pinned else fault(text, unlimited))
        for i, text in enumerate(answer.texts)
    ]


# --- all classes: rows and vectors wait on disk until every class's mean is known -----------------------------------


class _Spool:
    """Rows of all classes, and the vectors of those that were embedded and are no near duplicates, in temporary files
    of the folder."""

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
        row = [asdict(description), verdict.reason, verdict.like]
        self._rows.write(json.dumps(row, ensure_ascii=True) + "\n")

    def end_category(self, category: str, judge: Judge) -> None:
        self._rows.write("\n")
        self._categories.append(category)
        self._counts.append(len(judge.vectors))
        if self._embedded:
            self._vectors.write(judge.vectors.astype("<f4").tobytes())
            self._sums.append(judge.vectors.sum(axis=0, dtype=np.float64))

    def rows(self, edits: Mapping[str, Edit]) -> Iterator[tuple[Description, Verdict, str | None]]:
        """(description, verdict, class that it fits better) of all rows."""
        self._rows.seek(0)
        self._vectors.seek(0)
        width = max((len(s) for s in self._sums), default=0)
        sums = np.array([s if len(s) else np.zeros(width) for s in self._sums], np.float32)  # [C, D]
        counts = np.array(self._counts)
        for own in range(len(self._categories)):
            better: Iterator[int] = iter(())
            if width:
                data = self._vectors.read(4 * width * self._counts[own])
                vectors = np.frombuffer(data, "<f4").reshape(-1, width)
                better = iter(better_fits(vectors, own, sums, counts).tolist())
            while (line := self._rows.readline()) != "\n":
                facts, reason, like = json.loads(line)
                description = Description(**facts)
                fits = own
                if description.kind == "category" and reason is None:
                    fits = next(better, own)
                yield (
                    description,
                    Verdict(description.text, reason, like),
                    (None if fits == own or description.id in edits else self._categories[fits]),
                )


# --- tables, put in place when whole -------------------------------------------------------------------------------


class _Table:
    """Rows to Parquet, a few thousand at a time."""

    def __init__(self, path: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        self._pyarrow = pyarrow
        self._schema = pyarrow.schema([(name, pyarrow.string()) for name in COLUMNS])
        self._writer = parquet.ParquetWriter(path, self._schema)
        self._waiting: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        self._waiting.append(row)
        if len(self._waiting) == _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(self._pyarrow.Table.from_pylist(self._waiting, self._schema))
            self._waiting = []


@contextmanager
def _tables(folder: Journal) -> Iterator[tuple[_Table, IO[str]]]:
    """The two tables, written beside their places and put there together when the block ends well."""
    with tempfile.TemporaryDirectory(dir=folder.path, prefix=".building-") as beside:
        first, second = Path(beside) / folder.table.name, Path(beside) / REMOVED
        table = _Table(first)
        with second.open("w", encoding="utf-8", errors="surrogatepass") as removed:
            yield table, removed
        table.close()
        for path in (second, first):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.replace(folder.path / path.name)
