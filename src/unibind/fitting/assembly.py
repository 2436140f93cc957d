"""What fitted heads become: a model with centers and confidences, and the summary of its fit."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..align.calibration import Calibration, calibration_on, fit_calibration
from ..align.centers import Centers
from ..align.heads import heads_fingerprint
from ..align.problem import FittedHead
from ..align.selection import CenterConfig, select_centers, tune_centers
from ..backbones import Backbone
from ..centering import Mean
from ..data.embeddings import Embeddings, TextEmbeddings
from ..data.splits import Split
from ..data.store import Store
from ..fit_summary import FitSummary, MeasuredOn
from ..knowledge import KnowledgeBase
from ..modalities import ANCHOR
from ..model import UniBind

_SHOWN_CLASSES = 5

_log = logging.getLogger(__name__)


def assemble(
    backbone: Backbone,
    fitted: Mapping[str, FittedHead],
    texts: TextEmbeddings,
    means: Mapping[str, Mean],
    split: Split,
    knowledge: KnowledgeBase,
    config: CenterConfig,
    store_version: int,
    method: str,
) -> UniBind:
    """Centers and calibration for fitted heads, and the summary of it all."""
    centers: dict[str, Centers] = {}
    calibration: dict[str, Calibration] = {}
    accuracy: dict[str, float | None] = {}
    for m, result in fitted.items():
        train, (held_out, category_index) = split.train[m], result.held_out
        labels = [texts.category_names()[c] for c in category_index]
        samples, known = result.head(train.vectors), train.known_labels()
        if config.tune:
            centers[m], _ = tune_centers(texts, (held_out, labels), samples=samples, labels=known, config=config)
        else:
            centers[m] = config.select(texts, samples=samples, labels=known)
        accuracy[m] = centers[m].top1(held_out, labels) if labels else None
        if labels:
            calibration[m] = fit_calibration(
                centers[m], held_out, category_index, learned=not result.unfitted, strangers=result.strangers
            )
    if ANCHOR in backbone.modalities and ANCHOR not in fitted:
        centers[ANCHOR] = select_centers(texts)
    _warn_of_gaps(split.train, fitted, texts.category_names())
    summary = FitSummary(
        store_version,
        sum(f.learned_parameters for f in fitted.values()),
        {m: dict(Counter(split.train[m].known_labels())) for m in fitted},
        method,
        {m: f.penalty for m, f in fitted.items()},
        [m for m, f in fitted.items() if f.unfitted],
        accuracy,
        {m: _measured_on(split, m, result) for m, result in fitted.items()},
        {m: f.history for m, f in fitted.items()},
    )
    heads = {m: f.head for m, f in fitted.items()}
    return UniBind(
        backbone,
        heads=heads,
        centers=centers,
        calibration=calibration,
        means=means,
        knowledge=knowledge,
        summary=summary,
        unified=heads_fingerprint(heads) if ANCHOR in heads else None,
    )


def with_calibrated_texts(model: UniBind, store: Store) -> UniBind:
    """The model, whose confidences about texts are calibrated where the split val has labeled ones: no fit learns from
    their labels.
    """
    if ANCHOR in model.centers and "val" in store.splits().get(ANCHOR, set()):
        stored = model.project(store.vectors(ANCHOR, "val"))
        compared = replace(stored, vectors=model.centered(stored.vectors, ANCHOR))
        calibration = calibration_on(model.centers[ANCHOR], compared, learned=False)
        if calibration is not None:
            model.calibration[ANCHOR] = calibration
    return model


def _warn_of_gaps(train: Mapping[str, Embeddings], fitted: Mapping[str, FittedHead], categories: Sequence[str]) -> None:
    """Name the classes that a modality has no items of, and the modalities that stay unfitted or are not calibrated."""
    for m, stored in train.items():
        absent = [category for category in categories if category not in set(stored.labels)]
        if absent:
            shown = ", ".join(absent[:_SHOWN_CLASSES]) + (", ..." if len(absent) > _SHOWN_CLASSES else "")
            _log.warning(f"classes without {m} training items are known by their texts ({len(absent)}): {shown}")
        if fitted[m].unfitted:
            _log.warning(
                f"{m} stays unfitted: its {len(stored)} training items do not prove that learning from them is better "
                "than to remove the mean only; more labels may"
            )
        if not len(fitted[m].held_out[1]):
            _log.warning(
                f"no {m} items could be held out, since no class has two: its accuracy is not known, and its "
                "confidences are not calibrated"
            )


def _measured_on(split: Split, modality: str, fitted: FittedHead) -> MeasuredOn:
    if modality in split.validation:
        return "validation"
    return "cross-validation" if len(fitted.held_out[1]) else "nothing"
