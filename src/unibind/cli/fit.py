"""`unibind fit`: heads, centers and confidences from a store with labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import (
    ADVANCED,
    CENTERS,
    INPUT,
    OUTPUT,
    AllowDuplicatesOption,
    ForceOption,
    JsonOption,
    KnowledgeOption,
    notify,
    percent,
    print_json,
    print_table,
)


@with_backbone_options
def fit(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="A store with labels (see `unibind encode`).")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder for the fitted model.", rich_help_panel=OUTPUT),
    ],
    knowledge: KnowledgeOption = None,
    few_shot: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Use N training items per class only.", rich_help_panel=INPUT),
    ] = None,
    backbone: BackboneChoice = NO_CHOICE,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="all, consensus, adaptive or discriminative. Default: chosen on validation.",
            rich_help_panel=CENTERS,
        ),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option("-k", min=1, help="Centers per class. Default: chosen on validation.", rich_help_panel=CENTERS),
    ] = None,
    scoring: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="max, top_mean or log_mean_exp. Default: chosen on validation.",
            rich_help_panel=CENTERS,
        ),
    ] = None,
    loss: Annotated[
        str,
        typer.Option(metavar="NAME", help="multi_positive, or released (the paper's code).", rich_help_panel=ADVANCED),
    ] = "multi_positive",
    rank: Annotated[
        int, typer.Option(min=0, help="Rank of a head's learned change; 0 learns all of it.", rich_help_panel=ADVANCED)
    ] = 64,
    steps: Annotated[int, typer.Option(min=1, help="Optimizer steps per modality.", rich_help_panel=ADVANCED)] = 400,
    seed: Annotated[int, typer.Option(help="Seed of the fit and of an automatic split.", rich_help_panel=ADVANCED)] = 0,
    allow_duplicates: AllowDuplicatesOption = False,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Fit one small head per modality on stored embeddings; a minute or so for some hundred items per modality.

    Centers and confidences are chosen on the split "val" (made from "train" where the store has none); "test" is not
    touched. Without --knowledge, classes are represented by their names.

    Examples:
      $ unibind fit runs/store --out runs/model --knowledge kb
      $ unibind fit runs/store --out runs/model --knowledge my_classes.jsonl --few-shot 16
      $ unibind fit runs/store --out runs/paper --knowledge kb --strategy adaptive -k 50 --scoring max --loss released
    """
    from ..align.fit import FitConfig
    from ..align.selection import CenterConfig
    from ..files import check_output
    from ..fitting import fit as fit_store
    from ..serialization import MODEL

    check_output(out, kind=MODEL, force=force)

    model = fit_store(
        store,
        knowledge=knowledge,
        few_shot=few_shot,
        config=FitConfig(loss=loss, rank=rank or None, steps=steps, seed=seed),
        centers=CenterConfig(strategy=strategy, k=k, scoring=scoring),
        allow_duplicates=allow_duplicates,
        **backbone.arguments,
    )
    model.save_pretrained(out)
    summary = model.summary
    assert summary is not None
    if json:
        figures = {name: getattr(summary, name) for name in ("learned_parameters", "validation_top1", "best_step")}
        print_json({"model": str(out), **figures})
        return
    rows = [
        (m, n, percent(summary.validation_top1[m]), model.centers[m].strategy, max(model.centers[m].sizes))
        for m, n in summary.train_items.items()
    ]
    print_table(("modality", "training items", "validation top-1 %", "centers", "K"), rows)
    notify(f"{summary.learned_parameters:,} learned parameters; the model is in {out}")
