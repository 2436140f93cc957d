"""Contract: everything that decides what an embedding means, with a short hash.

The hash is stored with every store, center set, head and index. Vectors whose contracts do not fit cannot be compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import ContractError
from ..json_files import OBJECT, TEXT, check_fields, optional, parse_json

_FIELDS = {
    "space": TEXT,
    "backbone": TEXT,
    "modality": TEXT,
    "weights": TEXT,
    "preprocessing": OBJECT,
    "precision": TEXT,
    "head": optional(TEXT),
    "anchor": optional(TEXT),
    "centered": optional(TEXT),
}
_FIX = "write it again"
_UNIFIED = "/unified@"  # between a space and the fingerprint of the heads that moved all its modalities, text included


@dataclass(frozen=True)
class Contract:
    """What decides the meaning of one modality's embeddings.

    `space` names the shared space (the backbone and the fingerprint of its text tower): vectors of different modalities
    are comparable if they share a space, vectors of one modality only if their whole contracts are equal. Where a tower
    of a composed backbone is outside the space of the backbone's texts, `anchor` names the space of these texts.
    """

    space: str
    backbone: str
    modality: str
    weights: str  # fingerprint of this tower's weights
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    head: str | None = None  # fingerprints of the maps applied after the tower, in order, joined by "+"
    anchor: str | None = None  # the space of the backbone's texts, if it is not `space`
    centered: str | None = None  # fingerprint of the mean that was removed

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that identify this contract."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """Canonical JSON text, which `from_json` reads; `centered` is left out where nothing was removed."""
        fields = asdict(self)
        if self.centered is None:
            del fields["centered"]
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, where: str = "the contract") -> Contract:
        """Inverse of `to_json`; raises UnibindError, which begins with `where`, for a text that is not a contract."""
        return cls.from_fields(parse_json(text, where, _FIX), where)

    @classmethod
    def from_fields(cls, fields: Any, where: str) -> Contract:
        """The contract that parsed JSON gives; raises UnibindError, which begins with `where`, if it is none."""
        defaulted = ("preprocessing", "precision", "head", "anchor", "centered")
        return cls(**check_fields(fields, _FIELDS, where, _FIX, defaults=defaulted))

    def with_head(self, fingerprint: str, space: str | None = None) -> Contract:
        """The contract after one more map with this fingerprint, into `space` (None: within the same space)."""
        chain = fingerprint if self.head is None else f"{self.head}+{fingerprint}"
        return replace(self, head=chain, space=space or self.space, anchor=None if space else self.anchor)

    def centered_by(self, fingerprint: str) -> Contract:
        """The contract after the mean with this fingerprint was removed."""
        return replace(self, centered=fingerprint)

    def unified_space(self, fingerprint: str) -> str:
        """The space into which the heads with this fingerprint, one of them for text, move the anchor space."""
        return f"{self.anchor_space}{_UNIFIED}{fingerprint}"

    @property
    def in_anchor_space(self) -> bool:
        """Whether these vectors are in the space of their backbone's texts, or in a unified one with these."""
        return self.anchor is None

    @property
    def anchor_space(self) -> str:
        """The space of the texts as their backbone embeds them, whether or not these vectors are in it."""
        return self.anchor or self.space.partition(_UNIFIED)[0]

    def anchored_to(self, texts: Contract) -> Contract:
        """The contract of this tower in a backbone with these texts, where it may be outside the anchor space."""
        return replace(self, anchor=None if self.shares_space(texts) else texts.space)

    def shares_space(self, other: Contract) -> bool:
        """Whether vectors of both contracts are in one space."""
        return self.space == other.space

    def shares_anchor(self, other: Contract) -> bool:
        """Whether both have the same anchor space, whether or not their vectors are in it."""
        return self.anchor_space == other.anchor_space

    def check_comparable(self, other: Contract, *, here: str = "these vectors", there: str = "those") -> None:
        """Raise ContractError, naming what differs, unless vectors of both contracts may be compared.

        Centered vectors are compared with centered ones only.
        """
        if not self.shares_space(other) and self.shares_anchor(other):
            for unified in (self, other):
                if _UNIFIED in unified.space:
                    raise ContractError(
                        f"{here} live in the space {self.space} and {there} in {other.space}: a unified model moves "
                        "texts, too, and what it has no head for stays where it was; embed both with that model, "
                        "fitted for both modalities"
                    )
            outside = other if self.in_anchor_space else self
            raise ContractError(
                f"{here} and {there} cannot be compared: the {outside.modality} tower has its own space, "
                f"{outside.space}; fit it on labeled items, or use `unibind bridge` if its model has a text tower"
            )
        if not self.shares_space(other):
            raise ContractError(
                f"{here} live in the space {self.space} and {there} in {other.space}; encode both with one backbone"
            )
        if (self.centered is None) != (other.centered is None):
            centered = there if self.centered is None else here
            raise ContractError(
                f"{here} and {there} cannot be compared: a mean was removed from {centered} only; "
                "remove the mean of each modality from both, or from none"
            )
        if self.modality == other.modality and self.hash != other.hash:
            own, others = asdict(self), asdict(other)
            names = ", ".join(name for name in own if own[name] != others[name])
            raise ContractError(
                f"{here} and {there} ({self.modality}) differ in {names} "
                f"(contracts {self.hash} and {other.hash}); encode both the same way"
            )
