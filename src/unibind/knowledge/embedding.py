"""Embedding descriptions through a cache on disk, so that no text is embedded twice."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path

import numpy as np

from ..backbones import Backbone
from ..data.embeddings import TextEmbeddings, Vectors
from ..data.encode import embed
from ..data.tables import read_rows
from ..errors import UnibindError
from ..modalities import ANCHOR
from ..modalities.text import Text
from ..progress import progress_bar
from ..user_cache import user_cache
from .base import DESCRIPTIONS, KnowledgeBase
from .embedding_cache import FOLDER, MAX_BYTES, EmbeddingCache, evict
from .journal import open_existing

_log = logging.getLogger(__name__)

_WRITE_SIZE = 1024  # texts per cache file where they arrive a few at a time
_CHUNK_SIZE = 8192  # texts of a whole base that are sorted by length together
_COMMIT_S = 20.0  # work that a kill may lose


class CachedEmbedder:
    """Embeds texts through the cache in `folder`; `close` writes what is not written yet.

    Call it with texts [N] for unit vectors float32 [N, D]. What a killed process had not written is embedded again.
    """

    def __init__(self, folder: str | Path, backbone: Backbone) -> None:
        self.cache = EmbeddingCache(folder, backbone.contract(ANCHOR))
        self._backbone = backbone
        self._unwritten: dict[str, Vectors] = {}

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of texts."""
        cached = self.cache.has(texts)
        missing = list(dict.fromkeys(compress(texts, ~cached)))
        fresh = [text for text in missing if text not in self._unwritten]
        self._unwritten |= zip(fresh, _embed(fresh, self._backbone), strict=True)
        vectors = np.empty((len(texts), self._backbone.dim), np.float32)
        if cached.any():
            vectors[cached] = self.cache.vectors(list(compress(texts, cached)))
        for row in np.flatnonzero(~cached).tolist():
            vectors[row] = self._unwritten[texts[row]]
        if len(self._unwritten) >= _WRITE_SIZE:
            self.close()
        return vectors

    def fill(self, texts: Iterable[str], *, batch_size: int = 64, progress: Callable[[int], None] | None = None) -> int:
        """Embed the texts that the cache lacks, in batches of similar lengths; returns how many were new.

        Memory does not grow with the number of texts. After a kill the next call continues; at most 20 seconds of work
        are repeated. `progress` is called with the number of texts just done.
        """
        report = progress or (lambda _: None)
        remaining, embedded = iter(texts), 0
        while chunk := list(islice(remaining, _CHUNK_SIZE)):
            distinct = list(dict.fromkeys(chunk))
            new = sorted(compress(distinct, ~self.cache.has(distinct)), key=len)
            report(len(chunk) - len(new))
            for group, vectors in self._embed_in_commits(new, batch_size, report):
                self.cache.add(group, vectors)
            embedded += len(new)
        return embedded

    def _embed_in_commits(
        self, texts: Sequence[str], batch_size: int, report: Callable[[int], None]
    ) -> Iterator[tuple[Sequence[str], Vectors]]:
        """Texts and their vectors, in portions of about `_COMMIT_S` seconds of work."""
        written, pending, since = 0, list[Vectors](), time.monotonic()
        for start in range(0, len(texts), batch_size):
            batch = texts[start : start + batch_size]
            pending.append(_embed(batch, self._backbone, batch_size=batch_size))
            report(len(batch))
            end = start + len(batch)
            if end == len(texts) or time.monotonic() - since > _COMMIT_S:
                yield texts[written:end], np.concatenate(pending)
                written, pending, since = end, [], time.monotonic()

    def close(self) -> None:
        """Write what is not written yet to the cache."""
        if self._unwritten:
            self.cache.add(list(self._unwritten), np.stack(list(self._unwritten.values())))
            self._unwritten = {}


@dataclass(frozen=True)
class EmbedResult:
    """Counts of `embed_folder`: descriptions in the base, those embedded now, and the seconds that it took."""

    descriptions: int
    embedded: int
    seconds: float


