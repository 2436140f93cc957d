"""An evaluation: everything that was measured on one store, and what methods gain over each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..data.embeddings import Embeddings
from ..modalities import ANCHOR
from .controls import CLASS_NAME, CONTROLS
from .cross_modal import HEADLINE, between_moments, directions
from .intervals import Bootstrap, Interval, bootstrap
from .leakage import Leakage
from .methods import DESCRIPTIONS, FITTED, FITTED_ON, NEIGHBORS, PROBE, UNLEARNED
from .metrics import Bin
from .parts import Inventory
from .recognition import Recognition
from .remarks import remarks
from .runs import Run
from .shortcomings import shortcomings
from .spaces import Space
from .texts import ClassTexts
from .unknown import UnknownClasses


@dataclass(frozen=True)
class Calibrated:
    """How well the confidences of the fitted model fit its accuracy: bins of confidence, and their mean error."""

    error: float
    bins: list[Bin | None]


@dataclass(frozen=True)
class Comparison:
    """What `better` gains over `baseline` in a `measure`, with the paired 95 % interval, as shares.

    Where the baseline is the strongest of several, the interval accounts for that choice (see `Bootstrap.gain`). `name`
    says what is compared, and does not depend on which baseline is the strongest.
    """

    name: str
    measure: str
    better: str
    baseline: str
    gain: float
    interval: Interval

    def to_json(self) -> dict[str, Any]:
        """All fields; gain and interval in points, rounded to two digits."""
        return {
            "measure": self.measure,
            "better": self.better,
            "baseline": self.baseline,
            "points": round(100 * self.gain, 2),
            "interval": [round(100 * end, 2) for end in self.interval],
        }


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything that a report shows, measured on one store.

    `recognition` is None where no measured item has a label that can be recognized. A space is measured `uncentered`,
    `before` a fit and `after` it; None where no modality can be compared. `calibrated` is by modality; `left_out` maps
    a modality to its measured items by label whose class no method knows; `outside_anchor_space` lists the modalities
    that could not be compared with texts before the fit. `control_texts` is the number of texts per class of the
    controls that imitate descriptions. `unknown` is how well the fit, done again without some classes, tells their
    items; None unless the evaluation is full. `leakage` is what measured items have in common with other splits.
    """

    title: str
    backbone: str
    seed: int
    inventory: Inventory
    texts: ClassTexts
    control_texts: int
    recognition: Recognition | None
    uncentered: Space | None
    before: Space | None
    after: Space | None
    learned_parameters: int
    calibrated: dict[str, Calibrated]
    left_out: dict[str, dict[str, int]]
    outside_anchor_space: tuple[str, ...]
    unknown: UnknownClasses | None
    leakage: Leakage

    @property
    def spaces(self) -> dict[str, Space]:
        """The measured spaces by moment."""
        moments = {"uncentered": self.uncentered, "before": self.before, "after": self.after}
        return {name: space for name, space in moments.items() if space is not None}

    @property
    def samples(self) -> dict[str, dict[str, Embeddings]]:
        """The embeddings behind the spaces before and after the fit, as a search compares them, by modality."""
        return {moment: space.embeddings for moment, space in self.spaces.items() if moment != "uncentered"}

    def to_json(self) -> dict[str, Any]:
        """The figures in `report.json`. The same store, model and seed give the same bytes.

        `recognition` is described in `Recognition.to_json`; `retrieval` and `unity` are by moment ("uncentered",
        "before" and "after" the fit), see `CrossModal.to_json` and `Unity.to_json`; `gains` maps the name of a
        comparison to `Comparison.to_json`; `unknown_classes` is that of `UnknownClasses.to_json`; `calibration_error`
        is by modality; `leakage` is that of `Leakage.to_json`.
        """
        result: dict[str, Any] = {
            "title": self.title,
            "backbone": self.backbone,
            "seed": self.seed,
            "measured": self.inventory.measured,
            "items": self.inventory.items,
            "classes": self.inventory.classes,
            "unlabeled": self.inventory.unlabeled,
            "learned_parameters": self.learned_parameters,
            "description_generators": self.texts.generators,
            "control_texts_per_class": self.control_texts,
            "shortcomings": shortcomings(self),
            "remarks": remarks(self),
            "leakage": self.leakage.to_json(),
        }
        if self.recognition is not None:
            result["recognition"] = self.recognition.to_json()
        result["retrieval"] = {moment: space.retrieval.to_json() for moment, space in self.spaces.items()}
        result["unity"] = {m: space.unity.to_json() for m, space in self.spaces.items() if space.unity is not None}
        if self.left_out:
            result["left_out"] = self.left_out
        if self.outside_anchor_space:
            result["outside_anchor_space"] = self.outside_anchor_space
        if self.comparisons:
            result["gains"] = {found.name: found.to_json() for found in self.comparisons}
        if self.unknown is not None:
            result["unknown_classes"] = self.unknown.to_json()
        if self.calibrated:
            result["calibration_error"] = {m: round(c.error, 4) for m, c in self.calibrated.items()}
        return result

    def summary(self) -> dict[str, Any]:
        """The figures that matter most, as a model card shows them: averages, gains with intervals, what did not work.

        Empty where nothing was recognized.
        """
        found = self.recognition
        if found is None:
            return {}
        means = {method: mean for method in found.methods if (mean := found.mean(method)) is not None}
        result: dict[str, Any] = {
            f"top-1 on {self.inventory.measured}, average of modalities, %": {
                method: f"{100 * mean:.1f}" for method, mean in means.items()
            },
            "gain in points, with 95 % interval": {
                c.name: f"{100 * c.gain:+.1f} ({100 * c.interval[0]:+.1f} to {100 * c.interval[1]:+.1f})"
                for c in self.comparisons
            },
        }
        words = shortcomings(self)
        return result | ({"What did not work": words} if words else {})

    def run(self, tower: str, data: str) -> Run:
        """What was measured item by item, for figures over several seeds: the names are those of this run's seeds.

        Its measures are "top1" (methods by modality) and, before and after a fit, "recall@20 by class" and "recall@20
        by object" (moments by pair of modalities).
        """
        measures = {} if self.recognition is None else {"top1": self.recognition.groups}
        for kind in ("class", "object"):
            by_moment = {m: s.retrieval.queries[kind] for m, s in self.spaces.items() if m != "uncentered"}
            measures[f"{HEADLINE} by {kind}"] = between_moments(by_moment)
        return Run(tower, data, {name: groups for name, groups in measures.items() if groups})

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """The comparisons that the headline figures are about; the paper reports +6.36, +6.75 and +17.96 points."""
        return [*self._of_recognition(), *self._of_retrieval()]

    def _of_recognition(self) -> list[Comparison]:
        found = self.recognition
        if found is None or not found.shared:
            return []
        pairs = (
            ("descriptions over class names", DESCRIPTIONS, (CLASS_NAME,)),
            ("descriptions over the strongest control", DESCRIPTIONS, tuple(CONTROLS)),
            ("fitted over the best unfitted", FITTED, UNLEARNED),
            ("fitted over the better control that learns", FITTED, (NEIGHBORS, PROBE)),
            ("fitted over the same fit on the strongest control", FITTED, tuple(FITTED_ON.values())),
        )
        return [
            _comparison(name, "top-1", better, rivals, found.bootstrap, found.shared)
            for name, better, rivals in pairs
            if better in found.methods and set(rivals) & set(found.methods)
        ]

    def _of_retrieval(self) -> list[Comparison]:
        """What the fit gains and what it costs in search, over pairs of distinct modalities."""
        if self.before is None or self.after is None:
            return []
        comparisons = []
        for kind in ("class", "object"):
            groups = between_moments({m: self.spaces[m].retrieval.queries[kind] for m in ("before", "after")})
            if not groups:
                continue
            drawn = bootstrap(groups, seed=self.seed)
            by_text = [pair for pair in directions(self.before.retrieval.modalities, queries=ANCHOR) if pair in groups]
            for name, pairs in (("text to others", by_text), ("all pairs", list(groups))):
                if pairs:
                    title = f"{name} by {kind}, after the fit over before"
                    comparisons.append(_comparison(title, HEADLINE, "after", ("before",), drawn, pairs))
        return comparisons


def _comparison(
    name: str, measure: str, better: str, rivals: Sequence[str], drawn: Bootstrap, modalities: Sequence[str]
) -> Comparison:
    measured = [rival for rival in rivals if rival in drawn.measured]
    gain = drawn.gain(better, measured, modalities)
    return Comparison(f"{name}, {measure}", measure, better, gain.strongest, gain.gain, gain.interval)
