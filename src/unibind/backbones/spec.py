"""BackboneSpec: what registers a backbone, and what is known about it before any of its code is imported."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import UnibindError

if TYPE_CHECKING:
    from .protocol import Backbone


@dataclass(frozen=True)
class License:
    """License of a backbone's weights: SPDX identifier, and whether it allows commercial use."""

    spdx: str
    commercial: bool

    def __str__(self) -> str:
        return self.spdx if self.commercial else f"{self.spdx} (non-commercial)"


def combined_license(licenses: Sequence[License]) -> License:
    """A license that allows what all of them allow."""
    names = dict.fromkeys(license.spdx for license in licenses)
    return License(" AND ".join(names), commercial=all(license.commercial for license in licenses))


@dataclass(frozen=True)
class KnownModel:
    """A model worth having, by its makers: `parameters` in millions, `dim` the full width of its vectors."""

    name: str
    modalities: tuple[str, ...]
    parameters: int
    dim: int
    license: License
    note: str = ""

    @property
    def memory_gb(self) -> float:
        """Gigabytes of its weights in bfloat16; activations need more."""
        return self.parameters * 2 / 1000


@dataclass(frozen=True)
class Card:
    """What `unibind backbones list` shows about a backbone.

    `name` is what `create_backbone` takes, with the variable parts in capitals. `modalities`, `dim` and `license` are
    None where they depend on the model. `weights` says where the weights come from, and `extra` names the optional
    dependencies that are needed. `base_model` is the name of the model on the Hugging Face Hub, for model cards.
    `knows` says what its towers have learned and what they have not; it is said where the backbone is the default.
    `unavailable` is the reason why an installed third-party backbone cannot be loaded. `models` are some that stand for
    the variable part of its name.
    """

    name: str
    summary: str
    modalities: tuple[str, ...] | None
    dim: int | None
    license: License | None
    weights: str
    extra: str | None = None
    base_model: str | None = None
    knows: str | None = None
    unavailable: str | None = None
    models: tuple[KnownModel, ...] = ()


@dataclass(frozen=True)
class GoldenCheck:
    """Result of one golden check: the largest difference from the golden values, and the largest one allowed."""

    what: str
    difference: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether the difference is small enough; NaN never passes."""
        return self.difference <= self.allowed


@dataclass(frozen=True)
class BackboneSpec:
    """Registers a backbone: as `SPEC` of a package in `unibind.backbones`, or as an entry point `unibind.backbones`.

    `create(argument, **options)` builds it; `argument` is the text after the colon of its name, or None. The options
    `modalities`, `weights`, `precision` and `device` are passed only where the caller gives them. `golden_checks`
    compares this machine's results with recorded ones, for `unibind doctor`. Keep the module that defines the spec
    light, and import the model's code inside these functions: listing the backbones imports that module.

    `meanings` says in a phrase what the backbone's own options mean. Where `create` only passes options on, `builder()`
    returns what takes them, after the argument if the name has one: its signature lists the options.
    """

    card: Card
    create: Callable[..., Backbone]
    golden_checks: Callable[[], list[GoldenCheck]] | None = None
    meanings: Mapping[str, str] = field(default_factory=dict)
    builder: Callable[[], Callable[..., Backbone]] | None = None


COMMON_OPTIONS: Mapping[str, str] = {
    "modalities": "only these modalities; only their towers are read",
    "weights": "a path, or hf:OWNER/REPO/FILE",
    "precision": "float32, bfloat16, int8 or auto, as far as the backbone supports them",
    "device": "cpu, cuda, cuda:1, mps; None: the best there is",
    "compile": "compile the towers by torch.compile when they are first used",
}


COMMERCIAL_ONLY = "UNIBIND_COMMERCIAL_ONLY"  # environment variable; `unibind --commercial-only` sets it


def commercial_only() -> bool:
    """Whether only weights that allow commercial use may be loaded."""
    return os.environ.get(COMMERCIAL_ONLY, "") not in ("", "0")


def check_commercial(name: str, license: License) -> None:
    """Raise UnibindError if only weights for commercial use may be loaded and these do not allow it."""
    if commercial_only() and not license.commercial:
        raise UnibindError(
            f"the weights of {name} are licensed under {license.spdx}, which forbids commercial use; "
            f"choose another backbone, or drop --commercial-only ({COMMERCIAL_ONLY})"
        )
