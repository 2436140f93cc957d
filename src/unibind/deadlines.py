"""Calls that may hang, such as those that read files: waited for no longer than they may take."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Deadline:
    """Makes calls in a thread of its own, one at a time, and waits for each at most `seconds`.

    The thread of a call that takes longer is left behind, and another one makes the next call. While it waits, the
    caller can be interrupted by Ctrl-C, whatever the call does.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._calls: queue.SimpleQueue[Any] | None = None

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What the function returns or raises; TimeoutError where it takes too long."""
        if self._calls is None:
            self._calls = queue.SimpleQueue()
            threading.Thread(target=_make_calls, args=(self._calls,), daemon=True).start()
        result: Future[R] = Future()
        self._calls.put((result, function, args, kwargs))
        try:
            return result.result(self.seconds)
        except BaseException:
            if not result.done():  # also where the caller was interrupted
                self.close()
            raise

    def close(self) -> None:
        """End the thread, after the call that it makes."""
        if self._calls is not None:
            self._calls.put(None)
            self._calls = None


def _make_calls(calls: queue.SimpleQueue[Any]) -> None:
    while (call := calls.get()) is not None:
        result, function, args, kwargs = call
        try:
            result.set_result(function(*args, **kwargs))
        except BaseException as error:
            result.set_exception(error)
        del call, result, function, args, kwargs  # so that nothing is kept until the next call
