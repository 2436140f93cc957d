"""What is known of a backbone before anything is loaded: its card, and the license of its weights."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..errors import UnibindError


@dataclass(frozen=True)
class License:
    """License of a backbone's weights: SPDX identifier, and whether it allows commercial use."""

    spdx: str
    commercial: bool

    def __str__(self) -> str:
        return self.spdx if self.commercial else f"{self.spdx} (non-commercial)"


@dataclass(frozen=True)
class Card:
    """What `unibind backbones list` shows of a backbone.

    `name` is written as `create_backbone` takes it, variable parts in capitals. `dim` and `license` are None where
    they are the model's own. `weights` says where the weights come from, `extra` which optional dependencies it needs.
    """

    name: str
    summary: str
    modalities: tuple[str, ...]
    dim: int | None
    license: License | None
    weights: str
    extra: str | None = None


COMMERCIAL_ONLY = "UNIBIND_COMMERCIAL_ONLY"  # environment variable; `unibind --commercial-only` sets it


def commercial_only() -> bool:
    """Whether only weights that allow commercial use are wanted."""
    return os.environ.get(COMMERCIAL_ONLY, "") not in ("", "0")


def check_commercial(name: str, license: License) -> None:
    """Raise UnibindError where only commercially usable weights are wanted and these are not."""
    if commercial_only() and not license.commercial:
        raise UnibindError(
            f"the weights of {name} are under {license.spdx}, which forbids commercial use; "
            f"choose another backbone or do without --commercial-only ({COMMERCIAL_ONLY})"
        )
