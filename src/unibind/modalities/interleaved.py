"""Items of several parts, such as a picture and a text about it, that are embedded as one vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .spec import Raw, require

JOINT = "+"  # between the modalities of the parts in the name of theirs


@dataclass(frozen=True, eq=False)
class Interleaved:
    """Several raw items of at least two modalities, in an order that may matter."""

    parts: tuple[Raw, ...]

    def __post_init__(self) -> None:
        """Refuse parts of parts, and parts of one modality."""
        require(
            len({part.modality for part in self.parts}) > 1 and not any(isinstance(p, Interleaved) for p in self.parts),
            "an item of several parts needs at least two modalities; pass several items as a list, not as a tuple",
        )

    @property
    def modality(self) -> str:
        """The modalities of the parts in alphabetical order, such as "image+text"."""
        return JOINT.join(sorted({part.modality for part in self.parts}))

    def summary(self) -> dict[str, Any]:
        """The summary of every part."""
        return {"parts": [{"modality": part.modality, **part.summary()} for part in self.parts]}
