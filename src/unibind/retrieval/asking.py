"""Asking: the parts of queries are embedded, composed, and answered by what is searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..backbones import Backbone
from ..data.embedded_batches import Stream, results_of_each
from ..data.encode import EmbeddedBatch
from ..data.inputs import one_or_many
from .hits import Hits
from .queries import Part, composed, parts_of
from .search import ItemSearch, SearchOptions
from .searchable import Searchable


@dataclass(frozen=True)
class FurtherParts:
    """What is searched for together with every query: see `UniBind.search`; None for nothing."""

    items: Any = None
    negatives: Any = None
    weights: Sequence[float] | None = None


def answers(
    query: Any,
    stream: Stream,
    items: Searchable,
    options: SearchOptions,
    together: FurtherParts,
    *,
    backbone: Backbone,
    progress: bool | None,
    **reading: Any,
) -> Any:
    """The hits of one query (Hits), or of many (a list of Hits); each part is embedded by `stream` with `backbone`."""
    search = ItemSearch(items, options)

    def parts(also: Any) -> list[Part]:
        embedded = stream([] if also is None else one_or_many(also)[1], backbone=backbone)
        found = {place: part for batch in embedded for place, part in parts_of(batch, items).items()}
        return [found[place] for place in sorted(found)]

    further, negatives = parts(together.items), parts(together.negatives)

    def hits(batch: EmbeddedBatch) -> list[Hits]:
        asked = parts_of(batch, items)
        return search.hits([composed(asked[place], further, negatives, together.weights) for place in batch.positions])

    return results_of_each(query, "searching", stream, hits, progress=progress, backbone=backbone, **reading)
