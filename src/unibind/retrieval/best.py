"""The best items of one query among many that are offered a block at a time, and what is known of what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from .searchable import Ranking, Row


@dataclass(frozen=True, eq=False)
class Candidate:
    """An item with its compared `vector` [D], and its score."""

    row: Row
    vector: Float32[np.ndarray, " d"]
    score: float


class Best:
    """The best `count` candidates that were offered, best first, equal ones in the order of their ids."""

    def __init__(self, count: int) -> None:
        self.kept: list[Candidate] = []
        self._count = count

    def offer(
        self, scores: Float32[np.ndarray, " b"], described: Callable[[NDArray[np.intp]], Iterable[Candidate]]
    ) -> None:
        """Keep the best of a block; `described` gives candidates for those of its rows that may be among them."""
        least = self.kept[-1].score if len(self.kept) == self._count else -np.inf
        rows = np.flatnonzero(scores >= max(least, _nth_largest(scores, self._count)))
        if len(rows):
            self.kept = ordered([*self.kept, *described(rows)])[: self._count]


def ordered(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates, best first, equal ones in the order of their ids."""
    return sorted(candidates, key=lambda one: (-one.score, one.row.id))


def ranking(candidates: Sequence[Candidate]) -> Ranking:
    """Candidates as a searchable returns them."""
    return Ranking([one.row.key for one in candidates], np.array([one.score for one in candidates], np.float32))


class Known:
    """What was last found, by key, for whoever asks for the rows of hits; at most `MOST` of it."""

    MOST = 10_000

    def __init__(self) -> None:
        self._known: dict[str, Candidate] = {}

    def note(self, candidates: Iterable[Candidate]) -> None:
        """Keep candidates, and forget the oldest ones."""
        self._known |= {one.row.key: one for one in candidates}
        for key in list(self._known)[: -self.MOST]:
            del self._known[key]

    def rows(
        self, keys: Sequence[str], width: int, fetch: Callable[[list[str]], Iterable[Candidate]]
    ) -> tuple[list[Row], Float32[np.ndarray, "n d"]]:
        """The rows and the vectors [N, width] of these keys; `fetch` gives candidates for those that are not known."""
        known = {key: self._known[key] for key in keys if key in self._known}
        unknown = [key for key in keys if key not in known]
        if unknown:
            known |= {one.row.key: one for one in fetch(unknown)}
        vectors = np.array([known[key].vector for key in keys], np.float32).reshape(len(keys), width)
        return [known[key].row for key in keys], vectors


def _nth_largest(scores: Float32[np.ndarray, " b"], n: int) -> float:
    """The n-th largest number; minus infinity where there are not so many."""
    if len(scores) < n:
        return -np.inf
    return float(np.partition(scores, len(scores) - n)[len(scores) - n])
