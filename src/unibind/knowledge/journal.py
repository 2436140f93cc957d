"""The folder of a knowledge base under construction, whose journals are only ever appended to.

    answers.jsonl         every answer of a model as it arrived, on disk before it is counted
    edits.jsonl           what a person edited or blocked, by description id
    filters.json          the filter rules of the last build
    descriptions.parquet  the resulting descriptions, which `KnowledgeBase.load` reads
    removed.jsonl         the texts that were filtered out, and why
    embeddings/           cached embeddings of the texts

`building.rebuild` makes the two tables from the journals.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import MissingFileError, UnibindError
from ..files import OutputKind
from ..json_files import COUNT, FLAG, TEXT, check_fields, list_of, one_of, optional
from .append_only_file import AppendOnlyFile
from .base import DESCRIPTIONS, KINDS, description_id

ANSWERS, EDITS = "answers.jsonl", "edits.jsonl"
BASE = OutputKind("a knowledge base", marks=(ANSWERS, EDITS, DESCRIPTIONS), resumable=True)
QUESTIONS = "questions"  # kind of an answer that contains questions to ask next instead of descriptions


def now() -> str:
    """The current time as ISO 8601, to the second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Answer:
    """What a model answered to one request: `raw` as it arrived, `texts` as parsed from it.

    Equal requests have equal `key`s, so that no request is made twice. `kind` is the kind of the descriptions
    ("category", "data" of one `item`, ...) or "questions". Of a `trusted` answer (from a file or a person) only
    repetitions are filtered out.
    """

    key: str
    kind: str
    category: str
    item: str | None
    modality: str | None
    aspect: str | None
    prompt_id: str
    model: str
    texts: list[str]
    raw: str
    input_tokens: int = 0
    output_tokens: int = 0
    created: str = ""
    trusted: bool = False

    def ids(self) -> list[str]:
        """Ids of the descriptions that the texts become."""
        return [description_id(self.category, text, self.item) for text in self.texts]


@dataclass(frozen=True)
class Edit:
    """A person's change to a description: a new `text`, or None to block it."""

    id: str
    text: str | None
    created: str


class Journal:
    """The journals in the folder `path`, created on the first write. Only one process at a time may write answers."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise UnibindError(f"{self.path} is a file; pass a folder for the knowledge base")
        self._answers = AppendOnlyFile(self.path / ANSWERS)
        self._edits = AppendOnlyFile(self.path / EDITS)
        self._description_ids: set[str] | None = None  # read when first needed

    @property
    def table(self) -> Path:
        """Path of the table of descriptions."""
        return self.path / DESCRIPTIONS

    # --- answers ---------------------------------------------------------------------------------------------------

    def append_answer(self, answer: Answer) -> None:
        """Write an answer to disk; once this returns, no kill loses it."""
        self.append_answers([answer])

    def append_answers(self, answers: Iterable[Answer]) -> None:
        """Write several answers with one disk sync. Raises UnibindError while another process writes here."""
        written = list(answers)
        self._answers.append([asdict(answer) for answer in written])
        if self._description_ids is not None:
            self._description_ids.update(name for answer in written for name in answer.ids())

    def answers(self) -> Iterator[Answer]:
        """All answers in order of arrival; raises UnibindError, naming the line, for a damaged journal."""
        yield from (_parse_answer(row, self._answers.path) for _, row in self._answers.rows())

    def answers_at(self, offsets: Sequence[int]) -> Iterator[Answer]:
        """The answers at byte offsets that `index` returned."""
        yield from (_parse_answer(row, self._answers.path) for row in self._answers.rows_at(offsets))

    def index(self) -> dict[str, array[int]]:
        """Category -> byte offsets of its answers, in order of first appearance; takes 8 bytes per answer."""
        offsets: dict[str, array[int]] = {}
        for offset, row in self._answers.rows():
            offsets.setdefault(_parse_answer(row, self._answers.path).category, array("q")).append(offset)
        return offsets

    def lock(self) -> None:
        """Lock the journal for writing before anything is paid for; raises UnibindError as `append_answers` does."""
        self._answers.open()

    def close(self) -> None:
        """Release the locks."""
        self._answers.close()
        self._edits.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- edits -----------------------------------------------------------------------------------------------------

    def edit(self, name: str, text: str) -> None:
        """Replace the text of a description permanently. Raises UnibindError for an unknown id or a blank text."""
        self.apply_edits({name: text})

    def block(self, *names: str) -> None:
        """Leave descriptions out until they are edited. Raises UnibindError, blocking none, if an id is unknown."""
        self.apply_edits(dict.fromkeys(names))

    def apply_edits(self, texts: Mapping[str, str | None]) -> None:
        """Edit (text) or block (None) descriptions by id: all of them or, raising UnibindError, none."""
        known = self._known_ids()
        for name, text in texts.items():
            if name not in known:
                raise UnibindError(f"{self.path} has no description {name!r}; `unibind knowledge show` lists the ids")
            if text is not None and not text.strip():
                raise UnibindError(f"the text for {name!r} is blank; block the description instead")
        created = now()
        self._edits.append([asdict(Edit(name, text and text.strip(), created)) for name, text in texts.items()])
        self._edits.close()

    def edits(self) -> dict[str, Edit]:
        """The latest edit of every edited description, by id."""
        where = f"an edit in {self._edits.path}"
        rows = (check_fields(row, _EDIT_FIELDS, where, _FIX, open=True) for _, row in self._edits.rows())
        return {row["id"]: Edit(row["id"], row["text"], row["created"]) for row in rows}

    def _known_ids(self) -> set[str]:
        if self._description_ids is None:
            described = (answer for answer in self.answers() if answer.kind != QUESTIONS)
            self._description_ids = {name for answer in described for name in answer.ids()}
        return self._description_ids


_FIX = "fix or remove that line"
_EDIT_FIELDS = {"id": TEXT, "text": optional(TEXT), "created": TEXT}
_ANSWER_FIELDS = {
    "key": TEXT,
    "kind": one_of((*KINDS, QUESTIONS)),
    "category": TEXT,
    "item": optional(TEXT),
    "modality": optional(TEXT),
    "aspect": optional(TEXT),
    "prompt_id": TEXT,
    "model": TEXT,
    "texts": list_of(TEXT),
    "raw": TEXT,
    "input_tokens": COUNT,
    "output_tokens": COUNT,
    "created": TEXT,
    "trusted": FLAG,
}
_ANSWER_DEFAULTS = ("input_tokens", "output_tokens", "created", "trusted")


def _parse_answer(row: Mapping[str, Any], path: Path) -> Answer:
    facts = check_fields(row, _ANSWER_FIELDS, f"an answer in {path}", _FIX, defaults=_ANSWER_DEFAULTS, open=True)
    return Answer(**{name: value for name, value in facts.items() if name in _ANSWER_FIELDS})


def open_existing(path: str | Path) -> Journal:
    """The journal of an existing base; raises MissingFileError where `path` contains none."""
    journal = Journal(path)
    if not (journal.path / ANSWERS).is_file():
        raise MissingFileError(f"no knowledge base found at {path}; make one with `unibind knowledge generate`")
    return journal
