"""Answers, and how a person wants them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..align.transduction import check_method
from ..errors import UnibindError

NONE_OF_THESE = "none of these"


@dataclass(frozen=True)
class Answering:
    """How items are answered; the number of candidates is limited to `top`.

    `none_prior` is the share of items that belong to none of the classes, as far as is known before looking at them; an
    item that then more likely than not belongs to none of them is not accepted. Instead, `false_accept_rate` is the
    share of such items that may be accepted. With `multi_label`, every class has a probability of its own, and those
    whose probability is above `threshold` are the labels. `transductive` is the method by which all items of a modality
    are classified at once (None: item by item), and `class_prior` what it knows of how frequent classes are: nothing,
    "uniform", or a share for each. Raises UnibindError for values outside their range or that contradict each other.
    """

    top: int = 5
    none_prior: float = 0.0
    false_accept_rate: float | None = None
    multi_label: bool = False
    threshold: float = 0.5
    transductive: str | None = None
    class_prior: str | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        if self.top < 1:
            raise UnibindError(f"top must be at least 1, not {self.top}")
        if not 0 <= self.none_prior < 1:
            raise UnibindError(f"none_prior is a share of items, at least 0 and below 1, not {self.none_prior:g}")
        if self.false_accept_rate is not None and not 0 < self.false_accept_rate < 1:
            raise UnibindError(
                f"false_accept_rate is a share of items, between 0 and 1, not {self.false_accept_rate:g}"
            )
        if not 0 < self.threshold < 1:
            raise UnibindError(f"threshold is a probability, between 0 and 1, not {self.threshold:g}")
        if self.none_prior and self.false_accept_rate is not None:
            raise UnibindError("none_prior and false_accept_rate both decide what is accepted; give one of them")
        if self.multi_label and (self.none_prior or self.false_accept_rate is not None):
            raise UnibindError(
                "with multi_label an item may have no label at all; leave out none_prior and false_accept_rate"
            )
        if self.transductive is not None:
            check_method(self.transductive)
        if self.transductive is not None and self.multi_label:
            raise UnibindError("items of several labels cannot be classified at once; leave out transductive")
        if self.transductive is None and self.class_prior is not None:
            raise UnibindError("a class prior is for items that are classified at once; pass transductive=True with it")

    def of_one_item(self) -> dict[str, Any]:
        """The settings but for those of items that are classified at once; raises UnibindError where these are set."""
        settings = asdict(self)
        if settings.pop("transductive") is not None or settings.pop("class_prior") is not None:
            raise UnibindError("a whole store is classified item by item; leave out transductive")
        return settings

    @property
    def open(self) -> bool:
        """Whether the answer may be another than the most likely category."""
        return self.multi_label or self.none_prior > 0 or self.false_accept_rate is not None


@dataclass(frozen=True)
class Prediction:
    """The classification of one item.

    `label` is the most likely category and `probability` its probability, given that the item belongs to one of the
    categories. `none_probability` is the probability that it belongs to none of them, by the share of such items that
    was stated: 0 where none was, None where the model cannot say. `accepted` is False where the answer is "none of
    these". `labels` are the categories that apply: `label` where it is accepted, and of a multi-label classification,
    where every probability is that of its category alone, any number. `candidates` are the most likely categories, best
    first; `description` is the nearest text of `label`. Where items were classified at once (transductively),
    `inductive_label` and `inductive_probability` are the answer for the item by itself, otherwise None.
    """

    item: str
    modality: str
    label: str
    probability: float
    none_probability: float | None
    accepted: bool
    labels: list[str]
    candidates: list[tuple[str, float]]
    description: str
    description_id: str
    inductive_label: str | None = None
    inductive_probability: float | None = None

    @property
    def answer(self) -> str:
        """The labels in words, or "none of these"."""
        return ", ".join(self.labels) or NONE_OF_THESE


@dataclass(frozen=True)
class Unreadable:
    """An item that could not be read: the class and message of the error."""

    item: str
    error: str
    message: str
