"""`unibind knowledge check`: which classes of a base are too thin, ambiguous or leaking."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from .._console import JsonOption, print_json, print_table, say
from ._inspect import look_at


@with_backbone_options
def check(
    base: Annotated[Path, typer.Argument(help="The folder of a base, or a table of descriptions.")],
    classes: Annotated[
        str | None, typer.Option("--classes", help="Classes that must be there: a .txt file, a list, a manifest.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="Its items outside the split train must not be described.")
    ] = None,
    at_least: Annotated[int, typer.Option(min=1, help="Fewest descriptions of a class.")] = 20,
    misfits: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Most of a class's texts that may fit others better, as a share.")
    ] = 0.3,
    cosine: Annotated[float, typer.Option(min=-1.0, max=1.0, help="Most that two classes may be alike.")] = 0.98,
    backbone: BackboneChoice = NO_CHOICE,
    json: JsonOption = False,
) -> None:
    """Name classes with too few texts, with texts that fit other classes, or with texts that give another one away.

    The exit code is 1 where anything is amiss, so that a pipeline can stop there.

    \b
    unibind knowledge check kb --at-least 200
    unibind knowledge check kb --classes classes.txt --manifest data.csv --json
    """
    from ...data.manifest import read_manifest
    from ...knowledge.classes import read_classes
    from ...knowledge.inspection import Limits, check_base

    wanted = read_classes(classes) if classes else ()
    items = read_manifest(manifest) if manifest else ()
    held_out = {item.id for item in items if item.split not in (None, "train")}
    opened, _, reports = look_at(base, backbone)
    faults = check_base(opened, reports, Limits(at_least, misfits, cosine), wanted=wanted, held_out=held_out)
    if json:
        print_json([asdict(fault) for fault in faults])
    elif faults:
        print_table(("class", "", "what is amiss"), [(f.category, f.kind, f.message) for f in faults])
    if faults:
        say(f"unibind: {len({f.category for f in faults})} of {len(reports)} classes want a look")
        raise typer.Exit(1)
    if not json:
        say(f"{len(reports)} classes, {len(opened.descriptions):,} descriptions: nothing is amiss")
