"""The descriptions that items have of their own, from the knowledge or from their manifest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..backbones import Backbone
from ..data.embeddings import Embeddings, Vectors
from ..data.encode import embed
from ..modalities.text import Text


def own_descriptions(
    stored: Mapping[str, Embeddings], described: Mapping[str, str], backbone: Backbone
) -> dict[str, Vectors]:
    """Embeddings [N, D] of the items' own descriptions, for the modalities that have some.

    `described` (item id -> text) comes before the stored descriptions. An item without one has a row of zeros. The
    files of one object share a description, so each distinct text is embedded once.
    """
    own = {m: [described.get(n, d) for n, d in zip(e.ids, e.descriptions, strict=True)] for m, e in stored.items()}
    own = {m: texts for m, texts in own.items() if any(texts)}
    row: dict[str | None, int] = {
        text: i for i, text in enumerate(dict.fromkeys(t for texts in own.values() for t in texts if t))
    }
    vectors = np.zeros((len(row) + 1, backbone.dim), np.float32)  # the last row is for items without a description
    vectors[:-1] = embed([Text(str(text)) for text in row], backbone)
    return {m: vectors[[row.get(text, -1) for text in texts]] for m, texts in own.items()}
