"""`unibind fit`: heads, centers and confidences from a store with labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import JsonOption, KnowledgeOption, open_knowledge, percent, print_json, print_table, progress_bar, say


@with_backbone_options
def fit(
    store: Annotated[Path, typer.Argument(help="A store with labeled splits train and val.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the fitted model.")],
    knowledge: KnowledgeOption = None,
    backbone: BackboneChoice = NO_CHOICE,
    loss: Annotated[str, typer.Option(help="multi_positive, or released (the paper's code).")] = "multi_positive",
    rank: Annotated[int, typer.Option(min=0, help="Rank of a head's learned change; 0 learns all of it.")] = 64,
    steps: Annotated[int, typer.Option(min=1, help="Optimizer steps for each modality.")] = 400,
    seed: Annotated[int, typer.Option()] = 0,
    json: JsonOption = False,
) -> None:
    """Fit one small head a modality on stored embeddings; a minute or so for some hundred items a modality.

    Centers, their strategy and the confidences are chosen on the split "val"; "test" is not touched.

    \b
    unibind fit runs/store --out runs/model
    unibind fit runs/store --out runs/model --knowledge my_classes.jsonl --seed 1
    """
    from ..align.fit import FitConfig
    from ..data.store import Store
    from ..model import UniBind

    base = open_knowledge(knowledge)
    opened = Store.open(store)
    config = FitConfig(loss=loss, rank=rank or None, steps=steps, seed=seed)
    with progress_bar() as progress:
        tasks = {m: progress.add_task(m, total=steps) for m in opened.modalities() if m != "text"}
        model = UniBind.fit(
            backbone.open(opened),
            opened,
            base,
            config,
            progress=lambda modality, step: progress.update(tasks[modality], completed=step),
        )
    model.save_pretrained(out)
    assert model.summary is not None
    if json:
        print_json(
            {
                "model": str(out),
                "learned_parameters": model.summary.learned_parameters,
                "validation_top1": model.summary.validation_top1,
                "best_step": model.summary.best_step,
            }
        )
        return
    rows = [
        (m, n, percent(model.summary.validation_top1[m]), model.centers[m].strategy, max(model.centers[m].sizes))
        for m, n in model.summary.train_items.items()
    ]
    print_table(("modality", "training items", "validation top-1 %", "centers", "K"), rows)
    say(f"{model.summary.learned_parameters:,} learned parameters; the model is in {out}")
