"""`unibind knowledge show`: what is in a base."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from .._console import JsonOption, busy, print_json, print_table, say
from ._inspect import look_at

if TYPE_CHECKING:
    from ...knowledge import KnowledgeBase
    from ...knowledge.inspection import ClassReport


@with_backbone_options
def show(
    base: Annotated[Path, typer.Argument(help="The folder of a base, or a table of descriptions.")],
    category: Annotated[str | None, typer.Option("--class", help="One class, with the ids of its texts.")] = None,
    examples: Annotated[int, typer.Option(min=1, help="Texts of that class that are listed.")] = 20,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with all classes and a picture.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw the texts on a plane into this PNG.")] = None,
    backbone: BackboneChoice = NO_CHOICE,
    json: JsonOption = False,
) -> None:
    """How many descriptions of what kind there are, examples, which classes are alike, and what was left out.

    \b
    unibind knowledge show kb
    unibind knowledge show kb --class drum --examples 50
    unibind knowledge show kb --html kb.html
    """
    from ...errors import UnknownNameError
    from ...files import write_whole

    opened, embedded, reports = look_at(base, backbone)
    if category is not None:
        reports = [r for r in reports if r.category == category]
        if not reports:
            raise UnknownNameError("category", category, opened.categories)
    if json:
        print_json([report.to_json() for report in reports])
    elif category is not None:
        _tell_class(opened, reports[0], examples)
    else:
        _tell(reports)
    if html is not None or png is not None:
        from ...knowledge.inspection import check_base
        from ...knowledge.page import draw_texts, write_page

        with busy("drawing"):
            picture = draw_texts(embedded)
        if png is not None:
            write_whole(png, picture)
            say(f"drawn in {png}")
        if html is not None:
            removed = sum((r.removed for r in reports), Counter())
            name = backbone.name or "mini"
            write_page(html, base.name, reports, check_base(opened, reports), picture, removed, name)
            say(f"The page: {html}")


def _tell(reports: list[ClassReport]) -> None:
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
    print_table(("class", "texts", "aspects", "generators", "nearest (cosine)", "left out"), rows)
    say(f"{sum(r.texts for r in reports):,} descriptions of {len(reports):,} classes")


def _tell_class(base: KnowledgeBase, report: ClassReport, examples: int) -> None:
    facts = [(of, _counts(count, 20)) for of, count in report.counts.items()]
    if report.nearest is not None:
        facts.append(("nearest class", f"{report.nearest} ({report.cosine:.2f})"))
    if report.misfits:
        facts.append(("fit better elsewhere", _counts(report.misfits)))
    if report.removed:
        facts.append(("left out", _counts(report.removed)))
    print_table((report.category, f"{report.texts:,} descriptions"), facts)
    typical = {d.id: d for d in report.examples}
    rest = (d for d in base.descriptions if d.category == report.category and d.id not in typical)
    listed = [*typical.values(), *rest][:examples]
    print_table(("id", "aspect", "text"), [(d.id, d.aspect or "-", d.text) for d in listed], title="most typical first")


def _counts(counter: Counter[str], most: int = 4) -> str:
    said = ", ".join(f"{value} {count:,}" for value, count in counter.most_common(most))
    return said if len(counter) <= most else f"{said}, ..."
