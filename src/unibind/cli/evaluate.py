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
    ForceOption,
    JsonOption,
    KnowledgeOption,
    busy,
    notify,
    print_json,
    print_table,
)


@with_backbone_options
def evaluate(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="A store with labeled splits train, val and test.")],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="DIR", help="A fitted model to measure too.", rich_help_panel=MODEL),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Write a report here: HTML, PNGs, JSON.", rich_help_panel=OUTPUT
        ),
    ] = None,
    knowledge: KnowledgeOption = None,
    backbone: BackboneChoice = NO_CHOICE,
    seed: Annotated[
        int, typer.Option(help="Seed of the random words and the map of the space.", rich_help_panel=ADVANCED)
    ] = 0,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Measure recognition and cross-modal retrieval on the test split, beside matched controls.

    Without --knowledge, the descriptions of the model are used.

    Examples:
      $ unibind eval runs/demo/store --model runs/demo/model
      $ unibind eval runs/store --knowledge my_classes.jsonl --out runs/report --json
    """
    from ..evaluate.report import REPORT, zero_shot_rows
    from ..evaluate.stores import evaluate_store
    from ..files import check_output

    if out is not None:
        check_output(out, kind=REPORT, force=force)
    with busy("measuring"):
        evaluation = evaluate_store(store, model=model, knowledge=knowledge, out=out, seed=seed, **backbone.arguments)
    if out is not None:
        notify(f"The report: {out / 'report.html'}")
    if json:
        print_json(evaluation.to_json())
        return
    header, rows = zero_shot_rows(evaluation)
    print_table(header, rows)
    for modality in evaluation.outside_anchor_space:
        notify(f"{modality}: not compared with texts before a fit, because its tower is not in their space")
