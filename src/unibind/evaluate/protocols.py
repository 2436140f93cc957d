"""Protocols: what is measured on a store, before and after a fit, beside the controls.

Everything that can be chosen (strategy, K, scoring) is chosen on the validation split; the measured items are only
measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..align.centers import Centers
from ..backbones import Backbone
from ..data.embeddings import Embeddings, TextEmbeddings, joined
from ..data.store import Store
from ..errors import UnibindError
from ..knowledge import KnowledgeBase
from ..modalities import ANCHOR
from ..model import UniBind, check_stored
from .cross_modal import HEADLINE_K, CrossModal, Splits, cross_modal
from .intervals import Interval
from .methods import CLASS_NAME, DESCRIPTIONS, FITTED, NEIGHBORS, PROBE, RANDOM_WORDS, UNLEARNED, UnfittedMethods
from .metrics import Bin, expected_calibration_error, reliability
from .parts import Inventory, Part, labeled, load_part, recognized_modalities, sampled, store_name, take_inventory
from .recognition import Answers, Recognition, Recognized, answers_of, category_index, probe_answers
from .remarks import remarks
from .texts import ClassTexts, class_texts


def in_anchor_space(embeddings: Splits) -> dict[str, Embeddings]:
    """The embeddings that can be compared with texts."""
    return {m: e for m, e in embeddings.items() if e.contract.in_anchor_space}


@dataclass(frozen=True)
class Calibrated:
    """How well the confidences of the fitted model fit its accuracy: bins of confidence, and their mean error."""

    error: float
    bins: list[Bin | None]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything that a report shows, measured on one store.

    `recognition` is None where no measured item has a label that can be recognized; `before` and `after` are None where
    no modality can be compared. `calibrated` is by modality; `left_out` maps a modality to its measured items by label
    whose class no method knows; `outside_anchor_space` lists the modalities that could not be compared with texts
    before the fit. `samples` are the embeddings behind retrieval, before and after the fit.
    """

    title: str
    backbone: str
    seed: int
    inventory: Inventory
    texts: ClassTexts
    recognition: Recognition | None
    before: CrossModal | None
    after: CrossModal | None
    learned_parameters: int
    calibrated: dict[str, Calibrated]
    left_out: dict[str, dict[str, int]]
    outside_anchor_space: tuple[str, ...]
    samples: dict[str, dict[str, Embeddings]]

    def to_json(self) -> dict[str, Any]:
        """The figures in `report.json`. The same store, model and seed give the same bytes."""
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
            "remarks": remarks(self),
        }
        if self.recognition is not None:
            result["recognition"] = self.recognition.to_json()
        moments = {"before": self.before, "after": self.after}
        result["retrieval"] = {name: m.to_json() for name, m in moments.items() if m is not None}
        if self.left_out:
            result["left_out"] = self.left_out
        if self.outside_anchor_space:
            result["outside_anchor_space"] = self.outside_anchor_space
        if self.gains():
            result["gains"] = self.gains()
            result["gain_intervals"] = {
                name: [round(100 * end, 2) for end in interval] for name, interval in self.gain_intervals().items()
            }
        if self.calibrated:
            result["calibration_error"] = {m: round(c.error, 4) for m, c in self.calibrated.items()}
        return result

    def comparisons(self) -> dict[str, tuple[str, str]]:
        """The comparisons of methods that the headline figures are about: name -> better, baseline."""
        found = self.recognition
        if found is None or not found.shared:
            return {}
        pairs = {
            "descriptions over class names, top-1": (DESCRIPTIONS, CLASS_NAME),
            "descriptions over random words, top-1": (DESCRIPTIONS, RANDOM_WORDS),
        }
        for name, rivals in (("the best unfitted", UNLEARNED), ("the better control that learns", (NEIGHBORS, PROBE))):
            measured = [method for method in rivals if method in found.methods]
            if measured:
                best = max(measured, key=lambda method: found.mean(method) or 0.0)
                pairs[f"fitted over {name}, top-1"] = (FITTED, best)
        return {name: pair for name, pair in pairs.items() if set(pair) <= set(found.methods)}

    def gain_intervals(self) -> dict[str, Interval]:
        """The paired 95 % interval of every comparison, as shares."""
        found = self.recognition
        if found is None:
            return {}
        pairs = self.comparisons().items()
        return {name: found.bootstrap.difference(*pair, found.shared) for name, pair in pairs}

    def gains(self) -> dict[str, float]:
        """The headline differences in points, beside the paper's +6.36, +6.75 and +17.96."""
        differences: dict[str, float] = {}
        found = self.recognition
        for name, (better, baseline) in self.comparisons().items():
            assert found is not None
            differences[name] = (found.mean(better) or 0.0) - (found.mean(baseline) or 0.0)
        if self.before is not None and self.after is not None and ANCHOR in self.before.modalities:
            for gallery in self.before.modalities:
                gain = self.after.pair(ANCHOR, gallery, HEADLINE_K) - self.before.pair(ANCHOR, gallery, HEADLINE_K)
                if gallery != ANCHOR and np.isfinite(gain):
                    differences[f"{ANCHOR} to {gallery} after fit over before, recall@{HEADLINE_K}"] = gain
        return {name: round(100 * difference, 2) for name, difference in differences.items()}


