"""95 % intervals of accuracies and of their differences, by a paired, hierarchical bootstrap.

What is drawn with replacement is what would differ if all was done again: the towers' training seed, the data's seed,
and the objects that are measured. All items of an object, in all modalities, move together, and so do the answers of
all methods, which makes differences far more certain than their parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from ..data.embeddings import BLOCK
from ..errors import UnibindError

REPLICATES = 1000
_TAILS = (2.5, 97.5)  # percent

Replicates = Float64[np.ndarray, " r"]
Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Group:
    """The measured items of one modality: the object [N] that each shows, and which of them [N] each method got right.

    Instead of right or wrong, an item may have a score from 0 to 1, as the recall of a query. An item that shares its
    object with no other item has a name of its own.
    """

    objects: Sequence[str]
    correct: Mapping[str, Bool[np.ndarray, " n"] | Float[np.ndarray, " n"]]  # by method


Groups = Mapping[str, Group]  # by modality


@dataclass(frozen=True)
class Gain:
    """A method's accuracy minus that of the `strongest` rival, with its 95 % interval, as shares."""

    strongest: str
    gain: float
    interval: Interval


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Accuracies of every method on every modality: as `measured`, and in every replicate [R].

    Both map method -> modality -> values. With several runs, an accuracy is that of all their items. `objects` counts
    the distinct measured objects by modality, over all data seeds.
    """

    measured: dict[str, dict[str, float]]
    accuracy: dict[str, dict[str, Replicates]]
    objects: dict[str, int]

    def interval(self, method: str, modality: str) -> Interval:
        """The interval of an accuracy.

        Where all answers are right, or all are wrong, no replicate differs: the open end is then the exact one of as
        many independent objects (Clopper-Pearson).
        """
        low, high = _percentiles(self.accuracy[method][modality])
        measured, exact = self.measured[method][modality], 0.025 ** (1 / self.objects[modality])
        return (exact if measured == 1 else low), (1 - exact if measured == 0 else high)

    def mean(self, method: str, modalities: Sequence[str]) -> float:
        """The measured accuracy, averaged over modalities."""
        return float(np.mean([self.measured[method][m] for m in modalities]))

    def mean_interval(self, method: str, modalities: Sequence[str]) -> Interval:
        """The interval of the mean over modalities."""
        return _percentiles(self._mean(method, modalities))

    def difference(self, a: str, b: str, modalities: Sequence[str]) -> Interval:
        """The paired interval of the accuracy of method `a` minus that of `b`, averaged over modalities."""
        return _percentiles(self._mean(a, modalities) - self._mean(b, modalities))

    def gain(self, method: str, rivals: Sequence[str], modalities: Sequence[str]) -> Gain:
        """What `method` gains over the strongest of `rivals`, averaged over modalities.

        The strongest rival is the one with the best mean, chosen anew in every replicate: so the interval accounts for
        the choice, and is, if anything, too low.
        """
        means = {rival: self.mean(rival, modalities) for rival in rivals}
        strongest = max(means, key=lambda rival: means[rival])
        best = np.max([self._mean(rival, modalities) for rival in rivals], axis=0)
        gain = self.mean(method, modalities) - means[strongest]
        return Gain(strongest, gain, _percentiles(self._mean(method, modalities) - best))

    def _mean(self, method: str, modalities: Sequence[str]) -> Replicates:
        return np.asarray(np.mean([self.accuracy[method][m] for m in modalities], axis=0))


def bootstrap(groups: Groups, *, seed: int = 0, replicates: int = REPLICATES) -> Bootstrap:
    """Draw the objects of all modalities with replacement, `replicates` times; equal seeds give equal intervals."""
    return hierarchical_bootstrap({("", ""): groups}, seed=seed, replicates=replicates)


def hierarchical_bootstrap(
    runs: Mapping[tuple[str, str], Groups], *, seed: int = 0, replicates: int = REPLICATES
) -> Bootstrap:
    """Draw towers, data seeds, and the objects of each drawn data seed, all with replacement; see `bootstrap`.

    `runs` are by name of the tower's seed and of the data's seed, which must be crossed: each tower with all data. All
    towers see the same draw of data and objects, because they were measured on the same (the pigeonhole bootstrap, Owen
    2007, doi 10.1214/07-AOAS122). A level with a single value does not vary. The spread of a level with few values is
    understated, by the factor (n - 1) / n in variance. Raises UnibindError for runs that are not crossed, or not of the
    same methods, modalities and (for one data seed) objects.
    """
    tables, objects = _tables(runs)
    towers, data = (sorted({names[level] for names in runs}) for level in (0, 1))
    rng = np.random.default_rng(seed)
    columns = next(iter(tables.values())).shape[1]
    totals = np.zeros((replicates, len(towers), columns))
    for _ in data:  # one place to fill with a drawn data seed
        drawn_data = rng.integers(len(data), size=replicates)
        for d, name in enumerate(data):
            rows = np.flatnonzero(drawn_data == d)
            totals[rows] += _drawn_objects(rng, np.stack([tables[t, name] for t in towers]), len(rows))
    weights = rng.multinomial(len(towers), np.full(len(towers), 1 / len(towers)), replicates)
    drawn = np.einsum("rt,rtc->rc", weights, totals)
    total = np.sum([table.sum(axis=0) for table in tables.values()], axis=0)[None]
    return Bootstrap(
        {method: {m: float(v[0]) for m, v in by.items()} for method, by in _shares(runs, total).items()},
        _shares(runs, drawn),
        objects,
    )


Table = Float64[np.ndarray, "objects columns"]


def _tables(runs: Mapping[tuple[str, str], Groups]) -> tuple[dict[tuple[str, str], Table], dict[str, int]]:
    """A table per run, checked to belong together, and the distinct objects by modality.

    A table has a row per object. Its columns are, for each modality, the number of items and the right answers of each
    method, summed over the items of the object.
    """
    towers, data = ({names[level] for names in runs} for level in (0, 1))
    if len(runs) != len(towers) * len(data) or not runs:
        raise UnibindError(
            f"{len(runs)} runs do not cross {len(towers)} towers with {len(data)} data seeds; measure each tower on all"
        )
    shape = _shape(next(iter(runs.values())))
    rows: dict[str, dict[str, int]] = {}
    objects = dict.fromkeys(shape, 0)
    tables = {}
    for (tower, name), groups in runs.items():
        if _shape(groups) != shape:
            raise UnibindError(
                f"the run of tower {tower!r} on data {name!r} has other methods or modalities; repeat it"
            )
        distinct = sorted({o for group in groups.values() for o in group.objects})
        if name not in rows:  # the first tower on this data
            rows[name] = {o: i for i, o in enumerate(distinct)}
            objects = {m: count + len(set(groups[m].objects)) for m, count in objects.items()}
        if list(rows[name]) != distinct:
            raise UnibindError(f"the towers were measured on different objects of data {name!r}; measure them again")
        tables[tower, name] = np.concatenate([_per_object(g, rows[name]) for g in groups.values()], axis=1)
    return tables, objects


def _shape(groups: Groups) -> dict[str, list[str]]:
    return {modality: list(group.correct) for modality, group in groups.items()}


def _per_object(group: Group, rows: Mapping[str, int]) -> Table:
    index = [rows[name] for name in group.objects]
    columns = [np.ones(len(index)), *group.correct.values()]
    return np.stack([np.bincount(index, weights=column, minlength=len(rows)) for column in columns], axis=1)


def _drawn_objects(
    rng: np.random.Generator, tables: Float64[np.ndarray, "t o c"], replicates: int
) -> Float64[np.ndarray, "r t c"]:
    """Sums over as many objects as there are, drawn with replacement: the same ones for all towers."""
    towers, objects, columns = tables.shape
    table = tables.transpose(1, 0, 2).reshape(objects, towers * columns)
    step = max(1, BLOCK // objects)
    sums = [
        rng.multinomial(objects, np.full(objects, 1 / objects), min(step, replicates - start)) @ table
        for start in range(0, replicates, step)
    ]
    return np.concatenate([np.zeros((0, table.shape[1])), *sums]).reshape(replicates, towers, columns)


def _shares(
    runs: Mapping[tuple[str, str], Groups], sums: Float64[np.ndarray, "r c"]
) -> dict[str, dict[str, Float64[np.ndarray, " r"]]]:
    """Right answers by item, from sums over the rows of tables: method -> modality -> [R]."""
    found: dict[str, dict[str, Float64[np.ndarray, " r"]]] = {}
    column = 0
    for modality, methods in _shape(next(iter(runs.values()))).items():
        with np.errstate(invalid="ignore"):  # a replicate may have no item of a small modality
            shares = sums[:, column + 1 : column + 1 + len(methods)] / sums[:, column : column + 1]
        for method, values in zip(methods, shares.T, strict=True):
            found.setdefault(method, {})[modality] = values
        column += 1 + len(methods)
    return found


def _percentiles(replicates: Replicates) -> Interval:
    low, high = np.nanpercentile(replicates, _TAILS)
    return float(low), float(high)
