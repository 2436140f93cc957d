"""Worker processes for calls that may hang, crash, or take all memory: such a call costs its worker alone."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from enum import Enum
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from ..errors import UnibindError
from ..processes import bound_memory, ignore_interrupts, start_without_main, worker_context
from .buffers import ROOM, Room, receive, send

Task = TypeVar("Task")
Result = TypeVar("Result")

_CHECK_S = 0.2  # how often deadlines are checked
_START_S = 300.0  # to start a worker: it imports PyTorch, perhaps over a network
_PRELOADED = ["unibind.data.loader"]  # imported once for all workers


def prepare_workers() -> None:
    """Begin to import, beside this process, what workers need: those that are started later start at once."""
    worker_context(_PRELOADED)


class Lost(Enum):
    """Why a call returned nothing."""

    TIMED_OUT = "it took longer than it may"
    DIED = "its worker died, and so did the next one"


class Stopped(Exception):
    """Nobody waits for the results any more."""


class WorkerPool(Generic[Task, Result]):
    """Calls `function(task)` in `count` processes, each with `memory` bytes beyond its own; `count` may grow.

    A worker whose call takes longer than `timeout` seconds is ended, and the task of one that dies is tried once more;
    both are replaced. Only time that somebody waits in `result` counts. Workers start with the first tasks, afresh (not
    forked from this process), and get a pickle of `function`. Where `stopped()` becomes true, `result` raises Stopped.
    """

    def __init__(
        self,
        function: Callable[[Task], Result],
        count: int,
        *,
        timeout: float,
        memory: int,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.count, self.timeout, self.memory, self._stopped = count, timeout, memory, stopped
        self.payload = pickle.dumps(function)
        self.context = worker_context(_PRELOADED)
        self.tasks: queue.SimpleQueue[tuple[Task, Future[Result | Lost]] | None] = queue.SimpleQueue()
        self._slots = list[_Slot]()

    def submit(self, task: Task) -> Future[Result | Lost]:
        """Queue a task; `result` waits for what comes of it."""
        future: Future[Result | Lost] = Future()
        self.tasks.put((task, future))
        if len(self._slots) < self.count:
            self._slots.append(_Slot(self))
        return future

    def result(self, future: Future[Result | Lost]) -> Result | Lost:
        """What the call returned, or why it did not; raises UnibindError where workers do not start."""
        while True:
            waiting_since = time.monotonic()
            try:
                return future.result(_CHECK_S)
            except TimeoutError:
                # no more than this counts: the whole run may have been suspended
                self._end_overdue(min(time.monotonic() - waiting_since, 5 * _CHECK_S))
            if self._stopped():
                raise Stopped

    def close(self) -> None:
        """End all workers, whatever they do."""
        for slot in self._slots:
            self.tasks.put(None)
            slot.end()
        self._slots.clear()

    def _end_overdue(self, elapsed: float) -> None:
        for position, slot in enumerate(self._slots):
            if slot.is_overdue(elapsed):
                slot.time_out()
                self._slots[position] = _Slot(self)


class _Slot:
    """The place of a worker process in a pool, and the thread that talks to it: one task at a time."""

    def __init__(self, pool: WorkerPool[Any, Any]) -> None:
        self._pool = pool
        self._worker: tuple[BaseProcess, Connection, Room] | None = None
        self._future: Future[Any] | None = None  # of the task in work
        self._waited, self._starting, self._ended = 0.0, False, False
        self._lock = threading.Lock()
        threading.Thread(target=self._run, daemon=True).start()

    # --- called by the pool -------------------------------------------------------------------------------------------

    def is_overdue(self, elapsed: float) -> bool:
        """Whether its task takes longer than it may, after this much more time."""
        if self._future is None:
            return False
        self._waited += elapsed
        return self._waited > (_START_S if self._starting else self._pool.timeout)

    def time_out(self) -> None:
        """End the worker for its slowness."""
        if self._starting:
            self._settle(error=_not_started(f"did not start within {_START_S:g} s"))
        else:
            self._settle(Lost.TIMED_OUT)
        self.end()

    def end(self) -> None:
        """End the worker; nothing waits for the thread, which ends when it notices."""
        with self._lock:
            self._ended = True
            if self._worker is not None:
                self._worker[0].kill()

    def _settle(self, outcome: Any = None, error: BaseException | None = None) -> None:
        """Say what came of the task in work, unless that is said."""
        with self._lock:
            future, self._future = self._future, None
            if future is None:
                return
            if error is None:
                future.set_result(outcome)
            else:
                future.set_exception(error)

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ended and (entry := self._pool.tasks.get()) is not None:
            task, future = entry
            with self._lock:
                self._future, self._waited = future, 0.0
            try:
                self._settle(self._call(task))
            except BaseException as error:
                self._settle(error=error)
            del entry, task, future

    def _call(self, task: Any) -> Any:
        for _ in range(2):
            connection, room = self._started()
            try:
                connection.send(task)
                return receive(connection, room)
            except (EOFError, OSError):
                self._worker = None
            if self._ended:
                break
        return Lost.DIED

    def _started(self) -> tuple[Connection, Room]:
        """Connection and room of a worker that is known to run, so that no task is blamed for one that cannot start."""
        if self._worker is None:
            self._starting = True
            process, connection, room = self._start()
            with self._lock:
                self._worker = process, connection, room
                if self._ended:  # meanwhile
                    process.kill()
            try:
                connection.recv()
            except (EOFError, OSError) as error:
                self._worker = None
                raise _not_started("ends before it reads anything") from error
            self._starting, self._waited = False, 0.0
        return self._worker[1:]

    def _start(self) -> tuple[BaseProcess, Connection, Room]:
        pool = self._pool
        here, there = pool.context.Pipe()
        shared = pool.context.RawArray("B", ROOM)
        process: BaseProcess = pool.context.Process(  # type: ignore[attr-defined]
            target=_serve, args=(there, pool.payload, pool.memory, shared), daemon=True
        )
        if b"__main__" in pool.payload:
            process.start()
        else:
            start_without_main(process)
        there.close()
        return process, here, np.frombuffer(shared, np.uint8)


def _not_started(what: str) -> UnibindError:
    return UnibindError(
        f"a worker process {what}; call unibind under `if __name__ == '__main__':`, or use no workers to see why"
    )


# --- in a worker process -------------------------------------------------------------------------------------------


def _serve(connection: Connection, payload: bytes, memory: int, shared: Any, _: None = None) -> None:
    ignore_interrupts()
    torch.set_num_threads(1)
    threading.Thread(target=_follow_parent, daemon=True).start()
    function, room = pickle.loads(payload), np.frombuffer(shared, np.uint8)
    bound_memory(memory)
    try:
        connection.send(None)
        while True:
            send(connection, function(connection.recv()), room)
    except (EOFError, OSError):  # the parent needs no more
        return


def _follow_parent() -> None:
    """End with the parent, also where it was killed and could not say so."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
