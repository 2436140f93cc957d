"""An answer for every item of many, and what becomes of those that have none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

from ..data.embedded_batches import Stream, results_of_each
from ..data.encode import EmbeddedBatch
from ..data.loader import Failure
from ..errors import UnibindError
from .answers import Unreadable

OnError = Literal["raise", "return"]


def answer_each(
    items: Any,
    activity: str,
    stream: Stream,
    answers_of: Callable[[EmbeddedBatch], Sequence[Any]],
    on_error: OnError,
    **how: Any,
) -> Any:
    """An answer for one item, or a list for many; `how` is passed on to `results_of_each`.

    With `on_error="return"`, an item that cannot be read or answered has an Unreadable in its place; otherwise its
    error is raised.
    """
    failures: dict[int, Unreadable] = {}

    def answers(batch: EmbeddedBatch) -> Sequence[Any]:
        try:
            return answers_of(batch)
        except UnibindError as error:
            if on_error == "raise":
                raise
            kind = type(error).__name__
            return [Unreadable(name, kind, f"{name} was not classified: {error}") for name in batch.names]

    def on_failure(position: int, name: str, failure: Failure) -> None:
        if on_error == "raise":
            raise failure.as_error()
        failures[position] = Unreadable(name, failure.error, failure.message)

    return results_of_each(items, activity, stream, answers, failures=failures, on_failure=on_failure, **how)


class Kept:
    """Items of which each is kept as it passes, until it is asked for by its position."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items, self._kept = items, dict[int, Any]()

    def __iter__(self) -> Iterator[Any]:
        """The items, in order."""
        for position, item in enumerate(self._items):
            self._kept[position] = item
            yield item

    def pop(self, position: int) -> Any:
        """The item at a position, once."""
        return self._kept.pop(position)
