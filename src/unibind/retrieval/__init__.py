"""Cross-modal retrieval: the items of a store, searched by queries of any modality, of several parts, and by words.

Modalities occupy different cones of one space (the modality gap), so in a mixed index a query's own modality, and
whichever lies nearest, crowds out the rest. So the mean of each modality is removed from both sides, after Liang et al.
2022 (arXiv 2203.02053); see `retrieval.centering`.
"""

from __future__ import annotations

from .filters import Filter, filter_of, parse_filter
from .hits import Hit, Hits
from .search import ItemSearch, SearchOptions

__all__ = ["Filter", "Hit", "Hits", "ItemSearch", "SearchOptions", "filter_of", "parse_filter"]
