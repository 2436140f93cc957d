"""Explanations as a picture: each item beside the descriptions that spoke for its class, and for the runner-up."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.inputs import loadable_item
from ..data.loader import RawItem, read_item
from ..extras import import_extra
from ..files import write_whole
from ..modalities import Raw
from ..modalities.limits import Limits
from ..modalities.pictures import picture
from .words import percentage, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from .explanation import Case, Evidence, Explanation

_WIDTH, _DPI = 13.0, 120  # of the whole picture, in inches; dots per inch
_LINE, _HEADING = 0.42, 0.55  # inches per description; around a case
_CHARACTERS, _LINES = 78, 2  # of a description
_PICTURE = 480  # pixels
_FOR, _OTHER, _AGAINST = "#3366cc", "#e08a1e", "#bbbbbb"  # winner, runner-up, and what speaks against either


def save_explanations(explanations: Sequence[Explanation], path: str | Path) -> None:
    """Draw explanations, one below the other, as a PNG file.

    Raises MissingExtraError without the extra `report`, and what readers raise where an item cannot be read again.
    """
    figures = import_extra("matplotlib.figure", "pictures of explanations")
    raws = [_read_again(explanation) for explanation in explanations]
    heights = [_height(explanation) for explanation in explanations]
    figure = figures.Figure(figsize=(_WIDTH, sum(heights)), dpi=_DPI, layout="constrained")
    rows = figure.subfigures(len(explanations), 1, height_ratios=heights, squeeze=False)[:, 0]
    for row, explanation, raw in zip(rows, explanations, raws, strict=True):
        _draw(row, explanation, raw)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # of a script that the font lacks: boxes are drawn
        figure.savefig(buffer, format="png", facecolor="white")
    write_whole(Path(path), buffer.getvalue())


def _cases(explanation: Explanation) -> list[Case]:
    return [case for case in (explanation.winner, explanation.runner_up) if case is not None]


def _height(explanation: Explanation) -> float:
    return max(3.2, sum(_HEADING + _LINE * len(case.evidence) for case in _cases(explanation)) + 0.6)


def _read_again(explanation: Explanation) -> Raw:
    loadable = loadable_item(explanation.source, "", explanation.prediction.modality, Limits())
    return loadable.raw if isinstance(loadable, RawItem) else read_item(loadable, Limits())


def _draw(figure: SubFigure, explanation: Explanation, raw: Raw) -> None:
    cases = _cases(explanation)
    figure.suptitle(shortened(explanation.prediction.item, 100), fontsize=10, color="#444444", parse_math=False)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[1, 2.6])[0]
    shown = left.subplots()
    shown.imshow(picture(raw, _PICTURE))
    shown.axis("off")
    panels: Any = right.subplots(
        len(cases), 1, sharex=True, squeeze=False, height_ratios=[max(1, len(case.evidence)) for case in cases]
    )
    for panel, case, color in zip(panels[:, 0], cases, (_FOR, _OTHER), strict=False):
        _draw_case(panel, case, color)
    panels[-1, 0].set_xlabel(f"contribution to the score ({explanation.scoring})", fontsize=8)


def _draw_case(panel: Axes, case: Case, color: str) -> None:
    added = [evidence.contribution for evidence in case.evidence]
    places = range(len(added))
    bars = panel.barh(places, added, color=[color if value >= 0 else _AGAINST for value in added], height=0.62)
    panel.bar_label(bars, [percentage(evidence.share) for evidence in case.evidence], padding=3, fontsize=8)
    panel.set_yticks(places, [_wrapped(evidence) for evidence in case.evidence], fontsize=8, parse_math=False)
    panel.invert_yaxis()
    panel.margins(x=0.12)
    panel.axvline(0, color="#888888", linewidth=0.8)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(axis="x", labelsize=8)
    title = f"{case.label}: {percentage(case.probability)}, score {case.score:.3f}"
    if len(added) < case.descriptions:
        title += f"  ({len(added)} of {case.descriptions:,} descriptions)"
    panel.set_title(title, loc="left", fontsize=11, fontweight="bold", color=color, parse_math=False)


def _wrapped(evidence: Evidence) -> str:
    text = shortened(evidence.description or evidence.description_id, _CHARACTERS * _LINES - 10)
    about = f" [{evidence.aspect}]" if evidence.aspect else ""
    return "\n".join(textwrap.wrap(text + about, _CHARACTERS)[: _LINES + 1])
