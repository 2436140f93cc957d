"""What several runs say together: means, and 95 % intervals over tower seeds, data seeds and objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from unibind.evaluate.intervals import Bootstrap, hierarchical_bootstrap
from unibind.evaluate.runs import Run as MeasuredRun
from unibind.evaluate.runs import groups_of

from .plan import Run
from .records import Record
from .tables import Estimate

ALL = "all modalities"  # the part of a measure whose scores are already averaged over an object's items


class Runs:
    """Records of the same form, of every tower on all the same data."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.bootstrap = cache(self._bootstrap)

    @classmethod
    def planned(cls, runs: Sequence[Run], records: Mapping[Run, Record]) -> Runs:
        """Those of the planned runs whose towers were measured on all the planned data."""
        incomplete = {run.towers for run in runs if run not in records}
        return cls([records[run] for run in runs if run.towers not in incomplete])

    def __bool__(self) -> bool:
        return bool(self.records)

    @property
    def first(self) -> Record:
        """A record that shows what was measured: all of them have the same form."""
        return self.records[0]

    @property
    def modalities(self) -> list[str]:
        """The modalities that were recognized."""
        return list(self.first["modalities"])

    def mean(self, figure: Callable[[Record], float]) -> float:
        """Mean of a plain figure over all runs."""
        return float(np.mean([figure(record) for record in self.records]))

    def means(self, figures: Callable[[Record], Any]) -> np.ndarray:
        """Mean over all runs of an array of plain figures, in which None stands for what is not defined."""
        return np.mean([np.array(figures(record), float) for record in self.records], axis=0)

    def methods(self, measure: str) -> list[str]:
        """The methods of a measure."""
        return list(self.bootstrap(measure).measured)

    def share(self, measure: str, method: str, parts: Sequence[str] = (ALL,)) -> Estimate:
        """The mean over parts of a method's scores."""
        draws = self.bootstrap(measure)
        return draws.mean(method, parts), *draws.mean_interval(method, parts)

    def difference(self, measure: str, better: str, baseline: str, parts: Sequence[str] = (ALL,)) -> Estimate:
        """The paired difference of two methods, as a mean over parts."""
        draws = self.bootstrap(measure)
        return draws.mean(better, parts) - draws.mean(baseline, parts), *draws.difference(better, baseline, parts)

    def _bootstrap(self, measure: str) -> Bootstrap:
        runs = [MeasuredRun.from_json(record["run"], "a record") for record in self.records]
        return hierarchical_bootstrap(groups_of(runs, measure))
