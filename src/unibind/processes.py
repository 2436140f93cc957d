"""Worker processes that leave Ctrl-C to their parent and share no threads or locks with it."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from typing import Any


def worker_context(preload: Sequence[str] = ()) -> BaseContext:
    """How to start workers: where it can be, forked from a server that has imported `preload`, else afresh.

    Call `ignore_interrupts` first in every worker, and start workers within `interrupts_deferred`.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing.forkserver import ensure_running

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    with _interrupts_handled_by(signal.SIG_IGN):  # which the server inherits
        ensure_running()
    return context


def ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent, which ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Raise a KeyboardInterrupt at the end of the block instead of within it.

    A pool of processes that is interrupted while it starts one never ends.
    """
    interrupts: list[int] = []
    with _interrupts_handled_by(lambda number, _: interrupts.append(number)):
        yield
    if interrupts:
        raise KeyboardInterrupt


@contextmanager
def _interrupts_handled_by(handler: Callable[[int, Any], Any] | signal.Handlers) -> Iterator[None]:
    """Replace the handler of Ctrl-C for a block; only in the main thread, where the others never see it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
