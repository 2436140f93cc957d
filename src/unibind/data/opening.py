"""Opening what a person names: stores by path, backbones by name or as a store remembers them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..backbones import Backbone, create_backbone
from ..backbones._shared.places import absolute_name, still_there
from ..backbones.registry import find_spec
from ..errors import UnibindError
from .store import Store

DEFAULT_BACKBONE = "starter"

_log = logging.getLogger(__name__)


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
    only_texts: bool = False,
) -> Backbone:
    """The backbone that is given or named, else the one that encoded `store` (with its options), else the default.

    `weights`, `precision`, `device` and `options` override the options that the store remembers. What the default
    backbone knows is logged once, except where `only_texts` will be embedded. Raises UnibindError where options are
    given beside an open backbone.
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
    opened = create_backbone(backbone or DEFAULT_BACKBONE, **chosen)
    if backbone is None and not only_texts:
        _say_what_it_knows(DEFAULT_BACKBONE)
    return opened


@cache
def _say_what_it_knows(name: str) -> None:
    """Log it once per process: a default is used by those who have not looked at what there is."""
    knows = find_spec(name).card.knows
    if knows:
        _log.warning("%s, the default backbone, knows %s; `unibind backbones list` has others", name, knows)
