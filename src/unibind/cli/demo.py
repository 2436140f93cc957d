"""`unibind demo`: the whole way, from files of seven modalities to a report, on generated data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import (
    ADVANCED,
    INPUT,
    OUTPUT,
    JsonOption,
    KnowledgeOption,
    command_line,
    notify,
    print_json,
    print_table,
)


@with_backbone_options
def demo(
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Folder for data, store, model and report.", rich_help_panel=OUTPUT
        ),
    ] = Path("runs/demo"),
    per_category: Annotated[
        int,
        typer.Option(
            min=3,
            metavar="N",
            help="Test objects per category; training takes twice as many, validation half as many.",
            rich_help_panel=INPUT,
        ),
    ] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the objects and the fit.", rich_help_panel=ADVANCED)] = 0,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that generate and read files.", rich_help_panel=ADVANCED)
    ] = 2,
    knowledge: KnowledgeOption = None,
    json: JsonOption = False,
    backbone: BackboneChoice = NO_CHOICE,
) -> None:
    """Turn files of seven modalities into one space: generated, encoded, fitted, searched and reported.

    Its backbone is mini, which was trained on objects of the same kind, unless --backbone names another.

    Examples:
      $ unibind demo --out runs/demo
      $ unibind demo --out runs/tiny --per-category 4 --json
      $ unibind demo --out runs/mine --knowledge kb
    """
    from ..demo import run_demo
    from ..evaluate.report import recognition_rows, retrieval_rows

    result = run_demo(
        out,
        per_category=per_category,
        seed=seed,
        workers=workers,
        knowledge=knowledge,
        command=command_line(),
        **backbone.arguments,
    )
    if json:
        print_json(result.evaluation.to_json() | {"report": str(result.report), "model": str(result.model)})
        return
    header, rows = recognition_rows(result.evaluation)
    print_table(header, rows, title="Recognition on the test split")
    header, rows = retrieval_rows(result.evaluation)
    print_table(header, rows, title="Retrieval before and after the fit")
    notify(f"The report: {result.report}   (open it in a browser)")
    notify(f"Next: {result.next_search()}")
