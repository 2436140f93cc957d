"""Searching a store: which of its modalities, by which means, and what the hits tell beside their items."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..backbones import Contract
from ..centering import Mean
from ..data.embeddings import Embeddings, Vectors
from ..data.store import Store
from ..modalities import check_modality
from .hits import Hits
from .index import Index


def search_store(
    store: Store,
    queries: Vectors,
    contract: Contract,
    *,
    names: Sequence[str],
    project: Callable[[Embeddings], Embeddings],
    modalities: Sequence[str] | None,
    split: str | None,
    k: int,
    per_modality: int | None,
    means: Mapping[str, Mean] | None,
) -> list[Hits]:
    """Search a store by embedded queries [Q, D] of one contract, with their `names`; `project` applies a model's heads,
    and `means` are removed from both sides (None: nothing).

    Without `modalities`, those that cannot be compared with the query are left out where others can. Of items with the
    same content in one modality, the first by id is found.
    """
    stored = tuple(store.modalities())
    searched = [check_modality(m, stored) for m in modalities or stored]
    parts = {m: project(store.vectors(modality=m, split=split).distinct()) for m in searched}
    outside = [
        m for m, e in parts.items() if not e.contract.shares_space(contract) and e.contract.shares_anchor(contract)
    ]
    if modalities or len(outside) == len(parts):
        outside = []  # the index refuses them by name
    parts = {m: e for m, e in parts.items() if m not in outside}
    index = Index(parts, means=means)
    gaps, results = index.gaps(), []
    for name, hits in zip(names, index.search(queries, contract, k, per_modality=per_modality), strict=True):
        result = Hits(hits)
        result.query, result.query_modality = name, contract.modality
        result.gaps, result.outside_anchor_space = gaps, tuple(outside)
        result.store_version = store.version
        results.append(result)
    return results
