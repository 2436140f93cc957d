"""The table of the declared grid: every cell, also one that is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import heptad_page as heptad
from .estimates import Runs
from .plan import Run, Towers
from .records import Record
from .tables import percent, points, table

_MISSING = "missing"


def grid_table(planned: Sequence[Run], records: Mapping[Run, Record]) -> str:
    """A row per kind of towers: descriptions, what they gain, and what a fit and unified heads add."""
    cells = dict.fromkeys(run.towers for run in planned)
    header = ["captions that name the class", "objects", "class name, %", "descriptions, %", "over class names, points"]
    header += ["over the strongest control, points", "fit, all labels, %", "unified: recall@20 by caption, points"]
    return table(header, [_row(towers, [r for r in planned if r.towers == towers], records) for towers in cells])


def gains_by_captions(planned: Sequence[Run], records: Mapping[Run, Record]) -> str:
    """What descriptions gain where captions never name the class, and where they always do; "" where not measured."""
    most = max((run.towers.objects for run in planned), default=0)
    cells = {named: [r for r in planned if r.towers.objects == most and r.towers.named == named] for named in (0, 1)}
    runs = {named: Runs.planned(cell, records) for named, cell in cells.items()}
    if not all(runs.values()):
        return ""
    never, always = (points(heptad.over_names(runs[named])) for named in (0, 1))
    return (
        f"Where the captions that towers learn from never name the class, descriptions gain {never} points over class "
        f"names; where they always do, {always}."
    )


def _row(towers: Towers, planned: Sequence[Run], records: Mapping[Run, Record]) -> list[str]:
    place = [f"{100 * towers.named:.0f} %", str(towers.objects)]
    runs = Runs.planned(planned, records)
    if not runs:
        return [*place, *[_MISSING] * 6]
    names, described = (runs.share("top1", m, runs.modalities)[0] for m in (heptad.CLASS_NAME, heptad.DESCRIPTIONS))
    control, gain = heptad.over_strongest(runs)
    fitted = runs.share("top1", heptad.DEFAULT_FIT, runs.modalities)[0]
    found = heptad.search_gain(runs, heptad.UNIFIED, heptad.text_pairs(runs))
    figures = [percent(names), percent(described), points(heptad.over_names(runs)), f"{points(gain)}, {control}"]
    return [*place, *figures, percent(fitted), points(found)]
