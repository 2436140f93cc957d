"""`unibind knowledge check`: classes of a base that are too thin, ambiguous or leaking."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from .._console import ADVANCED, INPUT, JsonOption, busy, notify, print_json, print_table


@with_backbone_options
def check(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Folder of a base, or a table of descriptions.")],
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="CLASSES",
            help="Expected classes: a .txt file, a list, or a labeled manifest.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Report descriptions of its items outside the train split.", rich_help_panel=INPUT
        ),
    ] = None,
    min_texts: Annotated[
        int, typer.Option(min=1, metavar="COUNT", help="Fewest descriptions per class.", rich_help_panel=ADVANCED)
    ] = 20,
    max_misfits: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="FRACTION",
            help="Largest fraction of a class's texts that may fit another class better.",
            rich_help_panel=ADVANCED,
        ),
    ] = 0.3,
    max_cosine: Annotated[
        float,
        typer.Option(
            min=-1.0,
            max=1.0,
            metavar="COSINE",
            help="Largest similarity of the means of two classes.",
            rich_help_panel=ADVANCED,
        ),
    ] = 0.98,
    backbone: BackboneChoice = NO_CHOICE,
    json: JsonOption = False,
) -> None:
    """Report classes with too few texts, with texts that fit other classes, or with leaking texts.

    Exits with 1 if there is a problem, so that a pipeline can stop.

    Examples:
      $ unibind knowledge check kb --min-texts 200
      $ unibind knowledge check kb --classes classes.txt --manifest data.csv --json
    """
    from ...data.intake import read_manifest
    from ...data.opening import open_backbone
    from ...knowledge.classes import read_classes
    from ...knowledge.inspection import CheckThresholds, check_base, inspect_folder

    items = read_manifest(manifest) if manifest else ()
    with busy("embedding"):
        inspection = inspect_folder(base, open_backbone(**backbone.arguments, only_texts=True))
    problems = check_base(
        inspection,
        CheckThresholds(min_texts, max_misfits, max_cosine),
        expected_classes=read_classes(classes) if classes else (),
        non_train_ids={item.id for item in items if item.split not in (None, "train")},
    )
    if json:
        print_json([asdict(problem) for problem in problems])
    elif problems:
        print_table(("class", "kind", "problem"), [(p.category, p.kind, p.message) for p in problems])
    if problems:
        count = len({problem.category for problem in problems})
        notify(f"unibind: {count} of {len(inspection.reports)} classes have problems")
        raise typer.Exit(1)
    if not json:
        notify(f"{len(inspection.reports)} classes, {len(inspection.base):,} descriptions: no problems found")
