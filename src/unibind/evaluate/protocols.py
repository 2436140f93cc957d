"""Protocols: what is measured on a store, before and after a fit, beside the controls.

Everything that can be chosen (strategy, K, scoring) is chosen on the validation split; the test split is only measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..align.centers import Centers
from ..align.selection import CenterConfig, tune_centers
from ..backbones import Backbone
from ..data.embeddings import CategoryIndex, Embeddings, TextEmbeddings, Vectors
from ..data.store import Store
from ..errors import UnibindError, UnknownNameError
from ..knowledge.embedding import embed_descriptions
from ..modalities import ANCHOR
from ..model import UniBind
from .controls import class_names, random_words, templates
from .cross_modal import HEADLINE_K, CrossModal, Splits, cross_modal
from .metrics import expected_calibration_error, top_k_accuracy

CLASS_NAME, TEMPLATE, RANDOM_WORDS = "class name", "prompt template", "random words"
LLM_CENTERS, FITTED = "LLM centers", "fitted UniBind"
METHODS = (CLASS_NAME, TEMPLATE, RANDOM_WORDS, LLM_CENTERS, FITTED)


def split_of(store: Store, split: str) -> dict[str, Embeddings]:
    """The embeddings of one split, by modality."""
    return {m: store.vectors(modality=m, split=split) for m in store.modalities()}


def in_anchor_space(embeddings: Splits) -> dict[str, Embeddings]:
    """The embeddings that can be compared with texts."""
    return {m: e for m, e in embeddings.items() if e.contract.in_anchor_space}


# --- recognition -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ZeroShot:
    """Test top-1 of every method on every modality but text, and the centers behind each figure.

    A modality outside the anchor space has figures only after a fit.
    """

    top1: dict[str, dict[str, float]]  # method -> modality -> fraction
    centers: dict[str, dict[str, Centers]]  # method -> modality -> centers
    texts_per_class: dict[str, dict[str, int]]  # method -> modality -> largest K_c

    @property
    def modalities(self) -> list[str]:
        """All modalities with a figure, first those that every method was measured on."""
        return list(dict.fromkeys(m for by_modality in self.top1.values() for m in by_modality))

    def mean(self, method: str) -> float:
        """Average over the modalities that every method was measured on."""
        shared = [m for m in self.modalities if all(m in by_modality for by_modality in self.top1.values())]
        return float(np.mean([self.top1[method][m] for m in shared]))

    def to_json(self) -> dict[str, Any]:
        """Plain figures and choices."""
        return {
            "top1": self.top1,
            "mean": {method: self.mean(method) for method in self.top1},
            "texts_per_class": self.texts_per_class,
            "chosen": {
                method: {m: {"strategy": c.strategy, "scoring": asdict(c.scoring)} for m, c in by_modality.items()}
                for method, by_modality in self.centers.items()
            },
        }


def zero_shot(
    backbone: Backbone, store: Store, texts: TextEmbeddings, *, fitted: UniBind | None = None, seed: int = 0
) -> ZeroShot:
    """Top-1 on the store's test split with class names, templates, random words, LLM centers and the fitted model.

    LLM centers see the training samples without labels. Random words get as many texts per class as the selected LLM
    centers, and their scoring is chosen in the same way. Raises UnibindError if no modality is in the anchor space, or
    an item has no label.
    """
    test = {m: e for m, e in split_of(store, "test").items() if m != ANCHOR}
    modalities = list(in_anchor_space(test))
    if not modalities:
        raise UnibindError(
            f"no tower that encoded {store.path} is in the space of its texts; bridge one with `unibind bridge`, or "
            "fit a model and classify with it"
        )
    centers = _unfitted_centers(backbone, store, texts, modalities, seed)
    vectors = {method: {m: test[m].vectors for m in modalities} for method in centers}
    if fitted is not None:
        projected = in_anchor_space({m: fitted.project(e) for m, e in test.items()})
        centers[FITTED] = {m: fitted.centers[m] for m in projected}
        vectors[FITTED] = {m: e.vectors for m, e in projected.items()}
    top1 = {
        method: {m: top1_of(c, vectors[method][m], test[m].known_labels()) for m, c in by_modality.items()}
        for method, by_modality in centers.items()
    }
    sizes = {method: {m: max(c.sizes) for m, c in by_modality.items()} for method, by_modality in centers.items()}
    return ZeroShot(top1, centers, sizes)


def _unfitted_centers(
    backbone: Backbone, store: Store, texts: TextEmbeddings, modalities: Sequence[str], seed: int
) -> dict[str, dict[str, Centers]]:
    """Centers of every method but the fit, by method (as in METHODS) and modality, tuned on the validation split."""
    train, val = split_of(store, "train"), split_of(store, "val")
    validation = {m: (val[m].vectors, val[m].known_labels()) for m in modalities}
    selected = {m: tune_centers(texts, validation[m], samples=train[m].vectors)[0] for m in modalities}
    categories = texts.category_names()
    names = embed_descriptions(class_names(categories), backbone)
    most = max(max(c.sizes) for c in selected.values())
    noise = embed_descriptions(random_words(categories, most, seed), backbone)
    centers: dict[str, dict[str, Centers]] = {method: {} for method in (CLASS_NAME, TEMPLATE, RANDOM_WORDS)}
    for m in modalities:
        controls = {
            CLASS_NAME: names,
            TEMPLATE: embed_descriptions(templates(categories, m), backbone),
            RANDOM_WORDS: _first_of_each(noise, max(selected[m].sizes)),
        }
        for method, control in controls.items():
            centers[method][m], _ = tune_centers(control, validation[m], config=CenterConfig(strategy="all"))
    return centers | {LLM_CENTERS: selected}


def _first_of_each(texts: TextEmbeddings, count: int) -> TextEmbeddings:
    """The first `count` texts of every category."""
    seen: dict[str, int] = {}
    rows = []
    for row, category in enumerate(texts.categories):
        seen[category] = seen.get(category, 0) + 1
        if seen[category] <= count:
            rows.append(row)
    return texts.take(rows)


def top1_of(centers: Centers, vectors: Vectors, labels: Sequence[str]) -> float:
    """Top-1 of vectors [N, D] with known labels [N]; raises UnknownNameError for a label without centers."""
    return top_k_accuracy(centers.scores(vectors), _category_index(labels, centers.labels))


def _category_index(labels: Sequence[str], categories: Sequence[str]) -> CategoryIndex:
    index = {label: i for i, label in enumerate(categories)}
    for label in labels:
        if label not in index:
            raise UnknownNameError("label", label, categories)
    return np.array([index[label] for label in labels], np.intp)


# --- calibration -----------------------------------------------------------------------------------------------------


def calibration_errors(fitted: UniBind, test: Splits) -> dict[str, float]:
    """Expected calibration error of the fitted model on test items, for every modality that it calibrated.

    Every test item belongs to one of the categories, so confidences are conditioned on that: "none of these" is not an
    answer here.
    """
    errors = {}
    for m, stored in test.items():
        if m not in fitted.calibration or m not in fitted.centers or not len(stored):
            continue
        centers = fitted.centers[m]
        probabilities, none = fitted.calibration[m].probabilities(centers.scores(fitted.project(stored).vectors))
        correct = probabilities.argmax(axis=1) == _category_index(stored.known_labels(), centers.labels)
        confidence = probabilities.max(axis=1) / np.maximum(1 - none, 1e-12)
        errors[m] = expected_calibration_error(confidence, correct)
    return errors


# --- everything ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluation:
    """Everything that a report shows, measured on a store's test split.

    `calibration_error` is the expected calibration error of the fitted model by modality; `outside_anchor_space` lists
    the modalities that could not be compared with texts before the fit.
    """

    backbone: str
    seed: int
    items: dict[str, dict[str, int]]  # split -> modality -> items
    zero_shot: ZeroShot
    before: CrossModal
    after: CrossModal | None
    learned_parameters: int
    calibration_error: dict[str, float] = field(default_factory=dict)
    outside_anchor_space: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The figures in `report.json`. The same store, model and seed give the same bytes."""
        result: dict[str, Any] = {
            "backbone": self.backbone,
            "seed": self.seed,
            "items": self.items,
            "learned_parameters": self.learned_parameters,
            "zero_shot": self.zero_shot.to_json(),
            "retrieval": {"before": self.before.to_json()},
        }
        if self.outside_anchor_space:
            result["outside_anchor_space"] = self.outside_anchor_space
        if self.after is not None:
            result["retrieval"]["after"] = self.after.to_json()
            result["gains"] = self.gains()
            result["calibration_error"] = {m: round(e, 4) for m, e in self.calibration_error.items()}
        return result

    def gains(self) -> dict[str, float]:
        """The headline differences in points, beside the paper's +6.36, +6.75 and +17.96."""
        assert self.after is not None
        mean = self.zero_shot.mean
        unfitted = max(mean(method) for method in self.zero_shot.top1 if method != FITTED)
        differences = {
            "LLM centers over class names, top-1": mean(LLM_CENTERS) - mean(CLASS_NAME),
            "LLM centers over random words, top-1": mean(LLM_CENTERS) - mean(RANDOM_WORDS),
            "fitted over the best unfitted, top-1": mean(FITTED) - unfitted,
        }
        k = HEADLINE_K
        for gallery in self.before.modalities if ANCHOR in self.before.modalities else ():
            if gallery != ANCHOR:
                gain = self.after.pair(ANCHOR, gallery, k) - self.before.pair(ANCHOR, gallery, k)
                differences[f"{ANCHOR} to {gallery} after fit over before, recall@{k}"] = gain
        return {name: round(100 * difference, 2) for name, difference in differences.items()}


