"""`unibind classify`: name the class of files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UnibindError
from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import (
    ADVANCED,
    MODEL,
    OUTPUT,
    ItemTimeoutOption,
    JsonOption,
    KnowledgeOption,
    ModalityOption,
    notify,
    percent,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from ..data.encode import ReadOptions
    from ..predictions import Prediction, Unreadable

_GROUP = 100  # files whose answers are printed together


@with_backbone_options
def classify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of any modality.", show_default=False)],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="DIR", help="A fitted model: folder or Hub name.", rich_help_panel=MODEL),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            metavar="NAMES",
            help="Class names, separated by commas, or a .txt file: zero-shot.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    knowledge: KnowledgeOption = None,
    modality: ModalityOption = None,
    backbone: BackboneChoice = NO_CHOICE,
    transductive: Annotated[
        bool, typer.Option("--transductive", help="Classify all files at once: what is alike belongs together.")
    ] = False,
    transductive_method: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The same by this method: em (default), transclip.", rich_help_panel=ADVANCED
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Candidates to show.", rich_help_panel=OUTPUT)] = 3,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that read files; 0 reads in this one.", rich_help_panel=ADVANCED)
    ] = 0,
    item_timeout: ItemTimeoutOption = 60,
    json: JsonOption = False,
) -> None:
    """Classify files with a fitted model, or zero-shot by class names or descriptions.

    One unreadable file does not stop the others; the exit code is then 2.

    Examples:
      $ unibind classify dog.wav bunny.ply --model runs/demo/model
      $ unibind classify holiday.jpg --classes "cat, dog, car"
      $ unibind classify people.jpg --modality thermal --knowledge my_classes.jsonl
      $ unibind classify photos/*.jpg --model runs/demo/model --transductive
    """
    from ..api import open_model
    from ..predictions import Unreadable

    if model is None and classes is None and knowledge is None:
        raise UnibindError("there are no classes to choose from; pass --model, --classes or --knowledge")
    opened = open_model(model, classes=classes, knowledge=knowledge, **backbone.arguments)
    at_once = transductive_method or transductive
    size = len(files) if at_once else _GROUP
    results: list[Prediction | Unreadable] = []
    try:
        for start in range(0, len(files), size):
            group = files[start : start + size]
            reading: ReadOptions = {"modality": modality, "workers": workers, "item_timeout": item_timeout}
            new = opened.classify(group, top=top, transductive=at_once, on_error="return", **reading)
            results += new
            if not json:
                _print(new)
    finally:  # also where a later file ends the run
        if json:
            print_json([asdict(result) for result in results])
    if any(isinstance(result, Unreadable) for result in results):
        raise typer.Exit(2)


def _print(results: list[Prediction | Unreadable]) -> None:
    """A table, and a line per file that has no prediction."""
    from ..predictions import Prediction, Unreadable

    _print_predictions([result for result in results if isinstance(result, Prediction)])
    for result in results:
        if isinstance(result, Unreadable):
            notify(f"unibind: {result.message}")


def _print_predictions(predictions: list[Prediction]) -> None:
    """A table; "none of these" is a column where a calibrated model can say it, and so is what the answer was for an
    item by itself, where that differs from the answer for all at once.
    """
    if not predictions:
        return
    calibrated = any(p.none_probability is not None for p in predictions)
    revised = any(p.inductive_label not in (None, p.label) for p in predictions)
    columns = [
        "item",
        "modality",
        "categories, %",
        *(["none of these, %"] if calibrated else []),
        *(["by itself, %"] if revised else []),
        "nearest description",
    ]
    rows = []
    for p in predictions:
        categories = ", ".join(f"{label} {percent(share)}" for label, share in p.candidates)
        none = "-" if p.none_probability is None else percent(p.none_probability)
        alone = [_by_itself(p)] if revised else []
        rows.append([p.item, p.modality, categories, *([none] if calibrated else []), *alone, p.description])
    print_table(columns, rows)


def _by_itself(prediction: Prediction) -> str:
    """The answer for the item by itself, where it is another one."""
    label, probability = prediction.inductive_label, prediction.inductive_probability
    if label is None or probability is None or label == prediction.label:
        return ""
    return f"{label} {percent(probability)}"
