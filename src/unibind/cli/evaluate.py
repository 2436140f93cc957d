"""`unibind eval`: measure a store, with and without a fitted model, beside the controls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import JsonOption, KnowledgeOption, busy, open_knowledge, print_json, print_table, say


@with_backbone_options
def evaluate(
    store: Annotated[Path, typer.Argument(help="A store with labeled splits train, val and test.")],
    model: Annotated[str | None, typer.Option("--model", help="A fitted model to measure too.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write a report (HTML, PNGs, JSON) here.")] = None,
    knowledge: KnowledgeOption = None,
    backbone: BackboneChoice = NO_CHOICE,
    seed: Annotated[int, typer.Option(help="Of the random words and the map of the space.")] = 0,
    json: JsonOption = False,
) -> None:
    """Recognition and cross-modal retrieval on the test split, always beside class names, templates and random words.

    \b
    unibind eval runs/demo/store --model runs/demo/model
    unibind eval runs/store --knowledge my_classes.jsonl --out runs/report --json
    """
    from ..data.store import Store
    from ..evaluate.protocols import evaluate as measure
    from ..evaluate.protocols import split_of
    from ..evaluate.report import write_report, zero_shot_rows
    from ..knowledge.embedding import embed_descriptions

    opened = Store.open(store)
    fitted = backbone.open_model(model) if model else None
    encoder = fitted.backbone if fitted else backbone.open(opened)
    own = fitted.knowledge if fitted and not knowledge else None
    base = own or open_knowledge(knowledge)
    base = base.without_items(opened.non_train_ids())  # the description of an item to be recognized gives it away
    with busy("measuring"):
        found = measure(encoder, opened, embed_descriptions(base, encoder), fitted=fitted, seed=seed)
    if out is not None:
        before = split_of(opened, "test")
        after = {m: fitted.project(e) for m, e in before.items()} if fitted else None
        with busy("drawing the report"):
            page = write_report(out, found, before=before, after=after)
        say(f"The report: {page}")
    if json:
        print_json(found.to_json())
    else:
        header, rows = zero_shot_rows(found)
        print_table(header, rows)
        for left in found.left_out:
            say(f"{left}: not compared with texts before a fit, for its tower has a space of its own")
