"""The vector index of a view: which one, by its size, and how it is searched.

HNSW (a graph over vectors of one byte per number) finds more, but is read into memory as a whole and takes long to
build; IVF-PQ (vectors of a few bytes in many partitions, of which a search reads some) takes little of both. Either
names candidates, which are then compared exactly. Distances are squared Euclidean: for vectors of unit length they rank
as cosines do, and a zero vector, which has no cosine, has one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lancedb.table import Table

NAME = "vector_index"
PQ, HNSW = "IVF_PQ", "IVF_HNSW_SQ"

FEWEST = 1000  # rows, below which looking at all of them is as fast
_MOST_FOR_HNSW = 200_000  # rows: it is built at a few thousand per second
_SHARE = 16  # of the memory of the machine, one part may be taken by a graph
_LINKS = 16  # of each item in the graph
_BUILT_WITH = 150  # candidates for the links of an item
_NUMBERS_PER_CODE = 8  # numbers of a vector that one byte stands for; with fewer, training takes many times as long
TRAINED_ON, ROUNDS = 64, 20  # items per partition and rounds of k-means; more changes little
_PROBED = 25  # one in so many partitions is read
_FEWEST_PROBED = 8
_CANDIDATES = 150  # compared exactly, or fifteen for each item that is asked for
_GRAPH_CANDIDATES = 150


@dataclass(frozen=True)
class VectorIndex:
    """An index of a `kind`, in so many `partitions`, with codes of `codes` bytes for IVF-PQ (else 0).

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
            config: Any = IvfPq(**shared, num_sub_vectors=self.codes, sample_rate=TRAINED_ON, max_iterations=ROUNDS)
        else:
            config = HnswSq(**shared, m=_LINKS, ef_construction=_BUILT_WITH)
        table.create_index("vector", config=config, name=NAME, replace=True)

    def asked(self, search: Any, count: int) -> Any:
        """A LanceDB search for the `count` nearest vectors, told how far to look.

        Where a filter leaves too few in the partitions that are read, all are.
        """
        if self.kind == HNSW:
            ef = max(_GRAPH_CANDIDATES, 3 * count)
            return search.nprobes(self.partitions).ef(ef).refine_factor(-(-ef // (2 * count)))
        probed = min(self.partitions, max(_FEWEST_PROBED, self.partitions // _PROBED))
        candidates = max(_CANDIDATES, 15 * count)
        return search.minimum_nprobes(probed).maximum_nprobes(0).refine_factor(-(-candidates // count))

    @property
    def words(self) -> str:
        """For people."""
        of = f", {self.codes} bytes a vector" if self.codes else ""
        return f"{self.kind}, {self.partitions:,} partitions{of}, learned from {self.rows:,} items"


def unindexed_rows(table: Table) -> int:
    """How many rows of a table are not in its vector index yet: they are compared one by one."""
    return next((index.num_unindexed_rows for index in table.list_indices() if index.name == NAME), 0)


def _codes(width: int) -> int:
    """How many bytes stand for a vector: the most that divide it into equal parts; 0 where none do well."""
    found = [codes for codes in range(1, width // _NUMBERS_PER_CODE + 1) if width % codes == 0]
    return found[-1] if found and width // found[-1] <= 4 * _NUMBERS_PER_CODE else 0


def _memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
