"""Opening what a person names: stores by path, backbones by name or as a store remembers them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..backbones import Backbone, create_backbone
from ..backbones._shared.places import absolute_name, still_there
from ..errors import UnibindError
from .store import Store

DEFAULT_BACKBONE = "mini"


def open_store(store: Store | str | Path) -> Store:
    """The store, opened if it is given by path; raises MissingFileError where there is none."""
    return Store.open(store) if isinstance(store, str | Path) else store


def open_backbone(
    backbone: Backbone | str | None,
    *,
    store: Store | None = None,
    weights: str | Path | None = None,
    precision: str | None = None,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Backbone:
    """The backbone that is given or named, else the one that encoded `store` (with its options), else the default.

    `weights`, `precision`, `device` and `options` override the options that the store remembers. Raises UnibindError
    where they are given beside an open backbone.
    """
    given = {"weights": weights, "precision": precision, "device": device, **(options or {})}
    chosen = {name: value for name, value in given.items() if value is not None}
    if backbone is not None and not isinstance(backbone, str):
        if chosen:
            raise UnibindError(f"an open backbone takes no options; leave out {', '.join(chosen)}, or name it instead")
        return backbone
    remembered = store.backbone if store is not None else None
    if remembered is not None and (backbone is None or absolute_name(backbone) == remembered[0]):
        return create_backbone(remembered[0], **(still_there(remembered[1]) | chosen))
    return create_backbone(backbone or DEFAULT_BACKBONE, **chosen)
