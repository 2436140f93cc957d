"""Centers without labels: from names or descriptions of classes, and unlabeled items where there are any."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..backbones import Backbone
from ..centering import Mean
from ..data.embeddings import TextEmbeddings
from ..data.unlabeled import Unlabeled
from ..errors import UnibindError
from ..knowledge import KnowledgeBase, KnowledgeSource
from ..knowledge.classes import read_classes
from ..knowledge.embedding import embed_descriptions
from ..modalities import ANCHOR
from ..progress import progress_bar
from .centered_texts import text_mean
from .centers import Centers
from .selection import CenterConfig

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
    of the descriptions where no text is among the unlabeled items. A modality without items gets no centers if the
    strategy that `config` asks for needs them.
    """
    config, items = config or CenterConfig(), unlabeled or Unlabeled({}, lambda _: ())
    modalities = [m for m in backbone.modalities if backbone.contract(m).shares_space(backbone.contract(ANCHOR))]
    if knowledge.names_only:
        knowledge, texts = _templates(knowledge.categories, modalities, backbone)
    else:
        texts = dict.fromkeys(modalities, _described(knowledge, backbone))
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
