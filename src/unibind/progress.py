"""Progress bars on standard error: shown on a terminal, silent elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]
Stage = Callable[[str, int | None], Advance]


@contextmanager
def progress_stages(show: bool | None = None) -> Iterator[Stage]:
    """Yield `stage(description, total)`, which opens one bar and returns the function that advances it.

    `show` None displays bars where standard error is a terminal; False never does. A `total` of None is open-ended.
    """
    if show is False:
        yield lambda description, total: lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    disable = not (show or console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=disable) as bars:

        def stage(description: str, total: int | None) -> Advance:
            task = bars.add_task(description, total=total)
            return lambda done: bars.advance(task, done)

        yield stage


@contextmanager
def progress_bar(description: str, total: int | None, show: bool | None = None) -> Iterator[Advance]:
    """Yield the function that advances a single bar; see `progress_stages`."""
    with progress_stages(show) as stage:
        yield stage(description, total)
