"""Encoding one batch so that no item takes the others with it, because it does not fit in memory or gives no number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from typing import TypeVar

import numpy as np
import torch

from ..backbones import Backbone
from .embeddings import Vectors
from .loader import Failure

Key = TypeVar("Key")


def encode_batch(
    backbone: Backbone,
    modality: str,
    keys: Sequence[Key],
    batch: torch.Tensor,
    *,
    name: Callable[[Key], str],
    fail: Callable[[Key, Failure], None],
) -> Iterator[tuple[list[Key], Vectors]]:
    """Yield keys and embeddings [N, D] of a preprocessed batch [B, ...], in one part or several.

    A batch that needs more memory than there is is halved until it fits. `fail(key, failure)` is called for an item
    that does not fit alone, and for one whose embedding is not finite; `name(key)` is what its message calls it.
    """
    try:
        vectors = backbone.encode(modality, batch).numpy()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        vectors = None  # the halves are encoded below, where the error no longer holds the memory of the attempt
    if vectors is None and len(keys) == 1:
        fail(keys[0], Failure("LimitError", f"{name(keys[0])} needs more memory than there is; make it smaller"))
        return
    if vectors is None:
        half = len(keys) // 2
        for rows in (slice(half), slice(half, None)):
            yield from encode_batch(backbone, modality, keys[rows], batch[rows], name=name, fail=fail)
        return
    finite = np.asarray(np.isfinite(vectors).all(axis=1))
    for key in compress(keys, ~finite):
        reason = f"the embedding of {name(key)} is not finite; check the file and the weights of {backbone.name}"
        fail(key, Failure("NotFinite", reason))
    if finite.any():
        yield list(compress(keys, finite)), vectors[finite]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory, of Python, torch or a device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and ("can't allocate memory" in str(error) or "out of memory" in str(error))
