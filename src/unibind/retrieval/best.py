"""The best items of one query among many that are offered a block at a time; equal contents are kept once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from .searchable import Row


@dataclass(frozen=True, eq=False)
class Candidate:
    """An item with its compared `vector` [D]; `content` is the SHA-256 of its file, None for what has none."""

    row: Row
    content: str | None
    vector: Float32[np.ndarray, " d"]
    score: float


class Best:
    """The best `count` candidates that were offered, best first, equal ones in the order of their ids.

    Of candidates with the same content and the same start, one is kept: the best, of equal ones the first by id.
    """

    def __init__(self, count: int) -> None:
        self.kept: list[Candidate] = []
        self._count = count

    def offer(
        self, scores: Float32[np.ndarray, " b"], described: Callable[[NDArray[np.intp]], Iterable[Candidate]]
    ) -> None:
        """Keep the best of a block; `described` gives candidates for those of its rows that may be among them."""
        least = self.kept[-1].score if len(self.kept) == self._count else -np.inf
        rows, count = np.flatnonzero(scores >= least), self._count
        while True:
            chosen = rows[scores[rows] >= _nth_largest(scores[rows], count)]
            kept = distinct([*self.kept, *described(chosen)])[: self._count]
            whole = len(chosen) == len(rows)
            if whole or (len(kept) == self._count and kept[-1].score >= scores[chosen].min()):
                self.kept = kept
                return
            count *= 2  # many had the same content


class Known:
    """What was last found, by key, for whoever asks for the rows of hits; at most `MOST` of it."""

    MOST = 10_000

    def __init__(self) -> None:
        self._known: dict[str, Candidate] = {}

    def note(self, candidates: Iterable[Candidate]) -> None:
        """Keep candidates, and forget the oldest ones."""
        self._known |= {candidate.row.key: candidate for candidate in candidates}
        for key in list(self._known)[: -self.MOST]:
            del self._known[key]

    def told(
        self, keys: Sequence[str], width: int, fetch: Callable[[list[str]], Iterable[Candidate]]
    ) -> tuple[list[Row], Float32[np.ndarray, "n d"]]:
        """The rows and the vectors [N, width] of these keys; `fetch` gives candidates for those that are not known."""
        known = {key: self._known[key] for key in keys if key in self._known}
        unknown = [key for key in keys if key not in known]
        if unknown:
            known |= {candidate.row.key: candidate for candidate in fetch(unknown)}
        vectors = np.array([known[key].vector for key in keys], np.float32).reshape(len(keys), width)
        return [known[key].row for key in keys], vectors


def distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates, best first, without those whose content and start one before them has."""
    seen, kept = set[tuple[str, float | None]](), list[Candidate]()
    for one in sorted(candidates, key=lambda one: (-one.score, one.row.id)):
        if one.content is not None:
            content = one.content, one.row.start_s
            if content in seen:
                continue
            seen.add(content)
        kept.append(one)
    return kept


def _nth_largest(scores: Float32[np.ndarray, " b"], n: int) -> float:
    """The n-th largest number; minus infinity where there are not so many."""
    if len(scores) < n:
        return -np.inf
    return float(np.partition(scores, len(scores) - n)[len(scores) - n])
