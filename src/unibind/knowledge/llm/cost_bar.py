"""A progress bar that shows what a run costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...progress import progress_bar, terminal
from .budget import Budget

# Whether to report progress (None: yes), or what to call instead.
ProgressOption = bool | Callable[[int], None] | None


@contextmanager
def cost_bar(total: int, budget: Budget, progress: ProgressOption = None) -> Iterator[Callable[[int], None]]:
    """Yield the function that advances a bar with rate, tokens, cost and remaining time on standard error.

    Where that is not a terminal, a line is printed now and then; see `progress_stages`.
    """
    if callable(progress):
        yield progress
        return
    console = terminal()
    if console is None or progress is False:
        with progress_bar("describing", total, progress) as report:
            yield report
        return
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
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total, rate=0.0, tokens=0, cost=0.0)
        started, done = time.monotonic(), 0

        def advance(new: int) -> None:
            nonlocal done
            done += new
            rate = done / max(time.monotonic() - started, 1e-9)
            bar.update(task, advance=new, rate=rate, tokens=budget.tokens, cost=budget.cost)

        yield advance
