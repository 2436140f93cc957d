"""Encoding batches so that an item that does not fit in memory, or has no finite embedding, costs no other item.

A batch that needs more memory than there is is halved until it fits, and later batches start at that size. After
several have fitted in a row, twice the size is tried: another program may have freed its memory. Each failure delays
the next attempt.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Generic, TypeVar

import numpy as np
import torch

from ..backbones import Backbone
from .embeddings import Vectors
from .loader import Failure

Key = TypeVar("Key")

_CALM, _CALMEST = 4, 256  # batches of one size that fit before a larger one is tried, at first and at most


@dataclass
class _Size:
    """The number of items of a modality that are encoded at once; None until a batch did not fit."""

    most: int | None = None
    fitted: int = 0  # in a row
    calm: int = _CALM
    trying: bool = False  # whether this size is larger than one that fitted

    def shrink(self, tried: int) -> None:
        if self.trying:
            self.calm = min(2 * self.calm, _CALMEST)
        self.most, self.fitted, self.trying = max(1, tried // 2), 0, False

    def grow(self, done: int) -> None:
        if self.most is None or done < self.most:
            return
        self.fitted, self.trying = self.fitted + 1, False
        if self.fitted >= self.calm:
            self.most, self.fitted, self.trying = 2 * self.most, 0, True


class BatchEncoder(Generic[Key]):
    """Encodes preprocessed batches in the largest parts that fit in memory.

    `fail(key, failure)` is called for an item that does not fit alone, and for one whose embedding is not finite;
    `name(key)` is what its message calls it. `note(items, seconds)` is called for what was encoded.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        name: Callable[[Key], str],
        fail: Callable[[Key, Failure], None],
        note: Callable[[int, float], None] = lambda items, seconds: None,
    ) -> None:
        self._backbone, self._name, self._fail, self._note = backbone, name, fail, note
        self._sizes: defaultdict[str, _Size] = defaultdict(_Size)

    def encode(self, modality: str, keys: Sequence[Key], batch: torch.Tensor) -> Iterator[tuple[list[Key], Vectors]]:
        """Yield the keys and embeddings [N, D] of a preprocessed batch [B, ...], in one or more parts."""
        size, start = self._sizes[modality], 0
        while start < len(keys):
            end = min(len(keys), start + (size.most or len(keys)))
            vectors = self._vectors(modality, batch[start:end])
            if vectors is None and end - start > 1:
                size.shrink(end - start)
                continue
            if vectors is None:
                too_large = f"{self._name(keys[start])} needs more memory than there is; make it smaller"
                self._fail(keys[start], Failure("LimitError", too_large))
            else:
                size.grow(end - start)
                yield from self._finite(keys[start:end], vectors)
            start = end

    def _vectors(self, modality: str, batch: torch.Tensor) -> Vectors | None:
        """The embeddings of a batch; None where it needs more memory than there is."""
        started = time.perf_counter()
        try:
            vectors: Vectors = self._backbone.encode(modality, batch).numpy()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        else:
            self._note(len(batch), time.perf_counter() - started)
            return vectors
        if torch.cuda.is_initialized():  # only here, where the error no longer holds what the attempt allocated
            torch.cuda.empty_cache()
        return None

    def _finite(self, keys: Sequence[Key], vectors: Vectors) -> Iterator[tuple[list[Key], Vectors]]:
        finite = np.asarray(np.isfinite(vectors).all(axis=1))
        for key in compress(keys, ~finite):
            weights = f"check the file and the weights of {self._backbone.name}"
            self._fail(key, Failure("NotFinite", f"the embedding of {self._name(key)} is not finite; {weights}"))
        if finite.any():
            yield list(compress(keys, finite)), vectors[finite]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory, of Python, torch or a device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and ("can't allocate memory" in str(error) or "out of memory" in str(error))