def embed_folder(
    folder: str | Path,
    backbone: Backbone,
    *,
    batch_size: int = 64,
    progress: bool | None = None,
) -> EmbedResult:
    """Embed the descriptions of the base in a folder that are not cached yet.

    `progress` shows a bar (None: on a terminal). Raises MissingFileError where `folder` is not a base.
    """
    started = time.monotonic()
    count = sum(1 for _ in iterate_texts(open_existing(folder).path))
    embedder = CachedEmbedder(Path(folder) / FOLDER, backbone)
    with progress_bar("embedding", count, progress) as advance:
        embedded = embedder.fill(iterate_texts(folder), batch_size=batch_size, progress=advance)
    return EmbedResult(count, embedded, time.monotonic() - started)


def iterate_texts(folder: str | Path) -> Iterator[str]:
    """The texts of the base in a folder, one at a time."""
    for _, row in read_rows(Path(folder) / DESCRIPTIONS, ("text",)):
        if row["text"] is not None:
            yield row["text"]


def embed_descriptions(
    texts: KnowledgeBase | Mapping[str, Sequence[str]],
    backbone: Backbone,
    *,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> TextEmbeddings:
    """Embed the texts of a knowledge base, or of category -> texts (whose ids are then "category/number").

    Each distinct text is embedded once, so equal texts have bit-identical vectors within one call. Vectors are cached:
    those of a base from a writable folder in that folder, all others in the user's cache folder (see
    `user_cache`). Where all are cached, the text tower is not even opened. Without a cache, vectors may
    differ between calls in the last bits where the backbone's arithmetic depends on the padding of a batch. `progress`
    is called with the number of texts just done.
    """
    if isinstance(texts, KnowledgeBase):
        rows = [(d.id, d.category, d.text) for d in texts.descriptions]
    else:
        rows = [(f"{category}/{i}", category, text) for category, ts in texts.items() for i, text in enumerate(ts)]
    row_of = {text: i for i, text in enumerate(dict.fromkeys(text for _, _, text in rows))}
    folder = texts.folder if isinstance(texts, KnowledgeBase) else None
    vectors = _embed_distinct(list(row_of), backbone, folder, batch_size, progress)
    return TextEmbeddings(
        [name for name, _, _ in rows],
        [category for _, category, _ in rows],
        vectors[[row_of[text] for _, _, text in rows]],
        backbone.contract(ANCHOR),
    )


def _embed_distinct(
    texts: Sequence[str],
    backbone: Backbone,
    base: Path | None,
    batch_size: int,
    progress: Callable[[int], None] | None,
) -> Vectors:
    """Embed distinct texts through the cache of their base, else through the user's, else through none."""
    if base is not None and os.access(base, os.W_OK):
        return _through(base / FOLDER, texts, backbone, batch_size, progress)[0]
    folder = user_cache(FOLDER)
    if folder is not None and 4 * len(texts) * backbone.dim <= MAX_BYTES // 4:
        try:
            vectors, new = _through(folder, texts, backbone, batch_size, progress)
        except (OSError, UnibindError) as error:  # no room, or evicted by another process meanwhile
            _log.debug("the cache %s cannot be used: %s", folder, error)
        else:
            if new:
                evict(folder)
            return vectors
    return _embed(texts, backbone, batch_size=batch_size, progress=progress)


def _through(
    folder: Path, texts: Sequence[str], backbone: Backbone, batch_size: int, progress: Callable[[int], None] | None
) -> tuple[Vectors, int]:
    """The vectors of texts through the cache in a folder, and how many of them are new there."""
    embedder = CachedEmbedder(folder, backbone)
    new = embedder.fill(texts, batch_size=batch_size, progress=progress)
    return embedder.cache.vectors(texts), new


def _embed(
    texts: Sequence[str], backbone: Backbone, *, batch_size: int = 64, progress: Callable[[int], None] | None = None
) -> Vectors:
    return embed([Text(text) for text in texts], backbone, batch_size=batch_size, progress=progress)
