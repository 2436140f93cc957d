"""A knowledge base under construction: a folder whose journals are only ever appended to.

    answers.jsonl         every answer as it came from a model, on disk before it is counted
    edits.jsonl           what a person changed or blocked, by description id
    filters.json          what is filtered out of the answers
    descriptions.parquet  what all of these amount to: what `KnowledgeBase.load` reads
    removed.jsonl         what was filtered out, and why
    embeddings/           cached embeddings of texts

The last two tables are rebuilt whole from the journals. A line without its end, left by a process that was killed
while it wrote, is ignored and overwritten.
"""

from __future__ import annotations

import fcntl
import json
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ..errors import MissingFileError, UnibindError, UnknownNameError
from .base import DESCRIPTIONS, KnowledgeBase, description_id

ANSWERS, EDITS = "answers.jsonl", "edits.jsonl"
QUESTIONS = "questions"  # kind of an answer that holds questions to ask next, no descriptions


def now() -> str:
    """The time as ISO 8601, to the second, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Answer:
    """What a model said to one request: `raw` as it came, `texts` as read from it.

    `key` is the same for the same request, so that none is made twice. `kind` is "category", "data" (of one `item`) or
    "questions". Of a `trusted` answer (a file, a person) nothing but repetitions is filtered out.
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
    """What a person wants of a description: another `text`, or None of it (blocked)."""

    id: str
    text: str | None
    created: str


