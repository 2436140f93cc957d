"""Embedding the descriptions of a base, through the cache in its folder: no text is embedded twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress, islice
from pathlib import Path

import numpy as np

from ..backbones import Backbone
from ..data.embeddings import TextEmbeddings, Vectors
from ..data.encode import embed
from ..data.tables import read_rows
from ..modalities.text import Text
from .base import DESCRIPTIONS, KnowledgeBase
from .embedding_cache import FOLDER, EmbeddingCache

_WRITTEN_AT_ONCE = 1024  # texts a file of the cache, where they come a few at a time
_LOOKED_UP_AT_ONCE = 8192  # texts of a whole base that are sorted by length together
_COMMIT_S = 20.0  # work that a kill may cost


class CachedEmbedder:
    """Call it with texts [N] for float32 [N, D]; close it to have the last texts written to the cache of `base`.

    A text is embedded once. What a killed process had not written yet is embedded again, which costs time only.
    """

    def __init__(self, base: str | Path, backbone: Backbone) -> None:
        self.cache = EmbeddingCache(Path(base) / FOLDER, backbone.contract("text"))
        self._backbone = backbone
        self._unwritten: dict[str, Vectors] = {}

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of texts."""
        there = self.cache.has(texts)
        missing = list(dict.fromkeys(t for t, known in zip(texts, there, strict=True) if not known))
        fresh = [text for text in missing if text not in self._unwritten]
        self._unwritten |= zip(fresh, embed([Text(text) for text in fresh], self._backbone), strict=True)
        out = np.empty((len(texts), self._backbone.dim), np.float32)
        if there.any():
            out[there] = self.cache.vectors([t for t, known in zip(texts, there, strict=True) if known])
        for row in np.flatnonzero(~there).tolist():
            out[row] = self._unwritten[texts[row]]
        if len(self._unwritten) >= _WRITTEN_AT_ONCE:
            self.close()
        return out

    def fill(self, texts: Iterable[str], *, batch_size: int = 64, progress: Callable[[int], None] | None = None) -> int:
        """Embed what the cache lacks of any number of texts, in bounded memory and in batches of like lengths; returns
        how many were new.

        Stopped or killed at any moment, the next call goes on there: at most 20 seconds' work is done again.
        `progress` is called with the number of texts just done.
        """
        report = progress or (lambda _: None)
        rest, embedded = iter(texts), 0
        while chunk := list(islice(rest, _LOOKED_UP_AT_ONCE)):
            unlike = list(dict.fromkeys(chunk))
            new = sorted(compress(unlike, ~self.cache.has(unlike)), key=len)
            report(len(chunk) - len(new))
            for group, vectors in self._timely(new, batch_size, report):
                self.cache.add(group, vectors)
            embedded += len(new)
        return embedded

    def _timely(
        self, texts: Sequence[str], batch_size: int, report: Callable[[int], None]
    ) -> Iterator[tuple[Sequence[str], Vectors]]:
        """Texts and their vectors, as often as they should be written."""
        done, waiting, since = 0, list[Vectors](), time.monotonic()
        for start in range(0, len(texts), batch_size):
            batch = texts[start : start + batch_size]
            waiting.append(embed([Text(text) for text in batch], self._backbone, batch_size=batch_size))
            report(len(batch))
            end = start + len(batch)
            if end == len(texts) or time.monotonic() - since > _COMMIT_S:
                yield texts[done:end], np.concatenate(waiting)
                done, waiting, since = end, [], time.monotonic()

    def close(self) -> None:
        """Write what is not written yet."""
        if self._unwritten:
            self.cache.add(list(self._unwritten), np.stack(list(self._unwritten.values())))
            self._unwritten = {}


def texts_in(folder: str | Path) -> Iterator[str]:
    """The texts of the base in a folder, one after the other, without holding them."""
    for _, row in read_rows(Path(folder) / DESCRIPTIONS, ("text",)):
        if row["text"] is not None:
            yield row["text"]


def embed_descriptions(
    texts: KnowledgeBase | Mapping[str, Sequence[str]], backbone: Backbone, *, batch_size: int = 64
) -> TextEmbeddings:
    """Embed the texts of a knowledge base, or of category -> texts; ids of the latter are "category/number".

    Every unlike text is embedded once, so equal texts have bit-identical vectors here. Between calls they may differ
    in the last bits where the backbone's arithmetic depends on the padding of a batch. Of a base that comes from a
    folder that may be written to, vectors are taken from the folder's cache, and new ones put there.
    """
    if isinstance(texts, KnowledgeBase):
        rows = [(d.id, d.category, d.text) for d in texts.descriptions]
    else:
        rows = [(f"{category}/{i}", category, text) for category, ts in texts.items() for i, text in enumerate(ts)]
    place = {text: i for i, text in enumerate(dict.fromkeys(text for _, _, text in rows))}
    unlike = list(place)
    if isinstance(texts, KnowledgeBase) and texts.folder is not None and os.access(texts.folder, os.W_OK):
        embedder = CachedEmbedder(texts.folder, backbone)
        embedder.fill(unlike, batch_size=batch_size)
        vectors = embedder.cache.vectors(unlike)
    else:
        vectors = embed([Text(text) for text in unlike], backbone, batch_size=batch_size)
    return TextEmbeddings(
        [name for name, _, _ in rows],
        [category for _, category, _ in rows],
        vectors[[place[text] for _, _, text in rows]],
        backbone.contract("text"),
    )
