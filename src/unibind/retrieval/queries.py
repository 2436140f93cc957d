"""Queries of several parts: "rain", with the picture dog.jpg, and not "indoors", as one vector.

Every part is embedded by itself, goes through the head of its modality, and loses the mean of it, as the items do (see
`retrieval.centering`). What remains is its meaning, a unit vector whose modality no longer matters, so parts of
different modalities can be added. The query is the weighted sum of its parts less that of its negatives, at unit
length, after Rocchio 1971. (A backbone that reads several parts together makes one embedding of them instead: a tuple
is such an item, and can be a part here.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from ..backbones import Contract
from ..data.encode import EmbeddedBatch
from ..errors import UnibindError
from ..modalities import ANCHOR
from ..modalities.reading import read
from ..modalities.source import is_file, is_url
from ..modalities.text import Text
from .searchable import Searchable

AGAINST = 0.5  # weight of a negative: what is like it comes last, and the query keeps its meaning
_NOTHING = 1e-3  # length of a sum, beside the sum of its weights, that says nothing


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a query: its `vector` [D] as the items are compared. The name of a text is the text, or its file."""

    name: str
    vector: Float32[np.ndarray, " d"]
    contract: Contract
    weight: float = 1.0

    @property
    def described(self) -> str:
        """The name, with the weight where that is not 1."""
        return self.name if self.weight == 1 else f"{self.weight:g} * {self.name}"

    @property
    def words(self) -> str | None:
        """The text of the part; None for other modalities."""
        if self.contract.modality != ANCHOR:
            return None
        if not (is_url(self.name) or is_file(Path(self.name))):
            return self.name
        raw = read(self.name, ANCHOR)
        return raw.text if isinstance(raw, Text) else None


@dataclass(frozen=True, eq=False)
class Query:
    """What is searched for: the unit `vector` [D], and the parts that it was composed of.

    Raises UnibindError where these cancel each other out, and ContractError where they cannot be compared.
    """

    parts: tuple[Part, ...]
    negatives: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        """Check that the parts are of one space."""
        first, *others = self.every_part
        for part in others:
            first.contract.check_comparable(part.contract, here=f"the query's {first.name}", there=f"its {part.name}")

    @property
    def every_part(self) -> tuple[Part, ...]:
        """The parts and the negatives."""
        return (*self.parts, *self.negatives)

    @cached_property
    def vector(self) -> Float32[np.ndarray, " d"]:
        """The composed query, at unit length; of a single part, the vector of that part."""
        if len(self.every_part) == 1:
            return self.parts[0].vector
        total = sum(p.weight * p.vector for p in self.parts) - sum(p.weight * p.vector for p in self.negatives)
        length = float(np.linalg.norm(total))
        if length < _NOTHING * sum(part.weight for part in self.every_part):
            raise UnibindError(f"the parts of the query {self.name!r} cancel each other out; leave out a negative")
        return np.asarray(total / length, np.float32)

    @property
    def name(self) -> str:
        """The query in words."""
        return ", ".join([p.described for p in self.parts] + [f"not {p.name}" for p in self.negatives])

    @property
    def modality(self) -> str:
        """The modalities of the parts, without the negatives."""
        return " and ".join(dict.fromkeys(part.contract.modality for part in self.parts))

    @property
    def words(self) -> str | None:
        """The words of the parts that are texts; None where none is."""
        return " ".join(words for words in (part.words for part in self.parts) if words) or None


def parts_of(batch: EmbeddedBatch, items: Searchable) -> Mapping[int, Part]:
    """The embedded parts of a query or several, by their positions, as `items` are compared."""
    vectors, contract = items.as_compared(batch.vectors, batch.modality)
    named = zip(batch.positions, batch.names, vectors, strict=True)
    return {position: Part(name, vector, contract) for position, name, vector in named}


def composed(
    part: Part, items: Sequence[Part], negatives: Sequence[Part], weights: Sequence[float] | None = None
) -> Query:
    """The query of a part together with further items, and not the negatives.

    `weights` are those of the part and of each item, and may go on with those of the negatives; they are 1 and, for
    negatives, `AGAINST` by default. Raises UnibindError for another number of weights, or for one that is not positive.
    """
    positive, negative = [part, *items], list(negatives)
    given = list(weights or ())
    if len(given) not in (0, len(positive), len(positive) + len(negative)):
        also = f", or {len(positive) + len(negative)} with its negatives" if negative else ""
        raise UnibindError(
            f"the query has {len(positive)} parts{also}, but {len(given)} weights were given; give one for each"
        )
    for weight in given:
        if not (math.isfinite(weight) and weight > 0):
            raise UnibindError(f"the weight {weight:g} of the query is not positive; pass what to avoid as a negative")
    given = given or [1.0] * len(positive)
    given += [AGAINST] * (len(positive) + len(negative) - len(given))
    weighted = [replace(p, weight=float(w)) for p, w in zip(positive + negative, given, strict=True)]
    return Query(tuple(weighted[: len(positive)]), tuple(weighted[len(positive) :]))
