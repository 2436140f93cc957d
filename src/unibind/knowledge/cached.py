"""Embedding texts through the cache of a base, a few at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..backbones import Backbone
from ..encode import embed
from ..modality import Text
from ..vectors import Vectors
from .embedding_cache import FOLDER, EmbeddingCache

_WRITTEN_AT_ONCE = 1024  # texts a file of the cache


class CachedEmbedder:
    """Call it with texts [N] for float32 [N, D]; close it to have the last texts written to the cache of `base`.

    A text is embedded once. What a killed process had not written yet is embedded again, which costs time only.
    """

    def __init__(self, base: str | Path, backbone: Backbone) -> None:
        self._backbone = backbone
        self._cache = EmbeddingCache(Path(base) / FOLDER, backbone.contract("text"))
        self._unwritten: dict[str, Vectors] = {}

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of texts."""
        there = self._cache.has(texts)
        missing = list(dict.fromkeys(t for t, known in zip(texts, there, strict=True) if not known))
        fresh = [text for text in missing if text not in self._unwritten]
        self._unwritten |= zip(fresh, embed([Text(text) for text in fresh], self._backbone), strict=True)
        out = np.empty((len(texts), self._backbone.dim), np.float32)
        if there.any():
            out[there] = self._cache.vectors([t for t, known in zip(texts, there, strict=True) if known])
        for row in np.flatnonzero(~there).tolist():
            out[row] = self._unwritten[texts[row]]
        if len(self._unwritten) >= _WRITTEN_AT_ONCE:
            self.close()
        return out

    def close(self) -> None:
        """Write what is not written yet."""
        if self._unwritten:
            self._cache.add(list(self._unwritten), np.stack(list(self._unwritten.values())))
            self._unwritten = {}
