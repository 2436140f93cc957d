"""Writing the embeddings and failures of a run to a store in a separate thread, so that the encoder does not wait."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import compress

import numpy as np

from ..backbones import Backbone
from ..errors import UnibindError
from ..freed_memory import give_back
from .embeddings import Vectors
from .file_facts import FileFacts
from .loader import TIMED_OUT, Failure, item_label
from .manifest import Item
from .rows import MISSING, StoredItem
from .store import Store
from .store_entries import NewFragment, Quarantined
from .unreadable import Stamps

# Each commit makes a new version and file, so after the first there is one per this many items or seconds. Files of
# this many items are not merged automatically.
_COMMIT_ITEMS, _COMMIT_S = 2048, 20.0
_COMMITS_WAITING = 1
_MOST_TIMED_OUT = 10  # in a row: then it is the drive and not the files


@dataclass
class _Portion:
    """The content of a commit: embedded items of one modality, and items that failed."""

    ready: list[tuple[Sequence[Item], Vectors]] = field(default_factory=list)
    fragments: list[NewFragment] = field(default_factory=list)
    failed: list[Quarantined] = field(default_factory=list)
    modality: str | None = None

    def __len__(self) -> int:
        rows = sum(len(items) for items, _ in self.ready) + sum(fragment.rows for fragment in self.fragments)
        return max(rows, len(self.failed))


class StoreWriter:
    """Collects rows and writes them in portions of one modality, also while the encoder waits.

    A portion is written once, or never if the process is killed. Errors of the writing thread are raised by the next
    call.
    """

    def __init__(self, backbone: Backbone, store: Store) -> None:
        self.encoded = self.replaced = self.failed = 0
        self._backbone, self._store = backbone, store
        self._replaced: dict[tuple[str, str], StoredItem] = {}  # rows of items that are not written yet
        self._facts: dict[tuple[str, str], FileFacts | None] = {}  # of such items
        self._portion = _Portion()
        self._since = -math.inf  # the last commit; the first comes soon, so that a full disk is noticed early
        self._timed_out = 0  # items in a row
        self._stamps = Stamps()
        self._lock = threading.Lock()
        self._queue: queue.Queue[_Portion | None] = queue.Queue(_COMMITS_WAITING)
        self._error: BaseException | None = None  # of the thread
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def expect(self, item: Item, row: StoredItem | None) -> None:
        """Keep the row that an item replaces until it is written."""
        if row is not None:
            self._replaced[item.modality, item.id] = row

    def note(self, item: Item, facts: FileFacts | None) -> None:
        """Keep the facts of an item's file until it is written."""
        self._timed_out = 0
        self._facts[item.modality, item.id] = facts

    def add(self, items: Sequence[Item], vectors: Vectors) -> None:
        """Take embedded items of one modality."""
        with self._lock:
            self._take(items[0].modality)
            self._portion.ready.append((items, vectors))
            self._hand_over_if_full()

    def adopt(self, modality: str, fragment: NewFragment) -> None:
        """Take a fragment of new items that a worker wrote to the store's folder.

        Fragments wait for the commit before theirs, so that there are fewer commits where they come fast.
        """
        with self._lock:
            self._take(modality)
            self._portion.fragments.append(fragment)
            if not self._queue.full():
                self._hand_over_if_full()

    def _take(self, modality: str) -> None:
        """Begin another portion where this one is of another modality."""
        if self._portion.modality not in (None, modality):
            self._hand_over()
        self._portion.modality = modality

    def fail(self, item: Item, why: Failure) -> None:
        """Take an item that failed; raises UnibindError where many in a row were not read in time."""
        stamp = self._stamps.of(item.uri)
        entry = Quarantined(item.id, item.uri, item.modality, why.error, why.message, *(stamp or (None, None)))
        with self._lock:
            self._portion.failed.append(entry)
            self._hand_over_if_full()
        self._timed_out = self._timed_out + 1 if why.error == TIMED_OUT else 0
        if self._timed_out == _MOST_TIMED_OUT:
            raise UnibindError(
                f"{self._timed_out} items in a row could not be read in time, the last one {item_label(item)}; check "
                "their drive, then run the command again with --retry-quarantine (retry_quarantine=True)"
            )

    def close(self) -> None:
        """Write the rest; again, it does nothing."""
        if not self._thread.is_alive():
            return
        self._stamps.close()
        with self._lock:
            self._hand_over()
        self._queue.put(None)
        self._thread.join()
        self._raise()

    def _hand_over_if_full(self) -> None:
        self._raise()
        if len(self._portion) >= _COMMIT_ITEMS:
            self._hand_over()

    def _hand_over(self) -> None:
        portion, self._portion = self._portion, _Portion()  # first: after an interrupt it must not be written twice
        if len(portion):
            self._queue.put(portion)

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        broken = False  # then nothing more is written
        while True:
            give_back()
            try:
                portion = self._queue.get(timeout=_COMMIT_S / 10)
            except queue.Empty:
                portion = self._overdue()
            if portion is None:
                return
            try:
                if len(portion) and not broken:
                    self._write(portion)
                    self._since = time.monotonic()
            except BaseException as error:
                self._error, broken = error, True
            del portion

    def _overdue(self) -> _Portion:
        """What has waited too long to be written; else an empty portion."""
        if time.monotonic() - self._since <= _COMMIT_S:
            return _Portion()
        with self._lock:
            portion, self._portion = self._portion, _Portion()
        return portion

    def _write(self, portion: _Portion) -> None:
        if portion.ready:
            items = [item for items, _ in portion.ready for item in items]
            self._write_vectors(items, np.concatenate([vectors for _, vectors in portion.ready]))
        if portion.fragments:
            self._store.adopt(portion.fragments, self._backbone.contract(str(portion.modality)))
            self.encoded += sum(fragment.rows for fragment in portion.fragments)
        self._quarantine(portion.failed)

    def _write_vectors(self, items: Sequence[Item], vectors: Vectors) -> None:
        contract = self._backbone.contract(items[0].modality)
        facts = [self._facts.pop((item.modality, item.id), None) for item in items]
        rows = [self._replaced.pop((item.modality, item.id), None) for item in items]
        old = np.array([row is not None for row in rows])
        changed = [row.with_facts(found) for row, found in zip(rows, facts, strict=True) if row is not None]
        new = list(compress(items, ~old))
        self._store.replace(changed, vectors[old], contract)
        self._store.add(new, vectors[~old], contract, list(compress(facts, ~old)), compared=True)
        self.replaced += len(changed)
        self.encoded += len(new)

    def _quarantine(self, failed: Sequence[Quarantined]) -> None:
        """Record what failed; a stored item that failed is missing now, for its encoded content is gone."""
        for entry in failed:
            self._facts.pop((entry.modality, entry.id), None)
        stored = [self._replaced.pop((entry.modality, entry.id), None) for entry in failed]
        self._store.update([replace(row, state=MISSING) for row in stored if row is not None])
        self._store.quarantine(failed)
        self.failed += len(failed)
