"""The vector index of a view: which one, by its size, and how it is searched.

HNSW (a graph over vectors of one byte per number) finds more, but a search reads it into memory as a whole, and it
takes fifteen times as long to build. IVF-PQ has codes of four bits, each for a few numbers of a vector, in many
partitions, of which a search reads some. Either names candidates, which are then compared exactly. Distances are
squared Euclidean: for vectors of unit length they rank as cosines do, and a zero vector, which has no cosine, has one.

The constants were chosen on clustered vectors of 384 numbers, 200,000 and 1,000,000 of them, with queries that are like
them and queries that are far from all of them (`benchmarks/search.py`).
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lancedb.table import Table

NAME = "vector_index"
PQ, HNSW = "IVF_PQ", "IVF_HNSW_SQ"

FEWEST = 1000  # rows, below which looking at all of them is as fast
_MOST_FOR_HNSW = 200_000  # rows: it is built at some 4,000 per second
_SHARE = 16  # of the memory of the machine, one part may be taken by a graph
_LINKS = 16  # of each item in the graph
_BUILT_WITH = 150  # candidates for the links of an item
BITS = 4  # of a code: with eight, building takes 1.7 times as long
_NUMBERS_PER_CODE = 2  # at best; with more, more candidates must be read to find as much
_MOST_NUMBERS_PER_CODE = 16
TRAINED_ON, ROUNDS = 32, 10  # items per partition and rounds of k-means; more changes little
_CANDIDATES_PER_ITEM = 10  # compared exactly: reading them is most of a search
_GRAPH_CANDIDATES_PER_ITEM = 3


@dataclass(frozen=True)
class _Effort:
    """How much of an index is read: one in so many partitions, and the fewest partitions and candidates."""

    probed: int
    fewest_probed: int
    candidates: int
    graph_candidates: int


# for queries that are like the items, and for others: of a million items, these read all partitions
_QUICK, _THOROUGH = _Effort(25, 32, 100, 150), _Effort(4, 1000, 400, 1000)


@dataclass(frozen=True)
class VectorIndex:
    """An index of a `kind`, in so many `partitions`, with so many `codes` a vector for IVF-PQ (else 0).

    `rows` were there when it was built; it learned from them what the vectors are like.
    """

    kind: str
    partitions: int
    codes: int
    rows: int

    @classmethod
    def chosen(cls, rows: int, width: int, memory: int | None = None) -> VectorIndex | None:
        """The index for so many vectors of this width on a machine with so many bytes of memory (None: this one's).

        None for so few rows that they need none.
        """
        if rows < FEWEST:
            return None
        graph = rows * (width + 2 * _LINKS * 4)
        codes = _codes(width)
        if (rows <= _MOST_FOR_HNSW and graph <= (memory or _memory()) / _SHARE) or not codes:
            return cls(HNSW, max(1, round(rows / 1_000_000)), 0, rows)
        return cls(PQ, max(1, round(rows**0.5)), codes, rows)

    def build(self, table: Table) -> None:
        """Build it, in place of another one."""
        from lancedb.index import HnswSq, IvfPq

        shared = {"distance_type": "l2", "num_partitions": self.partitions}
        if self.kind == PQ:
            learning = {"sample_rate": TRAINED_ON, "max_iterations": ROUNDS}
            config: Any = IvfPq(**shared, num_sub_vectors=self.codes, num_bits=BITS, **learning)
        else:
            config = HnswSq(**shared, m=_LINKS, ef_construction=_BUILT_WITH)
        table.create_index("vector", config=config, name=NAME, replace=True)

    def asked(self, search: Any, count: int, share: float | None, *, thorough: bool) -> Any:
        """A LanceDB search for the `count` nearest vectors, limited to some partitions and candidates.

        `share` of all rows are kept by its filter, evenly over the partitions; None where that is unknown: then all
        partitions are read. A `thorough` search reads more, for a query that is not like the items.
        """
        effort = _THOROUGH if thorough else _QUICK
        if self.kind == HNSW:
            ef = max(effort.graph_candidates, _GRAPH_CANDIDATES_PER_ITEM * count)
            return search.nprobes(self.partitions).ef(ef).refine_factor(-(-ef // (2 * count)))
        candidates = max(effort.candidates, _CANDIDATES_PER_ITEM * count)
        probed = max(effort.fewest_probed, self.partitions // effort.probed) / share if share else self.partitions
        return search.nprobes(min(self.partitions, math.ceil(probed))).refine_factor(-(-candidates // count))

    @property
    def words(self) -> str:
        """For people."""
        of = f", {self.codes * BITS // 8} bytes a vector" if self.codes else ""
        return f"{self.kind}, {self.partitions:,} partitions{of}, learned from {self.rows:,} items"


def unindexed_rows(table: Table) -> int:
    """How many rows of a table are not in its vector index yet: they are compared one by one."""
    return next((index.num_unindexed_rows for index in table.list_indices() if index.name == NAME), 0)


def _codes(width: int) -> int:
    """How many codes stand for a vector: an even number that divides it into equal parts; 0 where none does well."""
    parts = range(_NUMBERS_PER_CODE, _MOST_NUMBERS_PER_CODE + 1)
    return next((width // part for part in parts if width % (2 * part) == 0), 0)


def _memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
