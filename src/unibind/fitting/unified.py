"""The unified fit: the texts that it learns from, and its heads as those of other fits."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..align.heads import heads_fingerprint
from ..align.problem import FitConfig, FittedHead
from ..align.unify import STEPS, fit_unified, planned_steps
from ..backbones import Backbone, Contract
from ..data.embeddings import Embeddings, TextEmbeddings, Vectors
from ..data.splits import Split, object_ids
from ..knowledge import KnowledgeBase
from ..modalities import ANCHOR
from ..progress import counted, progress_stages
from .labels import outside, samples
from .own_descriptions import own_descriptions

METHOD = "unified"  # in the summary of a fit
_SAME_TEXT = 0.9999  # cosine of two vectors of it


# --- texts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LearnedTexts:
    """What a unified fit learns from as text, and the object that each text is of [N]; None for descriptions of
    categories.
    """

    items: Embeddings
    objects: list[Hashable | None]


def learned_texts(split: Split, texts: TextEmbeddings, base: KnowledgeBase, backbone: Backbone) -> LearnedTexts:
    """The stored texts of training items, other descriptions that these items have of their own, and the descriptions
    `texts` of categories, which are as the backbone embeds them.
    """
    rows = [
        *_stored(split.train.get(ANCHOR)),
        *((i, c, v, None) for i, c, v in zip(texts.ids, texts.categories, texts.vectors, strict=True)),
    ]
    described = {d.id for d in base.descriptions if d.item is not None}
    rows = [row for row in rows if row[0] not in described]
    known: dict[Hashable, list[Vectors]] = {}
    for _, _, vector, name in rows:
        if name is not None:
            known.setdefault(name, []).append(vector)
    items = {m: e for m, e in split.train.items() if m != ANCHOR}
    for m, own in own_descriptions(items, base.of_items(), backbone).items():
        facts = zip(items[m].ids, items[m].known_labels(), own, object_ids(items[m]), strict=True)
        for item, label, vector, name in facts:
            before = known.setdefault(name, [])
            if vector.any() and not any(float(vector @ other) > _SAME_TEXT for other in before):
                before.append(vector)
                rows.append((item, label, vector, name))
    ids, labels, vectors, objects = zip(*rows, strict=True)
    nothing: list[str | None] = [None] * len(rows)
    learned = Embeddings(
        ANCHOR,
        list(ids),
        list(labels),
        np.stack(vectors).astype(np.float32),
        texts.contract,
        nothing,
        nothing,
        nothing,
        nothing,
    )
    return LearnedTexts(learned, list(objects))


def _stored(items: Embeddings | None) -> Iterator[tuple[str, str, Vectors, Hashable | None]]:
    if items is not None:
        yield from zip(items.ids, items.known_labels(), items.vectors, object_ids(items), strict=True)


# --- heads -----------------------------------------------------------------------------------------------------------


def together(
    split: Split,
    learned: LearnedTexts,
    texts: TextEmbeddings,
    backbone: Backbone,
    config: FitConfig,
    progress: bool | Callable[[str, int], None] | None,
) -> dict[str, FittedHead]:
    """The heads of all modalities, fitted together; see `unibind.align.unify`."""
    categories = texts.category_names()
    train = {m: samples(e, categories) for m, e in split.train.items()}
    train[ANCHOR] = replace(train[ANCHOR], objects=learned.objects)
    validation = {m: samples(e, categories) for m, e in split.validation.items()}
    steps = config.steps or STEPS
    with progress_stages(None if callable(progress) else progress) as stage:
        bar = stage("fitting all modalities together", planned_steps(steps, validated=bool(validation)))
        unified = fit_unified(
            train,
            validation=validation or None,
            outside_anchor_space=outside(split, texts, backbone),
            steps=steps,
            seed=config.seed,
            progress=counted(bar, "all modalities", progress),
        )
    empty = {m: (s.vectors[:0], s.category_index[:0]) for m, s in train.items()}
    return {
        m: FittedHead(
            head,
            head.affine.weight.size + head.affine.bias.size,
            unified.held_out.get(m, empty[m]),
            unified.penalty,
            history=unified.history,
        )
        for m, head in unified.heads.items()
    }


def moved(texts: TextEmbeddings, fitted: Mapping[str, FittedHead], contract: Contract) -> TextEmbeddings:
    """Descriptions as the backbone embeds them, in the space into which heads that were fitted together move them."""
    head = fitted[ANCHOR].head
    space = contract.unified_space(heads_fingerprint({m: f.head for m, f in fitted.items()}))
    after = contract.with_head(head.fingerprint, space).centered_by(head.fingerprint)  # a head removes the mean, too
    return replace(texts, vectors=head(np.asarray(texts.vectors, np.float32)), contract=after)
