"""What a fit did: kept with the model, shown by `unibind fit` and by the model card."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from .json_files import COUNT, NUMBER, OBJECT, TEXT, check_fields, list_of, optional, table_of

MeasuredOn = Literal["cross-validation", "validation", "nothing"]


@dataclass(frozen=True)
class FitSummary:
    """What a fit did: its method, the total of learned parameters, and per modality the training items of every class,
    the penalty that was chosen (a multiple of the method's default; None where there is no choice), the top-1 on items
    that were held out, how they were (by cross-validation, or as the split of that name), and the record of the fit.
    `unfitted` are the modalities that learned nothing but their mean. Where no item could be held out,
    `validation_top1` is None. `store_version` is the version of the store that was learned from. `captioned` counts the
    training items of a fit from captions, which has no classes: `class_items` and `validation_top1` are empty there.
    """

    store_version: int
    learned_parameters: int
    class_items: dict[str, dict[str, int]]
    method: str
    penalty: dict[str, float | None]
    unfitted: list[str]
    validation_top1: dict[str, float | None]
    measured_on: dict[str, MeasuredOn]
    history: dict[str, list[dict[str, float]]] = field(repr=False)
    captioned: dict[str, int] = field(default_factory=dict)

    @property
    def train_items(self) -> dict[str, int]:
        """Number of training items per modality."""
        return {m: sum(counts.values()) for m, counts in self.class_items.items()} | self.captioned

    def learned(self, modality: str) -> str:
        """How a modality's head was fitted, in a few words."""
        if modality in self.unfitted:
            return "unfitted"
        penalty = self.penalty[modality]
        return self.method if penalty is None else f"{self.method}, penalty {penalty:g}"

    @property
    def chance(self) -> dict[str, float]:
        """Top-1 per modality of answering a class at random."""
        return {m: 1 / len(counts) for m, counts in self.class_items.items()}

    @property
    def majority(self) -> dict[str, float]:
        """Top-1 per modality of always answering the class with the most training items."""
        return {m: max(counts.values()) / sum(counts.values()) for m, counts in self.class_items.items()}

    def to_json(self) -> dict[str, Any]:
        """All but the record of the fit, for machines."""
        figures = {name: value for name, value in asdict(self).items() if name != "history"}
        return {**figures, "chance": self.chance, "majority": self.majority}


_SUMMARY = {
    "store_version": COUNT,
    "learned_parameters": COUNT,
    "class_items": table_of(table_of(COUNT)),
    "method": TEXT,
    "penalty": table_of(optional(NUMBER)),
    "unfitted": list_of(TEXT),
    "validation_top1": table_of(optional(NUMBER)),
    "measured_on": table_of(TEXT),
    "history": table_of(list_of(OBJECT)),
    "captioned": table_of(COUNT),
}


def read_summary(recorded: dict[str, Any], folder: Path) -> FitSummary:
    """The summary in the JSON of a model's folder; raises UnibindError, naming the field, where it is damaged."""
    where = f"the summary of the fit in {folder}"
    return FitSummary(**check_fields(recorded, _SUMMARY, where, "fit and save the model again"))
