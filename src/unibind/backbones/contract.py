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
    are comparable when their spaces agree, vectors of one modality only when their whole contracts agree.
    """

    space: str
    backbone: str
    modality: str
    weights: str  # fingerprint of this tower's weights
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    head: str | None = None  # fingerprint of the head applied after the tower

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that name this contract."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """Canonical JSON text; `from_json` reads it back."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Inverse of `to_json`."""
        return cls(**json.loads(text))

    def with_head(self, fingerprint: str | None) -> Contract:
        """The contract after a head with this fingerprint."""
        return replace(self, head=fingerprint)

    def check_comparable(self, other: Contract, *, here: str = "these vectors", there: str = "those") -> None:
        """Raise ContractError, naming what differs, unless vectors of both contracts may be compared."""
        if self.space != other.space:
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
