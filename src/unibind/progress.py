"""Progress on standard error: bars on a terminal, elsewhere one line every 30 seconds and a last one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Advance = Callable[[int], None]
Stage = Callable[[str, int | None], Advance]

INTERVAL_S = 30.0  # between two lines where there is no terminal


@contextmanager
def progress_stages(show: bool | None = None) -> Iterator[Stage]:
    """Yield `stage(description, total)`, which opens one bar and returns the function that advances it.

    Where standard error is not a terminal, the stage that advanced last is reported in one line every 30 seconds; work
    that takes less is not reported. `show` False reports nothing anywhere. A `total` of None is open-ended.
    """
    if show is False:
        yield lambda description, total: lambda done: None
        return
    console = terminal()
    if console is None:
        with _lines() as stage:
            yield stage
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:

        def bar(description: str, total: int | None) -> Advance:
            task = bars.add_task(description, total=total)
            return lambda done: bars.advance(task, done)

        yield bar


@contextmanager
def progress_bar(description: str, total: int | None, show: bool | None = None) -> Iterator[Advance]:
    """Yield the function that advances a single bar; see `progress_stages`."""
    with progress_stages(show) as stage:
        yield stage(description, total)


def counted(advance: Advance, name: str, each: object) -> Advance:
    """Advance a bar and, where `each` is a function, also call it with the name and how many steps are done in all."""
    total = 0

    def report(done: int) -> None:
        nonlocal total
        total += done
        advance(done)
        if callable(each):
            each(name, total)

    return report


@contextmanager
def busy(activity: str) -> Iterator[None]:
    """Report work of unknown length: a spinner on a terminal, elsewhere one line every 30 seconds."""
    console = terminal()
    if console is None:
        with _lines() as stage:
            stage(activity, None)
            yield
    else:
        with console.status(activity):
            yield


def terminal() -> Console | None:
    """Standard error as a terminal to draw on; None where it is not one."""
    from rich.console import Console

    console = Console(stderr=True)
    return console if console.is_terminal else None


# --- without a terminal --------------------------------------------------------------------------------------------


@dataclass
class _Count:
    """A stage: what it does, of how many items (None: unknown), and how many are done."""

    description: str
    total: int | None
    done: int = 0

    def line(self, seconds: float) -> str:
        """The stage in one line, as in "encoding: 1,200 of 8,640 after 1:30"."""
        items = "" if self.total is None and not self.done else f" {self.done:,}"
        of = "" if self.total is None else f" of {self.total:,}"
        return f"{self.description}:{items}{of} after {int(seconds) // 60}:{int(seconds) % 60:02}"


class _Reporter:
    """Prints the stage that advanced last, every `INTERVAL_S` seconds until `stopped` is set, and once more then."""

    def __init__(self) -> None:
        self.stopped = Event()
        self._started = time.monotonic()
        self._current: _Count | None = None
        self._last = ""

    def stage(self, description: str, total: int | None) -> Advance:
        """Open a stage; returns the function that advances it."""
        self._current = count = _Count(description, total)

        def advance(done: int) -> None:
            count.done += done
            self._current = count

        return advance

    def run(self) -> None:
        """Print lines; the body of a thread."""
        if self.stopped.wait(INTERVAL_S):
            return
        self._print()
        while not self.stopped.wait(INTERVAL_S):
            self._print()
        self._print()

    def _print(self) -> None:
        line = "" if self._current is None else self._current.line(time.monotonic() - self._started)
        if line != self._last:
            self._last = line
            print(line, file=sys.stderr, flush=True)


@contextmanager
def _lines() -> Iterator[Stage]:
    reporter = _Reporter()
    thread = Thread(target=reporter.run, daemon=True)
    thread.start()
    try:
        yield reporter.stage
    finally:
        reporter.stopped.set()
        thread.join()
