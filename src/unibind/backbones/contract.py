"""Contract: everything that decides what an embedding means, boiled down to a short hash.

The hash travels with every store, center set, head and index; vectors whose contracts do not fit are refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import ContractError


@dataclass(frozen=True)
class Contract:
    """What decides the meaning of one modality's embeddings.

    `space` names the shared space (backbone and fingerprint of its anchor weights): vectors of different modalities
    are comparable when their spaces agree, vectors of one modality only when their whole contracts agree. A part of a
    composed backbone that is foreign to its texts' space names that in `anchor`: a head may lead there.
    """

    space: str
    backbone: str
    modality: str
    weights: str  # fingerprint of this tower's weights
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    head: str | None = None  # fingerprint of the maps applied after the tower, in their order, joined by "+"
    anchor: str | None = None  # where `space` holds no texts of its backbone: the space that does

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that name this contract."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """Canonical JSON text; `from_json` reads it back."""
        facts = asdict(self)
        return json.dumps(facts, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Inverse of `to_json`."""
        return cls(**json.loads(text))

    def with_head(self, fingerprint: str, space: str | None = None) -> Contract:
        """The contract after one more map with this fingerprint, which leads into `space` (None: stays in this one)."""
        chain = fingerprint if self.head is None else f"{self.head}+{fingerprint}"
        return replace(self, head=chain, space=space or self.space, anchor=None if space else self.anchor)

    @property
    def in_anchor_space(self) -> bool:
        """Whether these vectors lie in the space of their backbone's texts."""
        return self.anchor is None

    @property
    def anchor_space(self) -> str:
        """The space of the texts that these vectors belong with, whether or not they lie in it."""
        return self.anchor or self.space

    def shares_space(self, other: Contract) -> bool:
        """Whether vectors of both contracts lie in one space."""
        return self.space == other.space

    def shares_anchor(self, other: Contract) -> bool:
        """Whether both belong with the same texts, whether or not they lie in those texts' space."""
        return self.anchor_space == other.anchor_space

    def check_comparable(self, other: Contract, *, here: str = "these vectors", there: str = "those") -> None:
        """Raise ContractError, naming what differs, unless vectors of both contracts may be compared."""
        if not self.shares_space(other) and self.shares_anchor(other):
            outside = other if self.in_anchor_space else self
            raise ContractError(
                f"{here} and {there} cannot be compared: the {outside.modality} tower has its own space, {outside.space}; "
                "fit it on labeled items, or bridge it with `unibind bridge` if its model has a text tower"
            )
        if not self.shares_space(other):
            raise ContractError(
                f"{here} live in the space {self.space} and {there} in {other.space}; encode both with one backbone"
            )
        if self.modality == other.modality and self.hash != other.hash:
            ours, theirs = asdict(self), asdict(other)
            names = ", ".join(name for name in ours if ours[name] != theirs[name])
            raise ContractError(
                f"{here} and {there} ({self.modality}) differ in {names} "
                f"(contracts {self.hash} and {other.hash}); encode both the same way"
            )
