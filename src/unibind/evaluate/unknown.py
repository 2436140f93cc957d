"""How well a model tells items of classes that it has never heard of.

Some of the classes are left out of everything: labels, knowledge, centers and calibration. The model then meets
measured items of all classes. Groups of classes take turns, so that every class is unknown once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..align.unknown import margins
from ..data.embeddings import Embeddings
from ..errors import UnibindError
from ..model import UniBind
from .metrics import auroc

GROUP = 6  # classes that are left out together
RATE = 0.05  # stated share of unknown items that are accepted


@dataclass(frozen=True)
class ToldApart:
    """Items of known and of unknown classes, of one modality.

    `auroc` is the probability that an item of a known class looks more known than one of an unknown class.
    `false_accepts` and `true_accepts` are the shares of unknown and of known items that are accepted at the stated
    false-accept rate, and `none_probability` the mean probability of "none of these", where the share of unknown items
    is the prior; None where the model is not calibrated. `unknown_share` is that share, of `items`.
    """

    auroc: float
    false_accepts: float | None
    true_accepts: float | None
    none_probability: float | None
    unknown_share: float
    items: int


@dataclass(frozen=True)
class UnknownClasses:
    """Which groups of classes were left out, the false-accept rate that was asked for, and averages over the groups, by
    modality.
    """

    groups: list[tuple[str, ...]]
    false_accept_rate: float
    by_modality: dict[str, ToldApart]

    def mean(self, figure: str) -> float | None:
        """A figure of `ToldApart`, averaged over the modalities that have it."""
        values = [value for told in self.by_modality.values() if (value := getattr(told, figure)) is not None]
        return float(np.mean(values)) if values else None

    def to_json(self) -> dict[str, Any]:
        """Plain figures."""
        return {
            "groups": [list(group) for group in self.groups],
            "false_accept_rate": self.false_accept_rate,
            "by_modality": {m: asdict(told) for m, told in self.by_modality.items()},
            "mean": {figure: self.mean(figure) for figure in ("auroc", "false_accepts", "true_accepts")},
        }


def leave_classes_out(
    model_of: Callable[[Sequence[str]], UniBind],
    measured: Mapping[str, Embeddings],
    *,
    size: int = GROUP,
    groups: int | None = None,
    seed: int = 0,
    false_accept_rate: float = RATE,
) -> UnknownClasses:
    """Measure models without some of the classes on items of all, which no model may have learned from.

    `model_of` makes a model of the classes that it is given and of no others, as `unibind.fit(..., classes=...)` does
    with labels, and `UniBind.zero_shot(classes, ...)` without. `measured` are labeled items by modality, as the
    backbone embedded them. Random groups of `size` classes are left out in turn, at most `groups` of them. Raises
    UnibindError where fewer than three classes would remain.
    """
    classes = sorted({label for items in measured.values() for label in items.known_labels()})
    parts = class_groups(classes, size, seed)[:groups]
    told: dict[str, list[ToldApart]] = {}
    for part in parts:
        model = model_of([name for name in classes if name not in part])
        for modality, items in measured.items():
            if modality in model.centers:
                told.setdefault(modality, []).append(tell_apart(model, items, false_accept_rate))
    return UnknownClasses(parts, false_accept_rate, {m: _average(found) for m, found in told.items()})


def class_groups(classes: Sequence[str], size: int, seed: int = 0) -> list[tuple[str, ...]]:
    """The classes in random groups of `size`, sorted within each; those that make no whole group are in none.

    Raises UnibindError where fewer than three classes remain beside a group, or there is no group.
    """
    if not 1 <= size <= len(classes) - 3:
        raise UnibindError(
            f"{size} of {len(classes)} classes cannot be left out: at least 3 must remain; measure a store with more"
        )
    order = np.random.default_rng(seed).permutation(len(classes))
    whole = len(classes) // size * size
    return [tuple(sorted(classes[i] for i in order[start : start + size])) for start in range(0, whole, size)]


def tell_apart(model: UniBind, items: Embeddings, false_accept_rate: float = RATE) -> ToldApart:
    """How well a model tells items of its classes from others; both must be among the labeled `items`."""
    modality = items.modality
    centers, calibration = model.centers[modality], model.calibration.get(modality)
    known = np.isin(items.known_labels(), centers.labels)
    if known.all() or not known.any():
        raise UnibindError(f"the {modality} items are all of known or all of unknown classes; measure some of both")
    scores = centers.scores(model.centered(model.project(items).vectors, modality))
    values, share = margins(scores), float(1 - known.mean())
    area = auroc(values[known], values[~known])
    unknowns = None if calibration is None else calibration.unknowns
    if unknowns is None:
        return ToldApart(area, None, None, None, share, len(items))
    accepted = unknowns.accepted(scores, false_accept_rate)
    none = float(unknowns.none_probability(scores, share).mean())
    return ToldApart(area, float(accepted[~known].mean()), float(accepted[known].mean()), none, share, len(items))


def _average(found: Sequence[ToldApart]) -> ToldApart:
    def mean(figure: str) -> Any:
        values = [getattr(told, figure) for told in found]
        return None if None in values else float(np.mean(values))

    return ToldApart(
        auroc=mean("auroc"),
        false_accepts=mean("false_accepts"),
        true_accepts=mean("true_accepts"),
        none_probability=mean("none_probability"),
        unknown_share=mean("unknown_share"),
        items=found[0].items,
    )
