"""What is handed to a store beside items and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class NewFragment:
    """A fragment of the table of items that a worker wrote, and what the store must know of its rows.

    `metadata` is that of pylance as JSON. `ids` are those of the items, `splits` those that they belong to, and `width`
    is that of their vectors.
    """

    metadata: str
    rows: int
    width: int
    ids: Sequence[str]
    splits: frozenset[str | None]


@dataclass(frozen=True)
class Quarantined:
    """An item that could not be read, with the class name and the message of the error.

    `size` and `mtime_ns` are those of its file when it failed; None where there was none.
    """

    id: str
    uri: str | None
    modality: str
    error: str
    message: str
    size: int | None = None
    mtime_ns: int | None = None
