"""Progress of a category while models describe it, and embedding the answers of all categories in batches.

Both depend only on the answers in their order: replaying the journal restores the state of the run that wrote it.
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
from ..filters import ClassFilter, EmbedTexts, Verdict, accepted
from ..journal import QUESTIONS, Answer, Edit

T = TypeVar("T")

RECENT = 6  # descriptions that later prompts ask the model to differ from


@dataclass
class CategoryProgress:
    """State of a category.

    `kept` counts descriptions; `stale` counts consecutive answers without a new one, `unanswered` consecutive requests
    without an answer. `done` contains the keys of answered requests, `recent` the latest descriptions by modality and
    aspect.
    """

    category: str
    class_filter: ClassFilter
    edits: dict[str, Edit]
    done: set[str] = field(default_factory=set)
    questions: dict[str, Answer] = field(default_factory=dict)
    kept: int = 0
    stale: int = 0
    unanswered: int = 0
    answers: int = 0
    recent: dict[tuple[str | None, str | None], deque[str]] = field(default_factory=dict)

    def filter_plain(self, answer: Answer) -> list[Verdict]:
        """Verdicts on an answer's descriptions before they are embedded."""
        if answer.kind != "category":
            return []
        return self.class_filter.filter_plain(answer.texts, trusted=answer.trusted, pinned=self._pinned(answer))

    def add(self, answer: Answer, verdicts: Sequence[Verdict], vectors: Vectors | None = None) -> int:
        """Count an answer, given the embeddings of its accepted descriptions; returns how many it added."""
        self.done.add(answer.key)
        if answer.kind == QUESTIONS:
            self.questions[answer.key] = answer
            return 0
        if answer.kind != "category":
            return 0
        pinned = self._pinned(answer)
        verdicts = self.class_filter.filter_similar(verdicts, vectors, trusted=answer.trusted, pinned=pinned)
        new = [text for text in accepted(verdicts) if not self._is_blocked(text)]
        self.kept += len(new)
        self.answers += 1
        self.stale = 0 if new else self.stale + 1
        self.recent.setdefault((answer.modality, answer.aspect), deque(maxlen=RECENT)).extend(new)
        return len(new)

    def expected(self, per_request: int) -> float:
        """New descriptions to expect of a request, judging by the answers so far."""
        return max(1.0, self.kept / self.answers) if self.answers else per_request

    def _pinned(self, answer: Answer) -> list[int]:
        return [i for i, name in enumerate(answer.ids()) if name in self.edits] if self.edits else []

    def _is_blocked(self, text: str) -> bool:
        edit = self.edits.get(description_id(self.category, text)) if self.edits else None
        return edit is not None and edit.text is None


class BatchedEmbedder:
    """Adds answers to their categories in order of arrival.

    Answers that are waiting at the same time are embedded together, whatever their category, because a text tower
    embeds a hundred texts much faster than ten times ten.
    """

    def __init__(self, embed: EmbedTexts | None) -> None:
        self._embed = embed
        self._waiting: list[tuple[CategoryProgress, Answer]] = []
        self._next_batch: asyncio.Task[list[int]]
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1)  # one, because embedding uses all cores

    def __enter__(self) -> BatchedEmbedder:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run long work in the embedding thread, so that the event loop keeps receiving answers."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def add(self, progress: CategoryProgress, answer: Answer) -> int:
        """Add an answer to its category; returns how many descriptions it added."""
        if self._embed is None:
            return progress.add(answer, progress.filter_plain(answer))
        position = len(self._waiting)
        self._waiting.append((progress, answer))
        if (
            position == 0
        ):  # the first answer of a batch starts its task, which takes all that wait once the lock is free
            self._next_batch = asyncio.create_task(self._process_batch(self._embed))
        return (await asyncio.shield(self._next_batch))[position]

    async def _process_batch(self, embed: EmbedTexts) -> list[int]:
        async with self._lock:
            batch, self._waiting = self._waiting, []
            return await self.in_thread(partial(_add_together, batch, embed))


def _add_together(batch: Sequence[tuple[CategoryProgress, Answer]], embed: EmbedTexts) -> list[int]:
    verdicts = [progress.filter_plain(answer) for progress, answer in batch]
    fresh = [accepted(each) for each in verdicts]
    ends = np.cumsum([len(texts) for texts in fresh])
    vectors = embed(list(chain(*fresh))) if ends[-1] else np.empty((0, 0), np.float32)
    parts = np.split(vectors, ends[:-1])
    return [
        progress.add(answer, each, part) for (progress, answer), each, part in zip(batch, verdicts, parts, strict=True)
    ]
