"""The vectors of a classifier's classes, kept in the user's cache: thousands of texts take minutes to embed."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from ...errors import UnibindError
from ...files import write_whole
from ...modalities import ANCHOR
from ...modalities.text import Text
from ...user_cache import evict, user_cache
from ..protocol import Backbone
from .batching import collate, rows_by_length
from .class_mixture import embed_classes
from .class_texts import ClassTexts
from .safetensors_file import read_arrays

_log = logging.getLogger(__name__)

_FOLDER = "classes"  # in the user's cache
_MAX_BYTES, _MAX_FILES = 1 << 28, 256
_KEY = "class_vectors"
_AT_ONCE = 64  # texts
_MANY = 2000  # texts that take long enough to say so


def class_vectors(texts: ClassTexts, anchor: Backbone) -> Tensor:
    """The vector of every class, float32 [C, D]: the unit mean of its texts' vectors in the anchor's text tower.

    Where they are cached, the text tower is not opened. A damaged file of the cache is made again.
    """
    folder = user_cache(_FOLDER)
    if folder is None:
        return _embedded(texts, anchor)
    path = folder / f"{anchor.contract(ANCHOR).hash}-{texts.digest}.safetensors"
    cached = _cached(path, (len(texts.labels), anchor.dim))
    if cached is not None:
        return cached
    vectors = _embedded(texts, anchor)
    _keep(path, vectors)
    return vectors


def _cached(path: Path, shape: tuple[int, int]) -> Tensor | None:
    try:
        found = read_arrays(path, "remove it")[0].get(_KEY)
    except UnibindError:
        return None
    if found is None or found.shape != shape:
        return None
    with suppress(OSError):
        os.utime(path)  # for `evict`
    return torch.from_numpy(found)


def _keep(path: Path, vectors: Tensor) -> None:
    from safetensors.torch import save

    with suppress(OSError):  # no room: they are computed again
        write_whole(path, save({_KEY: vectors.contiguous()}))
        evict(path.parent.glob("*.safetensors"), _MAX_BYTES, _MAX_FILES)


def _embedded(texts: ClassTexts, anchor: Backbone) -> Tensor:
    count = sum(map(len, texts.texts))
    if count > _MANY:
        _log.warning("the %d texts of %d classes are embedded once, which takes a while", count, len(texts.labels))

    def embed(distinct: Sequence[str]) -> Tensor:
        vectors = torch.empty(len(distinct), anchor.dim)
        for rows in rows_by_length(distinct, _AT_ONCE):
            batch = collate([anchor.preprocess(ANCHOR, Text(distinct[row])) for row in rows])
            vectors[rows] = anchor.encode(ANCHOR, batch)
        return vectors

    return embed_classes(texts.texts, embed)
