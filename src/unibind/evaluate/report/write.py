"""Writing the report: the page, then the figures."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...files import OutputKind, write_all
from ..evaluation import Evaluation
from .examples import ExplainedItem, Search
from .sections import sections

PAGE, FIGURES = "report.html", "report.json"
REPORT = OutputKind("a report", marks=(PAGE, FIGURES))


@dataclass(frozen=True)
class Run:
    """How a report came about; on the page only, so that the figures of equal runs are equal bytes."""

    command: str
    created: str
    version: str = __version__

    @classmethod
    def now(cls, command: str | None) -> Run:
        """A run that ends now; `command` is the command line, where there was one."""
        return cls(command or "unibind.evaluate in Python", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")


def write_report(
    out: Path,
    evaluation: Evaluation,
    *,
    searches: Sequence[Search] = (),
    explanations: Sequence[ExplainedItem] = (),
    command: str | None = None,
) -> Path:
    """Write `report.html` and `report.json` under `out`, and return the path of the page.

    `command` is the command line that made the report; like the date it is on the
    page only: the same evaluation always gives the same bytes of `report.json`.
    """
    page = _page(evaluation, sections(evaluation, searches, explanations), Run.now(command))
    data = evaluation.to_json()
    if searches or explanations:
        data["searches"] = [_portable(asdict(s), out) for s in searches]
        data["explanations"] = [_portable(asdict(e), out) for e in explanations]
    write_all({out / PAGE: page, out / FIGURES: json.dumps(data, indent=1) + "\n"})
    return out / PAGE


def _page(evaluation: Evaluation, parts: dict[str, Any], run: Run) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("unibind.evaluate.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share, digits=1: f"{100 * share:.{digits}f}"
    environment.filters["words"] = lambda name: str(name).replace("_", " ")
    return environment.get_template("page.html.jinja").render(evaluation=evaluation, run=run, **parts)


def _portable(value: Any, out: Path) -> Any:
    """The value with all file paths relative to the report's folder, so that a run elsewhere gives the same bytes."""
    if isinstance(value, dict):
        paths = {k: os.path.relpath(v, out) for k, v in value.items() if k in ("uri", "item") and v}
        return {k: _portable(v, out) for k, v in value.items()} | paths
    return [_portable(v, out) for v in value] if isinstance(value, list) else value
