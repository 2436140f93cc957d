"""`unibind knowledge show`: what a base contains."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from .._console import INPUT, OUTPUT, ForceOption, JsonOption, busy, notify, print_json, print_table

if TYPE_CHECKING:
    from ...knowledge.inspection import ClassReport, Inspection


@with_backbone_options
def show(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Folder of a base, or a table of descriptions.")],
    category: Annotated[
        str | None,
        typer.Option(
            "--class", metavar="NAME", help="Show one class with the ids of its texts.", rich_help_panel=INPUT
        ),
    ] = None,
    examples: Annotated[
        int, typer.Option(min=1, metavar="COUNT", help="Texts of that class to list.", rich_help_panel=OUTPUT)
    ] = 20,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a page with all classes and a map of the texts.", rich_help_panel=OUTPUT
        ),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a map of the texts as a picture.", rich_help_panel=OUTPUT),
    ] = None,
    backbone: BackboneChoice = NO_CHOICE,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Show how many descriptions a base has, examples, similar classes, and what was removed.

    Examples:
      $ unibind knowledge show kb
      $ unibind knowledge show kb --class drum --examples 50
      $ unibind knowledge show kb --html kb.html
    """
    from ...data.opening import open_backbone
    from ...files import check_output
    from ...knowledge.inspection import inspect_folder
    from ...knowledge.page import write_outputs

    for path in (html, png):
        if path is not None:
            check_output(path, force=force)
    opened = open_backbone(**backbone.arguments, only_texts=True)
    with busy("embedding"):
        inspection = inspect_folder(base, opened)
    reports = inspection.reports if category is None else (inspection.report(category),)
    if json:
        print_json([report.to_json() for report in reports])
    elif category is not None:
        _print_class(inspection, category, examples)
    else:
        _print_classes(reports)
    with busy("rendering"):
        written = write_outputs(inspection, base.name, opened.name, html=html, png=png)
    for path in written:
        notify(f"wrote {path}")


def _print_classes(reports: tuple[ClassReport, ...]) -> None:
    rows = [
        (
            r.category,
            f"{r.texts:,}",
            _counts(r.counts["aspect"]),
            _counts(r.counts["generator"]),
            "-" if r.nearest is None else f"{r.nearest} ({r.cosine:.2f})",
            f"{r.removed.total():,}",
        )
        for r in reports
    ]
    print_table(("class", "texts", "aspects", "generators", "nearest (cosine)", "removed"), rows)
    notify(f"{sum(r.texts for r in reports):,} descriptions of {len(reports):,} classes")


def _print_class(inspection: Inspection, category: str, examples: int) -> None:
    report = inspection.report(category)
    rows = [(column, _counts(count, 20)) for column, count in report.counts.items()]
    if report.nearest is not None:
        rows.append(("nearest class", f"{report.nearest} ({report.cosine:.2f})"))
    if report.misfits:
        rows.append(("fit better elsewhere", _counts(report.misfits)))
    if report.removed:
        rows.append(("removed", _counts(report.removed)))
    print_table((report.category, f"{report.texts:,} descriptions"), rows)
    texts = [(d.id, d.aspect or "-", d.text) for d in inspection.texts(category, examples)]
    print_table(("id", "aspect", "text"), texts, title="most typical first")


def _counts(counter: Counter[str], limit: int = 4) -> str:
    listed = ", ".join(f"{value} {count:,}" for value, count in counter.most_common(limit))
    return listed if len(counter) <= limit else f"{listed}, ..."
