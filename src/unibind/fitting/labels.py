"""The fit from labels: the head of each modality on its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..align.fit import fit_heads
from ..align.problem import FitConfig, FittedHead, Samples
from ..align.threads import suitable_threads
from ..backbones import Backbone
from ..data.embeddings import Embeddings, TextEmbeddings, Vectors
from ..data.splits import Split, object_ids
from ..errors import UnknownNameError
from ..knowledge import KnowledgeBase
from ..progress import progress_stages
from .own_descriptions import own_descriptions


def one_by_one(
    split: Split,
    base: KnowledgeBase,
    texts: TextEmbeddings,
    backbone: Backbone,
    config: FitConfig,
    progress: bool | Callable[[str, int], None] | None,
) -> dict[str, FittedHead]:
    """The head of every modality, fitted against centered texts."""
    categories = texts.category_names()
    own = own_descriptions(split.train, base.of_items(), backbone) if config.by_batches else {}
    train = {m: samples(e, categories, own.get(m)) for m, e in split.train.items()}
    largest = max(len(s.vectors) for s in train.values())
    columns = texts.vectors.size if config.by_batches else len(categories) * backbone.dim
    step = (min(config.batch_size, largest) if config.by_batches else largest) * columns
    with suitable_threads(step), progress_stages(None if callable(progress) else progress) as stage:
        bars = {} if callable(progress) else {m: stage(f"fitting {m}", config.progress_steps) for m in train}

        def report(modality: str, step: int) -> None:
            if callable(progress):
                progress(modality, step)
            else:
                bars[modality](1)

        return fit_heads(
            train,
            texts.vectors,
            texts.category_index(),
            config,
            validation={m: samples(e, categories) for m, e in split.validation.items()},
            outside_anchor_space=outside(split, texts, backbone),
            progress=report,
        )


def samples(items: Embeddings, categories: Sequence[str], own: Vectors | None = None) -> Samples:
    """Labeled items as a fit takes them, with embeddings of their `own` descriptions where it learns from these."""
    return Samples(items.vectors, _category_index(items, categories), own, object_ids(items))


def outside(split: Split, texts: TextEmbeddings, backbone: Backbone) -> set[str]:
    """The modalities that are not in the space of the texts."""
    return {m for m in split.train if not backbone.contract(m).shares_space(texts.contract)}


def _category_index(stored: Embeddings, categories: Sequence[str]) -> NDArray[np.intp]:
    """Category index of every stored item, [N]."""
    index = {name: i for i, name in enumerate(categories)}
    labels = stored.known_labels()
    for label in labels:
        if label not in index:
            raise UnknownNameError(f"{stored.modality} label", label, categories)
    return np.array([index[label] for label in labels], np.intp)
