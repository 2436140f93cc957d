"""An iterator that runs in a thread of its own, a few results ahead of whoever takes them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_CHECK_S = 0.2  # how often a thread that waits looks whether it is still wanted
_LEAVE_S = 2.0  # to end; a thread that is in a call that hangs is left behind


class Ahead(Generic[T], Iterator[T]):
    """The results of `make(stopped)`, of which `depth` at most wait; its errors are raised where it is read.

    `stopped()` says whether nobody takes any more: what may take long looks at it, and ends.
    """

    def __init__(self, make: Callable[[Callable[[], bool]], Generator[T]], depth: int) -> None:
        self._stop = threading.Event()
        self._queue: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
        self._thread = threading.Thread(target=self._run, args=(make,), daemon=True)
        self._thread.start()

    def __next__(self) -> T:
        result, error = self._queue.get()
        if error is not None:
            self._queue.put((None, StopIteration()))  # from now on
            raise error
        return result  # type: ignore[return-value]

    def close(self) -> None:
        """End the thread, which closes the generator."""
        self._stop.set()
        self._thread.join(_LEAVE_S)

    def _run(self, make: Callable[[Callable[[], bool]], Generator[T]]) -> None:
        results = make(self._stop.is_set)
        try:
            for result in results:
                self._put(result, None)
                del result
                if self._stop.is_set():
                    return
            self._put(None, StopIteration())
        except BaseException as error:
            self._put(None, error)
        finally:
            results.close()

    def _put(self, result: T | None, error: BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                return self._queue.put((result, error), timeout=_CHECK_S)
            except queue.Full:
                continue
