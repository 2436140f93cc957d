"""An iterator that runs in its own thread, a few results ahead of its consumer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_CHECK_S = 0.2  # how often a waiting thread checks whether it was stopped
_LEAVE_S = 2.0  # to end; a thread that hangs in a call is abandoned
_SMALL = 32 << 20  # bytes that may wait beyond `depth`
_MANY = 32  # results that may wait beyond `depth`


class Ahead(Generic[T], Iterator[T]):
    """The results of `make(stopped)`, made ahead of time in a thread; its errors are raised in `__next__`.

    At most `depth` results wait, or up to 32 if they take no more than 32 MiB together by `size(result)`: texts are
    sorted, so many of their batches are ready at once, and then none for a while. `stopped()` becomes true when the
    consumer has closed the iterator; slow work should check it and return.
    """

    def __init__(
        self,
        make: Callable[[Callable[[], bool]], Generator[T]],
        depth: int,
        size: Callable[[T], int] = lambda _: _SMALL,
    ) -> None:
        self._depth, self._size = depth, size
        self._waiting: deque[tuple[T, int]] = deque()
        self._held = 0  # bytes
        self._stopped, self._ended = threading.Event(), False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, args=(make,), daemon=True)
        self._thread.start()

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if self._waiting:
                result, size = self._waiting.popleft()
                self._held -= size
                self._changed.notify_all()
                return result
            error, self._error = self._error, None
        raise StopIteration if error is None else error

    def close(self) -> None:
        """Stop the thread, which closes the generator."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(_LEAVE_S)

    def _run(self, make: Callable[[Callable[[], bool]], Generator[T]]) -> None:
        results = make(self._stopped.is_set)
        try:
            for result in results:
                self._put(result)
                del result
                if self._stopped.is_set():
                    break
        except BaseException as error:
            self._error = error
        finally:
            results.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, result: T) -> None:
        size = self._size(result)
        with self._changed:
            while not self._stopped.is_set() and not self._has_room(size):
                self._changed.wait(_CHECK_S)
            self._waiting.append((result, size))
            self._held += size
            self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        waiting = len(self._waiting)
        return waiting < self._depth or (waiting < _MANY and self._held + size <= _SMALL)
