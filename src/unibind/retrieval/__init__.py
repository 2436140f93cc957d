"""Cross-modal retrieval: an index over stored embeddings, searched by vectors of any modality.

Modalities occupy different cones of one space (the modality gap), so in a mixed index a query's own modality, and
whichever lies nearest, crowds out the rest. So the mean of each modality is removed from both sides, after Liang et al.
2022 (arXiv 2203.02053); see `retrieval.centering`.
"""

from __future__ import annotations

from .hits import Hit, Hits
from .index import Index
from .stores import StoreSearch

__all__ = ["Hit", "Hits", "Index", "StoreSearch"]
