"""Recognizing the items of one modality by every method, on the same items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..data.embeddings import Embeddings, joined
from ..data.store import Store
from ..model import UniBind
from .evaluation import Calibrated
from .fits import Recipe, fit_again, fit_on
from .methods import FITTED_ON, TextSources
from .metrics import expected_calibration_error, reliability
from .parts import Part, labeled
from .recognition import Answers, Recognized, answers_of, probe_answers
from .unknown import GROUP, UnknownClasses, leave_classes_out


def recognize(
    part: Part, sources: TextSources | None, models: Mapping[str, UniBind], *, seed: int = 0
) -> tuple[Recognized | None, dict[str, int]]:
    """The answers of every method to one modality's labeled items, and the items by label that no method knows.

    `models` are fitted ones by method. A class that one method lacks is left out for all of them, so that all are
    measured on the same items.
    """
    items, modality = labeled(part.measured), part.measured.modality
    usable = {
        name: model
        for name, model in models.items()
        if modality in model.centers and model.contract(modality).in_anchor_space
    }
    centers = {name: model.centers[modality] for name, model in usable.items()}
    if sources is not None and items.contract.in_anchor_space:
        centers |= sources.centers(modality, part)
    known = set(items.known_labels()).intersection(*(c.labels for c in centers.values()))
    unknown = dict(Counter(label for label in items.known_labels() if label not in known))
    items = items.take([row for row, label in enumerate(items.labels) if label in known])
    if not len(items):
        return None, unknown
    answers = probe_answers(joined(labeled(part.train), part.validation), items, seed=seed)  # as a fit learns from both
    before, truth = part.centered(items).vectors, items.known_labels()
    for method, own in centers.items():
        model = usable.get(method)
        if model is None:
            answers[method] = answers_of(own, before, truth)
        else:
            vectors = model.centered(model.project(items).vectors, modality)
            answers[method] = answers_of(own, vectors, truth, model.calibration.get(modality))
    if not answers:
        return None, unknown
    classes = max([len(c.labels) for c in centers.values()] or [len(set(items.labels))])
    return Recognized(items, answers, centers, classes), unknown


def fits_on_controls(
    model: UniBind, sources: TextSources, store: Store, *, seed: int = 0
) -> dict[str, dict[str, UniBind]]:
    """The fit of `model` done again on the texts of every control: method -> modality -> model; none where the model
    was fitted from captions, whatever the classes are.

    The store must have a split "test", of which such fits learn nothing.
    """
    if _learned_no_labels(model):
        return {}
    recipe = Recipe.of(model, store, seed=seed)
    return {FITTED_ON[name]: fit_on(store, sources, name, recipe) for name in sources.names()}


def unknown_classes(
    model: UniBind, store: Store, measured: Mapping[str, Embeddings], *, seed: int = 0
) -> UnknownClasses | None:
    """How well the fit of `model`, done again without some classes, tells their items; None for too few classes.

    `measured` are the labeled items of classes that the model knows, by modality.
    """
    classes = {label for items in measured.values() for label in items.known_labels()}
    if model.knowledge is None or len(classes) < GROUP + 3 or _learned_no_labels(model):
        return None
    recipe = Recipe.of(model, store, seed=seed)
    return leave_classes_out(lambda kept: fit_again(store, model, kept, recipe), measured, seed=seed)


def _learned_no_labels(model: UniBind) -> bool:
    return model.summary is not None and bool(model.summary.captioned)


def calibration_of(answers: Answers | None) -> Calibrated | None:
    """How well confidences fit; None where no confidence was calibrated.

    Every measured item belongs to one of the classes, so confidences are conditioned on that: "none of these" is not an
    answer here.
    """
    if answers is None or answers.confidence is None:
        return None
    pair = answers.confidence, answers.correct
    return Calibrated(expected_calibration_error(*pair), reliability(*pair))