def evaluate(
    backbone: Backbone, store: Store, texts: TextEmbeddings, *, fitted: UniBind | None = None, seed: int = 0
) -> Evaluation:
    """Measure zero-shot recognition and cross-modal retrieval on the test split; with `fitted` also after its fit.

    Raises UnibindError if a modality has no items in the split "val" or "test".
    """
    items = {split: {m: len(e) for m, e in split_of(store, split).items()} for split in ("train", "val", "test")}
    _check_items(items, store)
    test = split_of(store, "test")
    comparable = in_anchor_space(test)
    projected = None if fitted is None else in_anchor_space({m: fitted.project(e) for m, e in test.items()})
    return Evaluation(
        backbone.name,
        seed,
        items,
        zero_shot(backbone, store, texts, fitted=fitted, seed=seed),
        cross_modal(comparable),
        None if projected is None else cross_modal(projected),
        0 if fitted is None or fitted.summary is None else fitted.summary.learned_parameters,
        {} if fitted is None else calibration_errors(fitted, {m: e for m, e in test.items() if m != ANCHOR}),
        tuple(m for m in test if m not in comparable),
    )


def _check_items(items: Mapping[str, Mapping[str, int]], store: Store) -> None:
    for split in ("val", "test"):
        empty = [m for m, count in items[split].items() if not count and (m != ANCHOR or split == "test")]
        if empty or not items[split]:
            raise UnibindError(
                f"the store {store.path} has no {split} items of {', '.join(empty) or 'any modality'}; an evaluation "
                "needs a manifest whose split column contains train, val and test"
            )
