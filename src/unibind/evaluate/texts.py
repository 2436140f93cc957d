"""The texts that stand for classes in an evaluation: the class names, or a knowledge base that leaks no answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..backbones import Backbone
from ..data.embeddings import TextEmbeddings
from ..knowledge import Description, KnowledgeBase
from ..knowledge.embedding import embed_descriptions

_OF_NAMES = ("name", "template")  # kinds of description that know nothing but the class name


@dataclass(frozen=True, eq=False)
class ClassTexts:
    """The classes to choose from, and their embedded descriptions, None where classes have only their names.

    `by_class` are the texts of these descriptions. `generators` name what wrote them; empty where that is not known of
    every one.
    """

    classes: tuple[str, ...]
    descriptions: TextEmbeddings | None
    by_class: Mapping[str, Sequence[str]] = field(default_factory=dict)
    generators: tuple[str, ...] = ()

    def drawn(self, most: int | None, seed: int) -> ClassTexts:
        """At most `most` descriptions of every class, drawn by seed and in their order; all of them for None."""
        if most is None or self.descriptions is None:
            return self
        rng = np.random.default_rng(seed)
        rows: list[int] = []
        by_class: dict[str, list[str]] = {}
        for category, texts in self.by_class.items():
            own = [row for row, name in enumerate(self.descriptions.categories) if name == category]
            kept = np.sort(rng.permutation(len(own))[:most])
            rows += [own[i] for i in kept]
            by_class[category] = [texts[i] for i in kept]
        return replace(self, descriptions=self.descriptions.take(rows), by_class=by_class)


def class_texts(
    knowledge: KnowledgeBase | None,
    labels: Sequence[str],
    backbone: Backbone,
    *,
    leaking: Collection[str] = (),
    texts: TextEmbeddings | None = None,
) -> ClassTexts:
    """The classes of `knowledge`, or `labels` themselves where there is none, with their descriptions.

    Descriptions of the items `leaking` give away their labels, and are left out. `texts` are the embedded descriptions
    of `knowledge`, where they are at hand.
    """
    if knowledge is None:
        return ClassTexts(tuple(labels), None)
    usable = knowledge.without_items(leaking)
    described = [d for d in usable.descriptions if d.kind not in _OF_NAMES]
    if not described:
        return ClassTexts(usable.categories, None)
    if texts is None:
        embedded = embed_descriptions(usable, backbone)
    else:
        embedded = texts.without({d.id for d in knowledge.descriptions} - {d.id for d in usable.descriptions})
    by_class: dict[str, list[str]] = {}
    for description in usable.descriptions:
        by_class.setdefault(description.category, []).append(description.text)
    return ClassTexts(usable.categories, embedded, by_class, _generators(described))


def _generators(described: Sequence[Description]) -> tuple[str, ...]:
    generators = [d.generator for d in described]
    return () if None in generators else tuple(dict.fromkeys(str(name) for name in generators))
