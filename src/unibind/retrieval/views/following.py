"""Filling a view from its store, and making it follow: what was added, changed, removed, or lost its file.

Parts of the store that the view has seen are not read again. New parts are compared with the view row by row; that
finds what was added and changed. What was removed left no row behind, but then the view has more rows than the store,
and only then all keys are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...centering import Mean
from ...data.rows import PRESENT
from ...data.store import Store
from ..compared import Comparison
from .nearness import Sample
from .rows import OF_STORE, checksums, view_rows
from .table import ViewTable

if TYPE_CHECKING:
    import pyarrow

_READ_AT_ONCE, _WRITTEN_AT_ONCE = 8192, 65_536  # rows


class Filling:
    """Writes the rows of a store into a view.

    `averages` has the mean of each modality before any was removed, and `samples` some of its vectors in the view.
    """

    def __init__(
        self, store: Store, comparison: Comparison, table: ViewTable, progress: Callable[[int], None] | None = None
    ) -> None:
        self._store, self._comparison, self._table = store, comparison, table
        self._progress = progress or (lambda _: None)
        self.samples: dict[str, Sample] = {}
        self._sums: dict[str, tuple[NDArray[np.float64], int]] = {}
        self._waiting: list[pyarrow.Table] = []
        self._gone: list[str] = []

    def fill(self, seen: Iterable[str] = (), *, empty: bool = False) -> None:
        """Write what the parts of the store have that are not among those `seen`; the view may be `empty`."""
        known = set(seen)
        new = [fragment for fragment in self._store.fragments() if fragment.name not in known]
        parts = (rows for _, rows in self._store.scan_fragments(OF_STORE, new, size=_READ_AT_ONCE))
        if empty:  # written as they are read, in one commit
            self._table.add(part for rows in parts for part in self._first(rows))
            return
        for rows in parts:
            self._take(rows, _present(rows), self._table.checksums(rows["key"].to_pylist()))
            self._progress(len(rows))
        self._flush()
        if len(self._table) != len(self._store):
            self._remove_lost()

    def averages(self) -> dict[str, Mean]:
        """The mean of the vectors of each modality that were written, after its head."""
        return {m: Mean((total / count).astype(np.float32), count) for m, (total, count) in self._sums.items()}

    def _first(self, rows: pyarrow.Table) -> Iterator[pyarrow.Table]:
        """Rows of an empty view."""
        yield from self._compared(rows.filter(_present(rows)))
        self._progress(len(rows))

    def _take(self, rows: pyarrow.Table, present: NDArray[np.bool_], before: Mapping[str, int]) -> None:
        now = dict(zip(rows["key"].to_pylist(), checksums(rows), strict=True))
        old = [key for key, checksum in before.items() if now[key] != checksum]
        kept = present & np.array([before.get(key) != checksum for key, checksum in now.items()], bool)
        lost = [key for key, here in zip(now, present, strict=True) if not here and key in before]
        self._gone += dict.fromkeys([*old, *lost])
        if kept.any():
            self._waiting += self._compared(rows.filter(kept))
        if sum(map(len, self._waiting)) >= _WRITTEN_AT_ONCE:
            self._flush()

    def _compared(self, rows: pyarrow.Table) -> Iterator[pyarrow.Table]:
        """Rows of the view, those of each modality together."""
        from pyarrow import compute

        for modality in dict.fromkeys(rows["modality"].to_pylist()):
            part = rows.filter(compute.equal(rows["modality"], modality))
            plain, vectors = self._comparison.items(self._store.sound_vectors(part, modality), modality)
            total, count = self._sums.get(modality, (np.zeros(()), 0))
            self._sums[modality] = total + plain.sum(axis=0, dtype=np.float64), count + len(plain)
            self.samples.setdefault(modality, Sample(self._store.width)).take(vectors)
            yield view_rows(self._store, part, vectors)

    def _flush(self) -> None:
        """Remove what changed and write it anew; killed in between, the next fill writes what is missing."""
        if self._gone:
            self._table.delete(self._gone)
        if self._waiting:
            self._table.add(self._waiting)
        self._gone, self._waiting = [], []

    def _remove_lost(self) -> None:
        """Remove the rows of the view that the store does not have any more."""
        parts = [np.array(table["key"].to_pylist(), "S") for table in self._store.scan(["key"], size=_WRITTEN_AT_ONCE)]
        stored = np.sort(np.concatenate(parts)) if parts else np.zeros(0, "S1")
        lost: list[str] = []
        for keys in self._table.key_batches():
            names = np.array(keys, "S")
            place = np.minimum(np.searchsorted(stored, names), max(0, len(stored) - 1))
            there = stored[place] == names if len(stored) else np.zeros(len(names), bool)
            lost += [key for key, here in zip(keys, there, strict=True) if not here]
        self._table.delete(lost)


def _present(rows: pyarrow.Table) -> NDArray[np.bool_]:
    return np.array([state == PRESENT for state in rows["state"].to_pylist()], bool)
