"""Tables of docs/results.md about photographs, from their record."""

from __future__ import annotations

from collections.abc import Mapping

from unibind.evaluate.controls import CLASS_NAME

from . import heptad_page as heptad
from .estimates import Runs
from .records import Record
from .tables import MISSING, Estimate, percent, table


def pictures_table(record: Record) -> str:
    """What texts find among all pictures, and pictures among names."""
    searches: Mapping[str, Mapping[str, float]] = record["search"]
    measures = list(dict.fromkeys(measure for by in searches.values() for measure in by))
    rows = [[name, *(percent(by[m]) if m in by else MISSING for m in measures)] for name, by in searches.items()]
    return table(["found, %", *measures], rows)


def facts(record: Record) -> str:
    """How many pictures of how many families there are."""
    return (
        f"{record['of_families']} of {record['pictures']} pictures belong to {record['families']} families; the others "
        "are searched too."
    )


def tables(record: Record) -> tuple[str, str, str, str]:
    """Zero-shot with controls, by labels, gains of labels, and search."""
    runs = Runs([record])
    return (
        heptad.controls_table(runs),
        heptad.shots_table(runs),
        heptad.gains_table(runs),
        pictures_table(record),
    )


def over_names(record: Record) -> Estimate:
    """What descriptions gain over class names."""
    return heptad.over_names(Runs([record]))


def over_strongest(record: Record) -> tuple[str, Estimate]:
    """The strongest control, and what descriptions gain over it."""
    return heptad.over_strongest(Runs([record]))


def by_names(record: Record) -> str:
    """How many pictures are recognized by class names, in percent."""
    runs = Runs([record])
    return percent(runs.share("top1", CLASS_NAME, runs.modalities)[0])