class Journal:
    """The folder at `path`; made when first written to. One process at a time may write answers."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise UnibindError(f"{self.path} is a file; name a folder for the knowledge base")
        self._answers = AppendOnlyFile(self.path / ANSWERS)
        self._edits = AppendOnlyFile(self.path / EDITS)
        self._ids: set[str] | None = None

    # --- answers ---------------------------------------------------------------------------------------------------

    def append_answer(self, answer: Answer) -> None:
        """Write an answer to disk; when this returns, no kill loses it."""
        self.append_answers([answer])

    def append_answers(self, answers: Iterable[Answer]) -> None:
        """Write several at once, with one wait for the disk. Raises UnibindError while another process writes here."""
        written = list(answers)
        self._answers.append([asdict(answer) for answer in written])
        if self._ids is not None:
            self._ids.update(name for answer in written for name in answer.ids())

    def answers(self) -> Iterator[Answer]:
        """All answers in the order in which they came; raises UnibindError, naming the line, for a broken journal."""
        yield from (_answer(row, self._answers.path) for _, row in self._answers.rows())

    def answers_at(self, places: Sequence[int]) -> Iterator[Answer]:
        """The answers at places that `index` found."""
        yield from (_answer(row, self._answers.path) for row in self._answers.rows_at(places))

    def index(self) -> dict[str, array[int]]:
        """Places of the answers of every category, in order of first appearance: eight bytes an answer."""
        found: dict[str, array[int]] = {}
        for place, row in self._answers.rows():
            found.setdefault(_answer(row, self._answers.path).category, array("q")).append(place)
        return found

    def lock(self) -> None:
        """Take the right to write answers now, before anything is paid for; raises UnibindError as `append_answer`."""
        self._answers.open()

    def close(self) -> None:
        """Let other processes write."""
        self._answers.close()
        self._edits.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- edits -----------------------------------------------------------------------------------------------------

    def edit(self, name: str, text: str) -> None:
        """Give a description another text, for good. Raises UnibindError for no such description or a blank text."""
        self.change({name: text})

    def block(self, *names: str) -> None:
        """Leave descriptions out, for good, until they are edited. Raises UnibindError, and blocks none, where one is
        not there."""
        self.change(dict.fromkeys(names))

    def change(self, texts: Mapping[str, str | None]) -> None:
        """Edit (a text) or block (None) descriptions, id -> text, all of them or, with an UnibindError, none."""
        if self._ids is None:
            self._ids = {known for answer in self.answers() if answer.kind != QUESTIONS for known in answer.ids()}
        for name, text in texts.items():
            if name not in self._ids:
                raise UnibindError(f"{self.path} holds no description {name!r}; `unibind knowledge show` lists the ids")
            if text is not None and not text.strip():
                raise UnibindError(f"the new text of description {name} is blank; block the description instead")
        self._edits.append([asdict(Edit(name, text and text.strip(), now())) for name, text in texts.items()])
        self._edits.close()

    def edits(self) -> dict[str, Edit]:
        """The latest edit of every description that has one, by id."""
        rows = (row for _, row in self._edits.rows())
        try:
            return {row["id"]: Edit(row["id"], row["text"], row["created"]) for row in rows}
        except (KeyError, TypeError) as error:
            raise UnibindError(f"{self._edits.path} has a line without {error}; mend or remove that line") from error

    # --- what they amount to ---------------------------------------------------------------------------------------

    @property
    def table(self) -> Path:
        """Where the descriptions are."""
        return self.path / DESCRIPTIONS

    def build(self) -> KnowledgeBase:
        """Rebuild the descriptions with the filters of the last build, and read them.

        Raises UnibindError where nothing is left. `building.rebuild` has options, and reads nothing into memory.
        """
        from .building import rebuild

        rebuild(self)
        return KnowledgeBase.load(self.path)


class AppendOnlyFile:
    """JSON objects, one a line, only ever appended; a torn last line is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def open(self) -> IO[bytes]:
        """Open for writing, alone: cuts a torn last line off. Raises UnibindError while another process has it open."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = self.path.open("ab+", buffering=0)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                raise UnibindError(f"another process is writing to {self.path}; wait for it or stop it") from None
            os.truncate(file.fileno(), _whole_length(file))
            self._file = file
        return self._file

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Write rows, and wait until they are on disk."""
        file = self.open()
        data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(file.fileno(), data) :]
        os.fsync(file.fileno())

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(place, row) of every whole line; nothing where there is no file."""
        if not self.path.is_file():
            return
        place = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n") and line.strip():
                    yield place, _parsed(line, f"{self.path}, line {number}")
                place += len(line)

    def rows_at(self, places: Sequence[int]) -> Iterator[dict[str, Any]]:
        """The rows at places that `rows` gave."""
        if not len(places):
            return
        with self.path.open("rb") as file:
            for place in places:
                file.seek(place)
                yield _parsed(file.readline(), f"{self.path}, byte {place}")

    def close(self) -> None:
        """Give the right to write back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _whole_length(file: IO[bytes]) -> int:
    """Bytes up to the end of the last whole line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - (1 << 16))
        file.seek(start)
        cut = file.read(end - start).rfind(b"\n")
        if cut >= 0:
            return start + cut + 1
        end = start
    return 0


def _parsed(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnibindError(f"{where} is not JSON ({error}); mend or remove that line") from error
    if not isinstance(row, dict):
        raise UnibindError(f"{where} is not a JSON object; mend or remove that line")
    return row


_FIELDS = {field.name for field in fields(Answer)}
_KINDS = ("category", "data", QUESTIONS)


def _answer(row: Mapping[str, Any], path: Path) -> Answer:
    try:
        answer = Answer(**{name: value for name, value in row.items() if name in _FIELDS})
    except TypeError as error:
        raise UnibindError(f"{path} has a line that is no answer ({error}); mend or remove that line") from error
    if answer.kind not in _KINDS:
        raise UnknownNameError(f"kind of answer in {path}", answer.kind, _KINDS)
    return answer


def existing(path: str | Path) -> Journal:
    """The folder of a base that has been begun; raises MissingFileError where there is none."""
    folder = Journal(path)
    if not (folder.path / ANSWERS).is_file():
        raise MissingFileError(f"there is no knowledge base at {path}; make one with `unibind knowledge generate`")
    return folder
