"""Where the vector index of a view is built: by this process, or by the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ...data.engines import LOCAL
from ...data.engines.ray_data.cluster import connected, cores
from .vector_index import BITS, NAME, PQ, ROUNDS, TRAINED_ON, VectorIndex

if TYPE_CHECKING:
    from lancedb.table import Table


def _build_here(table: Table, _: Path, index: VectorIndex) -> None:
    index.build(table)


def _build_on_ray(table: Table, folder: Path, index: VectorIndex) -> None:
    """Train centroids and codes here, on a sample; workers then give each item its own, a part of the table each.

    A graph is of few items, and is built here.
    """
    if index.kind != PQ or index.rows < TRAINED_ON * max(2**BITS, index.partitions):
        index.build(table)
        return
    with connected():
        import lance_ray

        lance_ray.create_index(
            str(folder.resolve()),
            "vector",
            index.kind,
            NAME,
            metric="l2",
            num_partitions=index.partitions,
            num_sub_vectors=index.codes,
            num_bits=BITS,
            sample_rate=TRAINED_ON,
            max_iters=ROUNDS,
            num_workers=cores(),
        )
    table.checkout_latest()


BUILDERS: Mapping[str, Callable[[Table, Path, VectorIndex], None]] = MappingProxyType(
    {LOCAL: _build_here, "ray": _build_on_ray}
)