def evaluate(
    backbone: Backbone,
    store: Store,
    *,
    knowledge: KnowledgeBase | None = None,
    texts: TextEmbeddings | None = None,
    fitted: UniBind | None = None,
    title: str | None = None,
    seed: int = 0,
) -> Evaluation:
    """Measure zero-shot recognition and cross-modal retrieval on a store; with `fitted` also after its fit.

    Classes are those of `knowledge` (else of the fitted model's knowledge), else the labels of the store, by their
    names. `texts` are the embeddings of the knowledge's descriptions, where they are at hand. `title` defaults to the
    name of the store. Raises UnibindError where there is nothing to measure, UnknownNameError for a measured label that
    `knowledge` lacks, and ContractError for a store of another backbone.
    """
    inventory = take_inventory(store)
    base = knowledge or (fitted.knowledge if fitted is not None else None)
    leaking = store.non_train_ids() if inventory.split is not None else store.ids()
    known = class_texts(base, inventory.labels, backbone, leaking=leaking, texts=texts)
    methods = UnfittedMethods(backbone, known, seed=seed) if known.classes and ANCHOR in backbone.modalities else None
    recognized: dict[str, Recognized] = {}
    calibrated: dict[str, Calibrated] = {}
    left_out: dict[str, dict[str, int]] = {}
    samples: dict[str, Embeddings] = {}
    for modality in store.modalities():
        part = load_part(store, modality, inventory)
        if not len(part.measured):
            continue
        check_stored(part.measured, backbone)
        samples[modality] = sampled(part.measured, seed=seed)
        if modality not in recognized_modalities(inventory):
            continue
        if knowledge is not None:  # what was asked for must describe every measured class
            category_index(labeled(part.measured).known_labels(), known.classes)
        found, unknown = _recognize(part, methods, fitted, seed)
        if unknown:
            left_out[modality] = unknown
        if found is not None:
            recognized[modality] = found
            calibrated |= _calibrated(modality, found.answers.get(FITTED))
    comparable = in_anchor_space(samples)
    projected = {} if fitted is None else in_anchor_space({m: fitted.project(e) for m, e in samples.items()})
    if not recognized and len(comparable) < 2:
        raise _nothing_to_measure(store, inventory, comparable)
    return Evaluation(
        title=title or store_name(store),
        backbone=backbone.name,
        seed=seed,
        inventory=inventory,
        texts=known,
        recognition=Recognition(recognized, seed=seed) if recognized else None,
        before=cross_modal(comparable) if comparable else None,
        after=cross_modal(projected) if projected else None,
        learned_parameters=0 if fitted is None or fitted.summary is None else fitted.summary.learned_parameters,
        calibrated=calibrated,
        left_out=left_out,
        outside_anchor_space=tuple(m for m in samples if m not in comparable),
        samples={"before": comparable} | ({"after": projected} if projected else {}),
    )


def _recognize(
    part: Part, methods: UnfittedMethods | None, fitted: UniBind | None, seed: int
) -> tuple[Recognized | None, dict[str, int]]:
    """The answers of every method to one modality's labeled items, and the items by label that no method knows.

    A class that one method lacks is left out for all of them, so that all are measured on the same items.
    """
    items, modality = labeled(part.measured), part.measured.modality
    centers: dict[str, Centers] = {}
    if methods is not None and items.contract.in_anchor_space:
        centers = methods.centers(modality, part)
    if fitted is not None and modality in fitted.centers and fitted.contract(modality).in_anchor_space:
        centers[FITTED] = fitted.centers[modality]
    known = set(items.known_labels()).intersection(*(c.labels for c in centers.values()))
    unknown = dict(Counter(label for label in items.known_labels() if label not in known))
    items = items.take([row for row, label in enumerate(items.labels) if label in known])
    if not len(items):
        return None, unknown
    answers = probe_answers(joined(labeled(part.train), part.validation), items, seed=seed)  # as a fit learns from both
    for method, own in centers.items():
        model = fitted if method == FITTED else None
        if model is None:
            vectors = part.centered(items).vectors
        else:
            vectors = model.centered(model.project(items).vectors, modality)
        calibration = None if model is None else model.calibration.get(modality)
        answers[method] = answers_of(own, vectors, items.known_labels(), calibration)
    if not answers:
        return None, unknown
    classes = max([len(c.labels) for c in centers.values()] or [len(set(items.labels))])
    return Recognized(items, answers, centers, classes), unknown


def _calibrated(modality: str, answers: Answers | None) -> dict[str, Calibrated]:
    """By modality; nothing where no confidence was calibrated.

    Every measured item belongs to one of the classes, so confidences are conditioned on that: "none of these" is not an
    answer here.
    """
    if answers is None or answers.confidence is None:
        return {}
    pair = answers.confidence, answers.correct
    return {modality: Calibrated(expected_calibration_error(*pair), reliability(*pair))}


def _nothing_to_measure(store: Store, inventory: Inventory, comparable: Mapping[str, Embeddings]) -> UnibindError:
    if any(inventory.labeled.values()) and not comparable:
        return UnibindError(
            f"no tower that encoded {store.path} is in the space of its texts; bridge one with `unibind bridge`, or "
            "fit a model and classify with it"
        )
    if any(inventory.labeled.values()):
        return UnibindError(f"no method knows a class of {store.path}; pass knowledge that describes its labels")
    return UnibindError(
        f"there is nothing to measure in {store.path}: {inventory.measured} have no labels, and there is no second "
        "modality to search; encode a manifest with a label column"
    )
