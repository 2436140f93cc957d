"""How it stands with a category while models describe it, and the bench that answers come before.

Both are pure functions of the answers in their order: a replay of the journal gives what the run that got them had.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TypeVar

import numpy as np

from ...data.embeddings import Vectors
from ..base import description_id
from ..filters import Embed, Judge, Verdict, passed
from ..journal import QUESTIONS, Answer, Edit

T = TypeVar("T")

SHOWN = 6  # descriptions that a later round is asked to differ from


@dataclass
class CategoryProgress:
    """What is known of a category: descriptions `kept`, and the answers and requests in a row that brought none."""

    category: str
    judge: Judge
    edits: dict[str, Edit]
    done: set[str] = field(default_factory=set)
    questions: dict[str, Answer] = field(default_factory=dict)
    kept: int = 0
    stale: int = 0
    unanswered: int = 0
    answers: int = 0
    recent: dict[tuple[str | None, str | None], deque[str]] = field(default_factory=dict)

    def sift(self, answer: Answer) -> list[Verdict]:
        """What can be said of an answer's descriptions before they are embedded."""
        if answer.kind != "category":
            return []
        return self.judge.sift(answer.texts, trusted=answer.trusted, pinned=self._pinned(answer))

    def take(self, answer: Answer, sifted: Sequence[Verdict], vectors: Vectors | None = None) -> int:
        """Count an answer, with the embeddings of the descriptions that passed; returns how many it added."""
        self.done.add(answer.key)
        if answer.kind == QUESTIONS:
            self.questions[answer.key] = answer
            return 0
        if answer.kind != "category":
            return 0
        verdicts = self.judge.compare(sifted, vectors, trusted=answer.trusted, pinned=self._pinned(answer))
        new = [text for text in passed(verdicts) if not self._blocked(text)]
        self.kept += len(new)
        self.answers += 1
        self.stale = 0 if new else self.stale + 1
        self.recent.setdefault((answer.modality, answer.aspect), deque(maxlen=SHOWN)).extend(new)
        return len(new)

    def _pinned(self, answer: Answer) -> list[int]:
        return [i for i, name in enumerate(answer.ids()) if name in self.edits] if self.edits else []

    def _blocked(self, text: str) -> bool:
        edit = self.edits.get(description_id(self.category, text)) if self.edits else None
        return edit is not None and edit.text is None

    def expected(self, at_once: int) -> float:
        """New descriptions that a request may bring, after those so far."""
        return max(1.0, self.kept / self.answers) if self.answers else at_once


def _judge_together(cases: Sequence[tuple[CategoryProgress, Answer]], embed: Embed) -> list[int]:
    sifted = [state.sift(answer) for state, answer in cases]
    fresh = [passed(verdicts) for verdicts in sifted]
    ends = np.cumsum([len(texts) for texts in fresh])
    vectors = embed(list(chain(*fresh))) if ends[-1] else np.empty((0, 0), np.float32)
    parts = np.split(vectors, ends[:-1])
    return [s.take(answer, verdicts, part) for (s, answer), verdicts, part in zip(cases, sifted, parts, strict=True)]


class BatchedEmbedder:
    """Judges answers in the order they come in. Those that wait at the same moment are embedded together, of whatever
    category they are: a tower reads a hundred texts much faster than ten times ten."""

    def __init__(self, embed: Embed | None) -> None:
        self._embed = embed
        self._waiting: list[tuple[CategoryProgress, Answer]] = []
        self._next: asyncio.Task[list[int]]
        self._seat = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1)  # embedding takes long, and one thread of it takes all cores

    def __enter__(self) -> BatchedEmbedder:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    async def aside(self, work: Callable[[], T]) -> T:
        """Do long work, one after the other, while the server's answers are listened to."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def take(self, state: CategoryProgress, answer: Answer) -> int:
        """Count an answer; returns how many descriptions it added to its category."""
        if self._embed is None:
            return state.take(answer, state.sift(answer))
        place = len(self._waiting)
        self._waiting.append((state, answer))
        if place == 0:  # who comes first calls the next sitting, at which all are heard that wait by then
            self._next = asyncio.create_task(self._sit(self._embed))
        return (await asyncio.shield(self._next))[place]

    async def _sit(self, embed: Embed) -> list[int]:
        async with self._seat:
            cases, self._waiting = self._waiting, []
            return await self.aside(partial(_judge_together, cases, embed))
