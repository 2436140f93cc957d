"""`unibind classify`: name what files show, sound like or move like."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import (
    JsonOption,
    KnowledgeOption,
    ModalityOption,
    busy,
    open_knowledge,
    percent,
    print_json,
    print_table,
    progress_bar,
    say,
)


@with_backbone_options
def classify(
    files: Annotated[list[Path], typer.Argument(help="Files of any modality.", show_default=False)],
    model: Annotated[str | None, typer.Option("--model", help="A fitted model: folder or Hugging Face name.")] = None,
    modality: ModalityOption = None,
    knowledge: KnowledgeOption = None,
    backbone: BackboneChoice = NO_CHOICE,
    top: Annotated[int, typer.Option(min=1, help="Candidates to show.")] = 3,
    json: JsonOption = False,
) -> None:
    """Classify files with a fitted model, or zero-shot by descriptions where no --model is given.

    One unreadable file does not stop the rest; the exit code is 2 if there was one.

    \b
    unibind classify dog.wav bunny.ply --model runs/demo/model
    unibind classify people.jpg --modality thermal --knowledge my_classes.jsonl
    """
    from ..errors import UnibindError
    from ..modalities.reading import read
    from ..model import UniBind

    if model is not None:
        unibind = backbone.open_model(model)
    else:
        base = open_knowledge(knowledge)
        unibind = UniBind.zero_shot(backbone.open(), base)
    raws, names, errors = [], [], []
    with progress_bar() as progress:
        for file in progress.track(files, description="reading"):
            try:
                raws.append(read(file, modality))
                names.append(str(file))
            except UnibindError as error:
                errors.append({"item": str(file), "error": str(error)})
    kinds = [raw.modality for raw in raws]
    with busy("classifying"):
        predictions = unibind.classify_vectors(unibind.embed(raws), kinds, names, top=top) if raws else []
    if json:
        print_json([asdict(p) for p in predictions] + errors)
    else:
        rows = [
            (
                p.item,
                p.modality,
                ", ".join(f"{label} {percent(share)}" for label, share in p.candidates),
                percent(p.none),
                p.description,
            )
            for p in predictions
        ]
        print_table(("item", "modality", "categories, %", "none of these, %", "description that won"), rows)
        for failed in errors:
            say(f"unibind: {failed['error']}")
    if errors:
        raise typer.Exit(2)
