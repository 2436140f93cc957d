"""Centers without labels: from names or descriptions of classes, and unlabeled items where there are any."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from ..backbones import Backbone
from ..centering import Mean
from ..data.embeddings import TextEmbeddings, class_means
from ..data.unlabeled import Unlabeled
from ..errors import UnibindError
from ..knowledge import KnowledgeBase, KnowledgeSource
from ..knowledge.classes import read_classes
from ..knowledge.embedding import embed_descriptions
from ..modalities import ANCHOR
from ..progress import progress_bar
from .centered_texts import CenteredVectors, text_mean
from .centers import Centers
from .pools import effective_number
from .selection import CenterConfig, nearest_means

LEAST_EVENNESS = 0.7  # classes that unlabeled items are of, as a share of all, below which they are not used

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ZeroShot:
    """The centers and the mean of each modality, and the descriptions that the centers were selected from."""

    centers: Mapping[str, Centers]
    means: Mapping[str, Mean]
    knowledge: KnowledgeBase


def base_of(classes: Sequence[str] | str | None, knowledge: KnowledgeSource | None) -> KnowledgeBase:
    """The descriptions of classes that `UniBind.zero_shot` is asked for, or their names; raises what it raises."""
    names = read_classes(classes) if isinstance(classes, str) else classes
    if not names and knowledge is None:
        raise UnibindError("zero-shot classification needs `classes` (names) or `knowledge` (descriptions of them)")
    base = KnowledgeBase.from_names(names or ()) if knowledge is None else KnowledgeBase.open(knowledge)
    return base if names is None else base.of_categories(names)


def zero_shot_centers(
    knowledge: KnowledgeBase,
    backbone: Backbone,
    unlabeled: Unlabeled | None = None,
    config: CenterConfig | None = None,
) -> ZeroShot:
    """Centers for every modality of the backbone that is in the space of its texts.

    Where `knowledge` has only names, each class is represented by its name in the templates of each modality. Of
    `unlabeled` come the means of modalities and the samples that centers are selected with. The mean of texts is that
    of the descriptions where no text is among the unlabeled items. Unlabeled items of a modality that are of few of the
    classes only are not used, with a warning. A modality without items gets no centers if the
    strategy that `config` asks for needs them.
    """
    config, items = config or CenterConfig(), unlabeled or Unlabeled({}, lambda _: ())
    modalities = [m for m in backbone.modalities if backbone.contract(m).shares_space(backbone.contract(ANCHOR))]
    if knowledge.names_only:
        knowledge, texts = _templates(knowledge.categories, modalities, backbone)
    else:
        texts = dict.fromkeys(modalities, _described(knowledge, backbone))
    if not config.needs_samples:
        items = _even(items, texts)
    selected: dict[int, Centers] = {}  # those without samples, by their texts
    centers = {}
    for modality, own in texts.items():
        samples = items.samples(modality)
        if samples is not None:
            centers[modality] = config.select(own, samples=samples)
        elif not (config.needs_samples and items.means):
            if id(own) not in selected:
                selected[id(own)] = config.select(own)
            centers[modality] = selected[id(own)]
    means = {m: text_mean(own) for m, own in texts.items() if m == ANCHOR} | dict(items.means)
    return ZeroShot(centers, means, knowledge)


def _even(items: Unlabeled, texts: Mapping[str, TextEmbeddings]) -> Unlabeled:
    """The items of modalities in which they are of most of the classes, by their nearest mean description.

    The mean of items of one class, and samples of it, are no help to tell it from the others. On Heptad's development
    seeds, items of fewer than 70 % of the classes cost up to 5 points, those of 90 % and more gain 0.1 to 1.7.
    """
    means: dict[int, Float32[np.ndarray, "c d"]] = {}  # by their texts
    used = {}
    for modality, mean in items.means.items():
        own = texts.get(modality)
        if own is not None and (count := len(own.category_names())) > 1:
            if id(own) not in means:
                vectors = CenteredVectors(own.vectors, text_mean(own))
                means[id(own)] = class_means(vectors, own.category_index(), count)
            nearest = nearest_means(items.read(modality), means[id(own)])
            found = np.sum([np.bincount(index, minlength=count) for _, index in nearest], axis=0)
            in_play = effective_number(found / found.sum())
            if in_play < LEAST_EVENNESS * count:
                _log.warning(
                    f"the unlabeled {modality} items are not used: they seem to be of about {in_play:.0f} of {count} "
                    "classes, and would mislead; pass items of all classes, in about equal numbers"
                )
                continue
        used[modality] = mean
    return replace(items, means=used)


def _described(knowledge: KnowledgeBase, backbone: Backbone) -> TextEmbeddings:
    with progress_bar("embedding the descriptions", len(knowledge)) as advance:
        return embed_descriptions(knowledge, backbone, progress=advance)


def _templates(
    classes: Sequence[str], modalities: Sequence[str], backbone: Backbone
) -> tuple[KnowledgeBase, dict[str, TextEmbeddings]]:
    """All names in the templates of all modalities, and the embeddings of those that suit each modality."""
    _log.warning(
        "classes are represented by their names alone; descriptions usually do better: write some with "
        "`unibind knowledge generate` and pass them as knowledge"
    )
    ids = {m: {d.id for d in KnowledgeBase.from_names(classes, m).descriptions} for m in modalities}
    bases = [KnowledgeBase.from_names(classes, m) for m in modalities]
    every = KnowledgeBase({d.id: d for base in bases for d in base.descriptions}.values())
    texts = embed_descriptions(every, backbone)
    return every, {m: texts.take([row for row, name in enumerate(texts.ids) if name in ids[m]]) for m in modalities}
