"""What the verbs that pay for answers share: prices, a bar with the cost, and estimates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from .._console import print_json, print_table, say

if TYPE_CHECKING:
    from ...knowledge.llm.budget import Budget, Price
    from ...knowledge.llm.generate import Estimate


def prices_of(models: tuple[str, ...], said: list[str]) -> dict[str, Price]:
    """What was said with --price, by model; raises UnibindError for what is no price."""
    from ...errors import UnibindError
    from ...knowledge.llm.budget import Price

    if len(said) not in (0, 1, len(models)):
        raise UnibindError(f"give --price once, or once for each of the {len(models)} models, not {len(said)} times")
    prices = []
    for text in said:
        try:
            put, got = (float(part) for part in text.split("/"))
        except ValueError:
            raise UnibindError(f"--price takes IN/OUT for a million tokens, such as 0.15/0.60, not {text!r}") from None
        prices.append(Price(put, got))
    return dict(zip(models, prices * len(models) if len(prices) == 1 else prices, strict=False))


@contextmanager
def progress_of(total: int, budget: Budget) -> Iterator[Callable[[int], None]]:
    """A bar with rate, tokens, cost and time left on standard error; silent where that is no terminal."""
    import time

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("describing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f}/s"),
        TextColumn("{task.fields[tokens]:,} tokens"),
        TextColumn("{task.fields[cost]:.2f} spent" if budget.prices else ""),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total, rate=0.0, tokens=0, cost=0.0)
        started, won = time.monotonic(), 0

        def advance(new: int) -> None:
            nonlocal won
            won += new
            rate = won / max(time.monotonic() - started, 1e-9)
            bar.update(task, advance=new, rate=rate, tokens=budget.tokens, cost=budget.cost)

        yield advance


def tell_estimate(found: Mapping[str, Estimate], budget: Budget, json: bool) -> None:
    """Print what a run would take, by model."""
    from ...knowledge.llm.budget import FREE

    costs = {m: budget.prices.get(m, FREE).cost(e.input_tokens, e.output_tokens) for m, e in found.items()}
    if json:
        print_json({m: asdict(e) | {"cost": costs[m] if m in budget.prices else None} for m, e in found.items()})
        return
    rows = [
        (
            m,
            f"{e.requests:,}",
            f"{e.input_tokens:,}",
            f"{e.output_tokens:,}",
            f"{costs[m]:.2f}" if budget.prices else "-",
        )
        for m, e in found.items()
    ]
    print_table(("model", "requests", "tokens in", "tokens out", "cost"), rows)
    say("if every answer is of use; repetitions and refusals come on top, and so does what a model thinks in silence")
