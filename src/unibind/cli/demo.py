"""`unibind demo`: the whole way, from files of seven modalities to a report, on made data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import JsonOption, KnowledgeOption, open_knowledge, percent, print_json, print_table, progress_bar, say


@with_backbone_options
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for data, store, model and report.")] = Path(
        "runs/demo"
    ),
    per_category: Annotated[
        int, typer.Option(min=3, help="Test objects a category; twice as many to fit on, half as many to choose by.")
    ] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Of the objects and the fit.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that draw and read.")] = 2,
    knowledge: KnowledgeOption = None,
    json: JsonOption = False,
    backbone: BackboneChoice = NO_CHOICE,
) -> None:
    """Watch files of seven modalities become one space: drawn, encoded, fitted, searched and reported.

    \b
    unibind demo --out runs/demo
    unibind demo --out runs/tiny --per-category 4 --json
    unibind demo --out runs/mine --knowledge kb      # a base of your own that has the 24 categories
    """
    from ..demo import run_demo
    from ..evaluate.report import zero_shot_rows

    base = open_knowledge(knowledge)
    splits = {"train": 2 * per_category, "val": max(2, per_category // 2), "test": per_category}
    encoder = backbone.open()
    with progress_bar() as progress:

        def stage(name: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(name, total=total)
            return lambda done: progress.advance(task, done)

        made = run_demo(
            out, per_category=splits, seed=seed, workers=workers, stage=stage, backbone=encoder, knowledge=base
        )
    if json:
        print_json(made.evaluation.to_json() | {"report": str(made.report), "model": str(made.model)})
        return
    header, rows = zero_shot_rows(made.evaluation)
    print_table(header, rows, title="Recognition on the test split")
    galleries = [m for m in ("event", "image") if m in encoder.modalities]
    compared = {"before": made.evaluation.before, "after": made.evaluation.after}
    rows = []
    for name, crossing in compared.items():
        if crossing is not None:
            balance = crossing.balance(20)
            shares = [balance["mean"], balance["std"], *(crossing.pair("text", m, 20) for m in galleries)]
            rows.append([name, *map(percent, shares)])
    print_table(
        ("recall@20 between unlike modalities, %", "mean", "spread (std)", *(f"text to {m}" for m in galleries)),
        rows,
        title="Retrieval before and after the fit",
    )
    say(f"The report: {made.report}   (open it in a browser)")
    say(f"Next: unibind search 'something with strings' --store {made.store} --model {made.model}")
