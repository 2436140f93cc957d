"""The work of a run in blocks on the disk, which workers read, and the account of what was done of it."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....errors import UnibindError
from ...manifest import Item, is_absolute
from ...rows import StoredItem

_BLOCK_BYTES = 64 << 20  # of items with content in memory


@dataclass(frozen=True)
class Task:
    """An item to encode, its position in the plan, and the row that it replaces (None: it is new)."""

    position: int
    item: Item
    replaces: StoredItem | None


class Plan:
    """Tasks in blocks of one modality and at most `size`, as files in `folder`; bounded memory but for a bit per task.

    `directory` is the working directory, where paths of items start from it; None where none is relative.
    """

    def __init__(self, work: Iterable[tuple[Item, StoredItem | None]], folder: Path, size: int) -> None:
        self.folder = folder.resolve()
        self.directory: Path | None = None
        self.blocks = self.count = 0
        self._starts: list[int] = []  # the first position of each block
        for tasks in self._cut(work, size):
            self._starts.append(tasks[0].position)
            self._write(tasks)
        self._done = np.zeros(-(-self.count // 8), np.uint8)

    def _cut(self, work: Iterable[tuple[Item, StoredItem | None]], size: int) -> Iterator[list[Task]]:
        """Numbered tasks in blocks; a block is full earlier where its items have much content."""
        tasks: list[Task] = []
        held = 0
        for item, row in work:
            if item.uri is not None and not is_absolute(item.uri):
                self.directory = Path.cwd()
            item_bytes = 0 if item.content is None else len(pickle.dumps(item.content))
            full = len(tasks) == size or held + item_bytes > _BLOCK_BYTES
            if tasks and (full or tasks[-1].item.modality != item.modality):
                yield tasks
                tasks, held = [], 0
            tasks.append(Task(self.count, item, row))
            held += item_bytes
            self.count += 1
        if tasks:
            yield tasks

    def _write(self, tasks: list[Task]) -> None:
        with _block(self.folder, self.blocks).open("wb") as file:
            pickle.dump(tasks, file)
        self.blocks += 1

    # --- what was done ------------------------------------------------------------------------------------------------

    def take(self, positions: NDArray[np.int64]) -> bool:
        """Note that tasks are done; False, and nothing is noted, where one of them was done before.

        A worker that died may have sent what its successor sends again.
        """
        if len(positions) == 0 or (self._done[positions >> 3] >> (positions & 7).astype(np.uint8) & 1).any():
            return False
        np.bitwise_or.at(self._done, positions >> 3, (1 << (positions & 7)).astype(np.uint8))
        return True

    def left(self) -> int:
        """The number of tasks that are not done."""
        return self.count - int(np.unpackbits(self._done).sum())

    def again(self) -> range:
        """Write the tasks that are not done in new blocks; returns these."""
        first, planned = self.blocks, len(self._starts)
        undone = np.flatnonzero(np.unpackbits(self._done, bitorder="little", count=self.count) == 0)
        homes = np.searchsorted(self._starts, undone, side="right") - 1
        for home, group in groupby(zip(homes.tolist(), undone.tolist(), strict=True), key=lambda pair: pair[0]):
            assert home < planned
            chosen = {position for _, position in group}
            self._write([task for task in read_block(self.folder, home) if task.position in chosen])
        return range(first, self.blocks)


def read_block(folder: Path, block: int) -> list[Task]:
    """The tasks of a block; raises UnibindError on a host that does not see the folder."""
    path = _block(folder, block)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UnibindError(
            f"{os.uname().nodename}, a host of the Ray cluster, does not see {folder}; put the store on a file system "
            "that all of its hosts share"
        ) from error
    tasks: list[Task] = pickle.loads(content)
    return tasks


def enter(directory: Path | None) -> None:
    """Make a directory that paths of items start from the working directory, on any host."""
    if directory is None:
        return
    try:
        os.chdir(directory)
    except OSError as error:
        raise UnibindError(
            f"{os.uname().nodename}, a host of the Ray cluster, does not see {directory}, where paths of items start "
            "from; name the sources by absolute paths on a file system that all of its hosts share"
        ) from error


def _block(folder: Path, block: int) -> Path:
    return folder / f"{block:08}.block"
