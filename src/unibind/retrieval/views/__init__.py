"""Search views: what makes a large store fast to search, one for each model, in its folder `views/`.

A view is a Lance table with a row for each present item of a store: what filters and hits need, and the vector as a
model compares it (after its head, without the mean of its modality), at unit length. It has a vector index.
The store stays the truth: a view follows it, and can be made anew from it at any time.
"""

from __future__ import annotations

from .describing import ViewDescription, describe_view, describe_views
from .items import ViewItems
from .opening import build_view, current_view, drop_views, keep_view, view_records
from .record import ViewRecord
from .vector_index import VectorIndex

__all__ = [
    "VectorIndex",
    "ViewDescription",
    "ViewItems",
    "ViewRecord",
    "build_view",
    "current_view",
    "describe_view",
    "describe_views",
    "drop_views",
    "keep_view",
    "view_records",
]
