"""What a search looks at: few items, by a view of the store, or all of them, exactly."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..data.store import Store
from .centering import Searcher
from .streamed import StreamedItems
from .views import ViewItems, current_view

_log = logging.getLogger(__name__)

INDEXED_FROM = 50_000  # items: fewer are all looked at in less time than a person notices


def open_items(
    store: Store, model: Searcher, *, modalities: Sequence[str] | None = None, center: bool = True
) -> ViewItems | StreamedItems:
    """The items of a store as a model compares them: those of its view, which follows the store, else all, streamed.

    Raises UnknownNameError for a modality that is not stored, and ContractError for a store of another backbone.
    """
    view = current_view(store, model) if center else None
    if view is not None:
        return view.only(modalities)
    if center and len(store) >= INDEXED_FROM and not store.at_a_version:
        _log.warning(f"all {len(store):,} items are looked at; `unibind index build {store.path}` makes search fast")
    return StreamedItems(store, model, modalities=modalities, center=center)
