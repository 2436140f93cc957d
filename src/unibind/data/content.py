"""Content of items that have no file: bytes and raw items in memory, in data frames and data sets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UnibindError
from ..modalities import Raw

_SCHEME = "memory://"
_SIMPLE = (str, int, float, bool, type(None))


@dataclass(frozen=True, eq=False)
class Content:
    """What an item without a file contains.

    `holder(*args)` returns it: the bytes of a file, or a raw item of the given `modality`. `name` is what messages call
    it; a file name tells the format by its ending. `digest` identifies it, so that the same content is the same item
    wherever it comes from. The contents of one source have one holder, and small `args`. Pickling it fetches it.
    """

    name: str
    digest: str
    modality: str | None
    holder: Callable[..., bytes | Raw]
    args: tuple[Any, ...]

    def fetch(self) -> bytes | Raw:
        """The bytes of a file, or a raw item."""
        return self.holder(*self.args)

    @property
    def uri(self) -> str:
        """The uri of an item with this content."""
        return _SCHEME + self.digest

    def __reduce__(self) -> tuple[Callable[..., Content], tuple[str, str, bytes | Raw]]:
        return _held, (self.name, self.digest, self.fetch())


def content_of(value: bytes | Raw, name: str) -> Content:
    """The content in memory; raises UnibindError for raw items that are more than numbers, such as videos."""
    return _held(name, digest_of(value), value)


def digest_of(value: bytes | Raw) -> str:
    """The first 32 hexadecimal digits of the SHA-256 of bytes, or of the arrays and numbers of a raw item."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()[:32]
    sha = hashlib.sha256(value.modality.encode())
    for name, part in sorted(vars(value).items()):
        if isinstance(part, np.ndarray):
            sha.update(f"{name}:{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        elif isinstance(part, _SIMPLE):
            sha.update(f"{name}:{part!r}".encode())
        else:
            raise UnibindError(f"a {type(value).__name__} in memory has no identity of its own; pass its file or bytes")
    return sha.hexdigest()[:32]


def _held(name: str, digest: str, value: bytes | Raw) -> Content:
    return Content(name, digest, None if isinstance(value, bytes) else value.modality, _itself, (value,))


def _itself(value: bytes | Raw) -> bytes | Raw:
    return value
