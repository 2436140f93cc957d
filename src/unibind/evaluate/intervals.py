"""95 % intervals of accuracies, by bootstrap over objects: all items of an object, in all modalities, move together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from ..data.embeddings import BLOCK

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


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Accuracies of every method on every modality, in every replicate: method -> modality -> [R]."""

    accuracy: dict[str, dict[str, Replicates]]
    objects: dict[str, int]  # modality -> distinct measured objects

    def interval(self, method: str, modality: str, measured: float) -> Interval:
        """The interval around a measured accuracy.

        Where all answers are right, or all are wrong, no replicate differs: the open end is then the exact one of as
        many independent objects (Clopper-Pearson).
        """
        low, high = _percentiles(self.accuracy[method][modality])
        exact = 0.025 ** (1 / self.objects[modality])
        return (exact if measured == 1 else low), (1 - exact if measured == 0 else high)

    def mean_interval(self, method: str, modalities: Sequence[str]) -> Interval:
        """The interval of the mean over modalities."""
        return _percentiles(self._mean(method, modalities))

    def difference(self, a: str, b: str, modalities: Sequence[str]) -> Interval:
        """The paired interval of the accuracy of method `a` minus that of `b`, averaged over modalities."""
        return _percentiles(self._mean(a, modalities) - self._mean(b, modalities))

    def _mean(self, method: str, modalities: Sequence[str]) -> Replicates:
        return np.asarray(np.mean([self.accuracy[method][m] for m in modalities], axis=0))


def bootstrap(groups: Mapping[str, Group], *, seed: int = 0, replicates: int = REPLICATES) -> Bootstrap:
    """Draw the objects of all modalities with replacement, `replicates` times; equal seeds give equal intervals."""
    names = sorted({name for group in groups.values() for name in group.objects})
    position = {name: i for i, name in enumerate(names)}
    tables = {m: _per_object([position[name] for name in g.objects], g, len(names)) for m, g in groups.items()}
    rng = np.random.default_rng(seed)
    found: dict[str, dict[str, list[Replicates]]] = {}
    step = max(1, BLOCK // max(1, len(names)))
    for start in range(0, replicates, step):
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), min(step, replicates - start))
        for modality, table in tables.items():
            totals = drawn @ table  # [r, 1 + methods]: items, then right answers of each method
            with np.errstate(invalid="ignore"):  # a replicate may have no item of a small modality
                shares = totals[:, 1:] / totals[:, :1]
            for method, values in zip(groups[modality].correct, shares.T, strict=True):
                found.setdefault(method, {}).setdefault(modality, []).append(values)
    accuracy = {method: {m: np.concatenate(parts) for m, parts in by.items()} for method, by in found.items()}
    return Bootstrap(accuracy, {m: len(set(group.objects)) for m, group in groups.items()})


def _per_object(rows: Sequence[int], group: Group, count: int) -> Float64[np.ndarray, "objects columns"]:
    """Items and right answers of each method, summed over the items of each object."""
    columns = [np.ones(len(rows)), *group.correct.values()]
    return np.stack([np.bincount(rows, weights=column, minlength=count) for column in columns], axis=1)


def _percentiles(replicates: Replicates) -> Interval:
    low, high = np.nanpercentile(replicates, _TAILS)
    return float(low), float(high)
