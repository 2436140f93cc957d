"""The fit from captions alone: of a store whose items have descriptions, but no labels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..align.captions import STEPS, Captioned, fit_caption_head, planned_steps
from ..align.heads import Head
from ..align.problem import FitConfig, FittedHead
from ..align.selection import CenterConfig
from ..align.zero_shot import zero_shot_centers
from ..backbones import Backbone
from ..centering import Mean
from ..data.embeddings import Embeddings, Vectors
from ..data.splits import object_ids, training_items
from ..data.store import Store
from ..data.unlabeled import Unlabeled, read_unlabeled
from ..fit_summary import FitSummary
from ..knowledge import KnowledgeBase
from ..modalities import ANCHOR
from ..model import UniBind
from ..progress import counted, progress_stages
from .own_descriptions import own_descriptions

METHOD = "captions"  # in the summary of a fit

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CaptionedStore:
    """The items of a store that have captions, by modality."""

    store: Store
    items: Mapping[str, Captioned]
    knowledge: KnowledgeBase | None


def captioned_store(
    store: Store, modalities: Sequence[str] | None, knowledge: KnowledgeBase | None, backbone: Backbone
) -> CaptionedStore:
    """The training items with captions: descriptions that the knowledge or the manifest has of them, or else the stored
    text of their object.
    """
    asked = [m for m in modalities or store.modalities() if m != ANCHOR]
    stored = {m: training_items(store, m) for m in asked}
    if knowledge is not None:
        learned = {name for items in stored.values() for name in items.ids}
        others = {d.item for d in knowledge.descriptions if d.item is not None} - learned
        knowledge = knowledge.without_items(others)
    own = own_descriptions(stored, {} if knowledge is None else knowledge.of_items(), backbone)
    texts = _texts_of_objects(store)
    captioned = {}
    for m, items in stored.items():
        captions = _captions(items, own.get(m), texts)
        rows = np.flatnonzero(captions.any(axis=1))
        if len(rows):
            kept = items.take(rows)
            captioned[m] = Captioned.of(kept.vectors, captions[rows], object_ids(kept))
    return CaptionedStore(store, captioned, knowledge)


def _texts_of_objects(store: Store) -> dict[Hashable, Vectors]:
    """The first stored text of every object that training items name."""
    if ANCHOR not in store.modalities():
        return {}
    stored = training_items(store, ANCHOR)
    texts: dict[Hashable, Vectors] = {}
    for name, shared, vector in zip(object_ids(stored), stored.objects, stored.vectors, strict=True):
        if shared is not None:
            texts.setdefault(name, vector)
    return texts


def _captions(items: Embeddings, own: Vectors | None, texts: Mapping[Hashable, Vectors]) -> Vectors:
    """A caption per item [N, D]; zeros where there is none."""
    captions = np.zeros_like(items.vectors) if own is None else own.copy()
    for row, name in enumerate(object_ids(items)):
        if not captions[row].any() and name in texts:
            captions[row] = texts[name]
    return captions


def fit_from_captions(
    captioned: CaptionedStore,
    backbone: Backbone,
    *,
    config: FitConfig,
    centers: CenterConfig | None,
    progress: bool | Callable[[str, int], None] | None,
) -> UniBind:
    """Heads from captions, and of knowledge the centers that a model without labels has."""
    counts = ", ".join(f"{len(items.vectors)} {m}" for m, items in captioned.items.items())
    _log.warning(
        f"the store has no labels, so heads are fitted from the captions of its items ({counts}); what captions do not "
        "speak of, they do not teach"
    )
    fitted = dict(_heads(captioned.items, backbone, config, progress))
    for m, found in fitted.items():
        if found.unfitted:
            _log.warning(
                f"{m} stays unfitted: its {len(captioned.items[m].vectors)} captions do not prove that learning from "
                "them is better than to remove the mean only"
            )
    heads = {m: found.head for m, found in fitted.items()}
    unlabeled = read_unlabeled(captioned.store, backbone)
    summary = _summary(captioned, fitted)
    if captioned.knowledge is None:
        every = np.concatenate([items.texts for items in captioned.items.values()])
        means = {ANCHOR: Mean.of(np.unique(every, axis=0))} | dict(unlabeled.means)
        return UniBind(backbone, heads=heads, means=_without(heads, means), summary=summary)
    nothing = Mean.nothing(backbone.dim)  # is left to remove after a head
    moved = Unlabeled(
        {m: nothing if m in heads else mean for m, mean in unlabeled.means.items()},
        lambda m: (heads[m](batch) if m in heads else batch for batch in unlabeled.read(m)),
    )
    parts = zero_shot_centers(captioned.knowledge, backbone, moved, centers)
    return UniBind(
        backbone,
        heads=heads,
        centers=parts.centers,
        means=_without(heads, parts.means),
        knowledge=parts.knowledge,
        summary=summary,
    )


def _without(heads: Mapping[str, Head], means: Mapping[str, Mean]) -> dict[str, Mean]:
    """The means of modalities that have no head, which removes the mean itself."""
    return {m: mean for m, mean in means.items() if m not in heads}


def _heads(
    captioned: Mapping[str, Captioned],
    backbone: Backbone,
    config: FitConfig,
    progress: bool | Callable[[str, int], None] | None,
) -> Iterator[tuple[str, FittedHead]]:
    steps = config.steps or STEPS
    with progress_stages(None if callable(progress) else progress) as stage:
        bars = {m: stage(f"fitting {m} from captions", planned_steps(steps)) for m in captioned}
        for m, items in captioned.items():
            report = counted(bars[m], m, progress)
            outside = not backbone.contract(m).shares_space(backbone.contract(ANCHOR))
            yield (
                m,
                fit_caption_head(items, outside_anchor_space=outside, steps=steps, seed=config.seed, progress=report),
            )


def _summary(captioned: CaptionedStore, fitted: Mapping[str, FittedHead]) -> FitSummary:
    return FitSummary(
        captioned.store.version,
        sum(found.learned_parameters for found in fitted.values()),
        {},
        METHOD,
        {m: found.penalty for m, found in fitted.items()},
        [m for m, found in fitted.items() if found.unfitted],
        {},
        {m: "cross-validation" if found.history else "nothing" for m, found in fitted.items()},
        {m: found.history for m, found in fitted.items()},
        {m: len(items.vectors) for m, items in captioned.items.items()},
    )
