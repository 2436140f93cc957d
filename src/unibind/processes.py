"""Worker processes that leave Ctrl-C to their parent and share no threads or locks with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

_hiding = threading.Lock()
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # microseconds of all cores in a period; "max" where there is none


def usable_cores() -> int:
    """The number of cores that this process may use, at least 1; a container may have fewer than the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such limit
        quota, period = map(int, _QUOTA.read_text().split())
        cores = min(cores, max(1, round(quota / period)))
    return cores


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


def start_without_main(process: BaseProcess) -> None:
    """Start a worker that needs nothing of the program's main module.

    A started worker imports the main module otherwise, which runs a script that has no `if __name__ == "__main__":` a
    second time.
    """
    with _hiding:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        # its arguments are pickled just after it was decided what to import, so others hardly ever miss the module
        process._args = (*process._args, _Restored(main))  # type: ignore[attr-defined]
        try:
            process.start()
        finally:
            sys.modules["__main__"] = main


class _Restored:
    """Puts the main module back when it is pickled; unpickled, it is nothing."""

    def __init__(self, main: ModuleType) -> None:
        self._main = main

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        sys.modules["__main__"] = self._main
        return type(None), ()


def bound_memory(beyond: int) -> None:
    """Let this process have so many bytes of memory more than it has, where the system can enforce it (Linux)."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[5])  # of data, which RLIMIT_DATA counts
        allowed = pages * resource.getpagesize() + beyond
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = allowed if hard == resource.RLIM_INFINITY else min(allowed, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


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
