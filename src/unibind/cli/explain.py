"""`unibind explain`: which descriptions decided the class of a file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UnibindError
from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import (
    OUTPUT,
    CalibrateOption,
    ClassesOption,
    ForceOption,
    ItemTimeoutOption,
    JsonOption,
    KnowledgeOption,
    ModalityOption,
    ModelOption,
    UnlabeledOption,
    notify,
    percent,
    print_json,
    print_line,
    print_table,
)

if TYPE_CHECKING:
    from ..predictions import Explanation


@with_backbone_options
def explain(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of any modality.", show_default=False)],
    model: ModelOption = None,
    classes: ClassesOption = None,
    knowledge: KnowledgeOption = None,
    unlabeled: UnlabeledOption = None,
    calibrate: CalibrateOption = None,
    modality: ModalityOption = None,
    backbone: BackboneChoice = NO_CHOICE,
    top: Annotated[int, typer.Option(min=1, help="Descriptions to show per class.", rich_help_panel=OUTPUT)] = 5,
    png: Annotated[
        Path | None,
        typer.Option(
            "--png",
            metavar="FILE",
            help="Also draw the files beside the descriptions that decided.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    item_timeout: ItemTimeoutOption = 60,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Show which descriptions decided the class of a file, and what spoke for the runner-up.

    A description's contributions add up to the score of its class; what is negative speaks against the class. Shares
    are of all contributions to a class, for and against.

    Examples:
      $ unibind explain dog.wav --model runs/demo/model
      $ unibind explain holiday.jpg --knowledge my_classes.jsonl --png why.png
    """
    from ..api import open_model
    from ..files import check_output
    from ..predictions import Explanation, save_explanations

    if model is None and classes is None and knowledge is None:
        raise UnibindError("there are no classes to choose from; pass --model, --classes or --knowledge")
    if png is not None:
        check_output(png, force=force)
    opened = open_model(model, classes=classes, knowledge=knowledge, unlabeled=unlabeled, **backbone.arguments)
    if calibrate is not None:
        opened.calibrate(calibrate)
    results = opened.explain(files, top=top, modality=modality, item_timeout=item_timeout, on_error="return")
    explained = [result for result in results if isinstance(result, Explanation)]
    if json:
        print_json([r.to_json() if isinstance(r, Explanation) else asdict(r) for r in results])
    else:
        for result in results:
            if isinstance(result, Explanation):
                _print(result)
            else:
                notify(f"unibind: {result.message}")
    if png is not None and explained:
        save_explanations(explained, png)
        notify(f"the picture: {png}")
    if len(explained) < len(results):
        raise typer.Exit(2)


def _print(explanation: Explanation) -> None:
    from ..predictions import aspects_sentence

    cases = [case for case in (explanation.winner, explanation.runner_up) if case is not None]
    for line in (explanation.sentence, *map(aspects_sentence, cases)):
        if line:
            print_line(line)
    rows = [
        [
            case.label,
            percent(evidence.share),
            f"{evidence.contribution:+.4f}",
            f"{evidence.cosine:+.3f}",
            evidence.aspect or "-",
            evidence.generator or "-",
            evidence.description or evidence.description_id,
        ]
        for case in cases
        for evidence in case.evidence
    ]
    print_table(["class", "share, %", "contribution", "cosine", "aspect", "written by", "description"], rows)
