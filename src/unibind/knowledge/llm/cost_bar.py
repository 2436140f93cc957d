"""A progress bar that shows what a run costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .budget import Budget

# Whether to show a bar (None: on a terminal), or what to call instead.
ProgressOption = bool | Callable[[int], None] | None


@contextmanager
def cost_bar(total: int, budget: Budget, progress: ProgressOption = None) -> Iterator[Callable[[int], None]]:
    """Yield the function that advances a bar with rate, tokens, cost and remaining time on standard error."""
    if callable(progress):
        yield progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("describing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f}/s"),
        TextColumn("{task.fields[tokens]:,} tokens"),
        TextColumn("{task.fields[cost]:.2f} spent" if budget.prices else ""),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    show = console.is_terminal if progress is None else progress
    with Progress(*columns, console=console, transient=True, disable=not show) as bar:
        task = bar.add_task("", total=total, rate=0.0, tokens=0, cost=0.0)
        started, done = time.monotonic(), 0

        def advance(new: int) -> None:
            nonlocal done
            done += new
            rate = done / max(time.monotonic() - started, 1e-9)
            bar.update(task, advance=new, rate=rate, tokens=budget.tokens, cost=budget.cost)

        yield advance
