"""What the figures of an evaluation cannot tell, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .methods import FITTED, NEIGHBORS, PROBE
from .parts import MOST_SAMPLED, TEST, TRAIN, names
from .recognition import MOST_LEARNED, Recognition

if TYPE_CHECKING:
    from .evaluation import Evaluation

FEW_OBJECTS = 30  # measured, below which an interval is rough


def remarks(evaluation: Evaluation) -> list[str]:
    """One sentence per thing to know before trusting the figures; methods that are not distinguishable come last."""
    found = [
        *evaluation.leakage.remarks(),
        *_about_classes(evaluation),
        *_about_splits(evaluation),
        *_about_items(evaluation),
        *_about_modalities(evaluation),
    ]
    return found + ([] if evaluation.recognition is None else indistinguishable(evaluation.recognition))


def indistinguishable(recognition: Recognition) -> list[str]:
    """For every modality, the methods whose difference from the best one may be chance.

    That is where the paired 95 % interval of the difference includes zero.
    """
    found = []
    for modality, recognized in recognition.by_modality.items():
        answers = recognized.answers
        accuracy = {method: answers[method].accuracy for method in recognition.methods if method in answers}
        best = max(accuracy, key=lambda method: accuracy[method])
        doubtful = [
            f"{method} ({100 * share:.1f} %)"
            for method, share in accuracy.items()
            if method != best and recognition.bootstrap.difference(best, method, [modality])[0] <= 0
        ]
        if doubtful:
            found.append(
                f"{names([modality])}: {best} ({100 * accuracy[best]:.1f} %) is not distinguishable from "
                f"{_listed(doubtful)} with {len(recognized.items)} items"
            )
    return found


def _about_classes(evaluation: Evaluation) -> list[str]:
    found = []
    if evaluation.recognition is not None and evaluation.texts.descriptions is None:
        found.append("no descriptions were given: class names, as the labels have them, stand for the classes")
    for modality, unknown in evaluation.left_out.items():
        left = sum(unknown.values())
        total = evaluation.inventory.labeled[modality]
        found.append(
            f"{left} {names([modality])} {_plural(left, 'item')} of classes that the model does not know "
            f"({_listed(sorted(unknown))}) are left out; counted as errors, they would multiply every accuracy by "
            f"{(total - left) / total:.2f}"
        )
    return found


def _about_splits(evaluation: Evaluation) -> list[str]:
    inventory, recognition, found = evaluation.inventory, evaluation.recognition, []
    if inventory.split is None:
        found.append("the store has neither a test nor a validation split, so all its items are measured")
    elif inventory.split != TEST:
        found.append(f"the store has no test split, so its {inventory.split} split is measured")
    if recognition is None:
        return found
    if inventory.split is None or TRAIN not in inventory.items:
        found.append("without training items, no mean is removed from items, and all texts of a class are its centers")
    described = max((len(texts) for texts in evaluation.texts.by_class.values()), default=0)
    if evaluation.control_texts < described:
        found.append(
            f"controls have {evaluation.control_texts} texts per class, and descriptions up to {described}; a full "
            "evaluation gives both as many"
        )
    if inventory.split != TEST and FITTED in recognition.methods:
        found.append(
            "the fitted model may have learned from the measured items or been tuned on them, so its figures may be "
            "too good; encode a manifest with a test split to know"
        )
    if NEIGHBORS in recognition.methods and PROBE not in recognition.methods:
        found.append("the linear probe is left out, because it needs `pip install 'unibind[report]'`")
    large = [m for m in recognition.by_modality if inventory.items.get(TRAIN, {}).get(m, 0) > MOST_LEARNED]
    if large and NEIGHBORS in recognition.methods:
        found.append(f"nearest neighbors and linear probe learn from {MOST_LEARNED:,} drawn items: {names(large)}")
    few = [m for m, count in recognition.bootstrap.objects.items() if count < FEW_OBJECTS]
    if few:
        found.append(f"intervals of fewer than {FEW_OBJECTS} measured objects are rough: {names(few)}")
    return found


def _about_items(evaluation: Evaluation) -> list[str]:
    unlabeled = {m: count for m, count in evaluation.inventory.unlabeled.items() if count}
    found = []
    if unlabeled:
        counts = _listed([f"{count} {names([m])}" for m, count in unlabeled.items()])
        found.append(f"measured items without a label take no part in recognition: {counts}")
    searched = evaluation.samples.get("before", {})
    large = [m for m, e in searched.items() if len(e) >= MOST_SAMPLED]
    if large and len(searched) > 1:
        found.append(f"retrieval is measured on {MOST_SAMPLED:,} items per modality, drawn by seed: {names(large)}")
    return found


def _about_modalities(evaluation: Evaluation) -> list[str]:
    found = []
    if evaluation.outside_anchor_space:
        found.append(
            f"{names(evaluation.outside_anchor_space)}: not compared with texts before a fit, because the tower is not "
            "in their space"
        )
    missing = [m for m in evaluation.inventory.labeled if m not in evaluation.inventory.measured_modalities]
    if missing:
        found.append(f"{names(missing)}: no items in {evaluation.inventory.measured}, so not measured")
    if evaluation.before is not None and any(evaluation.inventory.labeled.values()):
        pairs = [f"{names([a])} and {names([b])}" for a, b in evaluation.before.retrieval.without_common_category()]
        if pairs:
            found.append(f"no category in common, so no search by category is measured: {_listed(pairs)}")
    return found


def _listed(words: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
