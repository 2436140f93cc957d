"""`unibind eval`: measure a store, with and without a fitted model, beside the controls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import (
    ADVANCED,
    MODEL,
    OUTPUT,
    AllowDuplicatesOption,
    ForceOption,
    JsonOption,
    KnowledgeOption,
    busy,
    command_line,
    notify,
    print_json,
    print_table,
)


@with_backbone_options
def evaluate(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="A store of labeled items (see `unibind encode`).")],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="DIR", help="A fitted model to measure too.", rich_help_panel=MODEL),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Write a report here: one HTML page, and JSON.", rich_help_panel=OUTPUT
        ),
    ] = None,
    knowledge: KnowledgeOption = None,
    backbone: BackboneChoice = NO_CHOICE,
    seed: Annotated[
        int, typer.Option(help="Seed of random words, intervals and the map of the space.", rich_help_panel=ADVANCED)
    ] = 0,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Spend minutes: controls with as many texts as there are descriptions, and the model's fit on each.",
            rich_help_panel=ADVANCED,
        ),
    ] = False,
    allow_duplicates: AllowDuplicatesOption = False,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Measure recognition, search and unity of the space on a store, beside matched controls, with 95 % intervals.

    The split test is measured; without one, val; without either, all items, and nothing is chosen on them. Without
    --knowledge, the descriptions of the model are used; without both, the names of the store's labels.

    Examples:
      $ unibind eval runs/photos
      $ unibind eval runs/demo/store --model runs/demo/model
      $ unibind eval runs/demo/store --model runs/demo/model --full
      $ unibind eval runs/store --knowledge my_classes.jsonl --out runs/report --json
    """
    from ..evaluate.remarks import remarks
    from ..evaluate.report import REPORT, tables
    from ..evaluate.stores import evaluate_store
    from ..files import check_output

    if out is not None:
        check_output(out, kind=REPORT, force=force)
    with busy("measuring"):
        evaluation = evaluate_store(
            store,
            model=model,
            knowledge=knowledge,
            out=out,
            seed=seed,
            full=full,
            allow_duplicates=allow_duplicates,
            command=command_line(),
            **backbone.arguments,
        )
    if json:
        print_json(evaluation.to_json())
    else:
        for title, (header, rows) in tables(evaluation).items():
            if rows:
                print_table(header, rows, title=title)
        for remark in remarks(evaluation):
            notify(remark)
    if out is not None:
        notify(f"The report: {out / 'report.html'}")
