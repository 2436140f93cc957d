"""Loading: items -> preprocessed tensors in batches, in this process or in worker processes.

One bad item never stops the rest: what reading or preprocessing raises becomes a Failure, and where a decoder takes
its whole process down, only the item it was reading fails.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray

from ..backbones import Backbone
from ..backbones._shared.batching import collate
from ..errors import LimitError, MissingFileError, UnibindError, UnreadableError
from ..modalities import Raw
from ..modalities.limits import Limits
from ..modalities.reading import read
from ..modalities.source import Source, is_url
from ..modalities.text import Text
from ..processes import ignore_interrupts, interrupts_deferred, worker_context
from .content import Content
from .file_facts import FileFacts, content_facts, content_hash, file_stamp
from .location import place_on_disk
from .manifest import Item

Key = TypeVar("Key")
Loadable = TypeVar("Loadable", bound="Item | RawItem")

_CHUNK = 4  # items sent to a worker at a time
_AHEAD = 3  # chunks a worker may be ahead of the encoder: bounds memory
_HELD = 1 << 28  # bytes of preprocessed items that may wait for their batch to be full; no item may have more
_SHOWN = 60  # characters of a text in a message
_WINDOW = 16  # batches within which sequences are sorted by length


@dataclass(frozen=True)
class Failure:
    """Why an item could not be loaded: class and message of the error."""

    error: str
    message: str
    exception: UnibindError | None = field(default=None, repr=False, compare=False)  # stays in its process

    @classmethod
    def of(cls, error: UnibindError) -> Failure:
        """The failure that an error amounts to."""
        return cls(type(error).__name__, str(error), error)

    def as_error(self) -> UnibindError:
        """The original exception where it is at hand, else one of the same class and message."""
        known = {cls.__name__: cls for cls in (LimitError, MissingFileError, UnibindError)}
        return self.exception or known.get(self.error, UnreadableError)(self.message)

    def __reduce__(self) -> tuple[type[Failure], tuple[str, str]]:
        return Failure, (self.error, self.message)


@dataclass(frozen=True, eq=False)
class RawItem:
    """An item that is in memory already; worker processes never see it."""

    id: str
    raw: Raw

    @property
    def modality(self) -> str:
        """Modality of the raw item."""
        return self.raw.modality


def item_label(item: Item | RawItem) -> str:
    """How messages refer to an item: by its file, its text, or its id."""
    if isinstance(item, RawItem):
        return f"the item {item.id}"
    return item.uri if item.uri is not None else f"the text {str(item.text)[:_SHOWN]!r}"


_Loaded = tuple[torch.Tensor | Failure, FileFacts | None]


@dataclass(frozen=True)
class _Settings:
    """What is the same for all items; a worker process gets a pickle of it."""

    backbone: Backbone
    limits: Limits
    facts: bool


# --- one item ------------------------------------------------------------------------------------------------------


def read_item(item: Item, limits: Limits) -> Raw:
    """Decode an item; raises what readers raise."""
    if item.text is not None:
        return Text(item.text)
    if item.content is not None:
        return _read_content(item.content, item.modality, limits)
    uri = str(item.uri)
    return read(uri if is_url(uri) else Path(uri), item.modality, limits=limits)


def _read_content(content: Content, modality: str, limits: Limits) -> Raw:
    value = content.fetch()
    return value if isinstance(value, Raw) else read(Source(content.name, data=value), modality, limits=limits)


def load_item(item: Item | RawItem, backbone: Backbone, limits: Limits) -> torch.Tensor | Failure:
    """Read and preprocess an item; never raises, whatever the file or a decoder does."""
    try:
        raw = item.raw if isinstance(item, RawItem) else read_item(item, limits)
        tensor = backbone.preprocess(item.modality, raw)
        if tensor.nbytes > _HELD:
            size = f"{tensor.nbytes:,} bytes of input for the backbone, but at most {_HELD:,} are encoded"
            return Failure("LimitError", f"{item_label(item)} becomes {size}; make it smaller")
        return tensor
    except UnibindError as error:
        return Failure.of(error)
    except MemoryError:
        return Failure("LimitError", f"{item_label(item)} needs more memory than there is; make it smaller")
    except Exception as error:  # a decoder, or the preprocessing of a damaged item
        reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
        return Failure("UnreadableError", f"{item_label(item)} cannot be prepared as {item.modality}: {reason}")


def load_with_facts(item: Item | RawItem, backbone: Backbone, limits: Limits) -> _Loaded:
    """Load an item, and take the facts of its file; a file that changes meanwhile is a Failure."""
    path = place_on_disk(item.uri) if isinstance(item, Item) else None
    before = None if path is None else file_stamp(path)
    result = load_item(item, backbone, limits)
    if isinstance(item, Item) and item.content is not None and not isinstance(result, Failure):
        return result, content_facts(item.content.fetch())
    if path is None or before is None or isinstance(result, Failure):
        return result, None
    try:  # the bytes were just read, so they come from memory
        facts = FileFacts(*before, content_hash(path))
    except (OSError, UnibindError) as error:
        return Failure("UnreadableError", f"{path} cannot be read again: {error}"), None
    if file_stamp(path) != before:
        return Failure("Changed", f"{path} changed while it was read; encode again"), None
    return result, facts


def _load(item: Item | RawItem, settings: _Settings) -> _Loaded:
    if settings.facts:
        return load_with_facts(item, settings.backbone, settings.limits)
    return load_item(item, settings.backbone, settings.limits), None


# --- many items ----------------------------------------------------------------------------------------------------


def load_items(
    items: Iterable[Loadable], backbone: Backbone, *, workers: int, limits: Limits, facts: bool = False
) -> Generator[tuple[Loadable, torch.Tensor | Failure, FileFacts | None]]:
    """Load items in order; with `workers` > 0 in that many processes, a bounded number of items ahead.

    With `facts`, those of each local file are taken while it is read. Workers are started afresh (not forked) and get a
    pickle of the backbone, of which they use `preprocess` only.
    """
    settings = _Settings(backbone, limits, facts)
    if workers:
        yield from _load_in_workers(items, _Workers(settings, workers))
    else:
        yield from ((item, *_load(item, settings)) for item in items)


def batches(
    loaded: Iterable[tuple[Key, str, torch.Tensor]], batch_size: int
) -> Generator[tuple[str, list[Key], torch.Tensor]]:
    """Batches (modality, keys [B], tensor [B, ...]) of one modality each, from (key, modality, tensor).

    Sequences are sorted by length within a window of batches, so that there is little padding; other items are
    batched with items of the same shape. Large items make smaller batches: at most `_HELD` bytes wait.
    """
    waiting: dict[tuple[str, tuple[int, ...]], list[tuple[Key, torch.Tensor]]] = {}
    held = 0
    for key, modality, tensor in loaded:
        kind = modality, () if _is_sequence(tensor) else tuple(tensor.shape)
        waiting.setdefault(kind, []).append((key, tensor))
        held += tensor.nbytes
        if len(waiting[kind]) < (batch_size * _WINDOW if _is_sequence(tensor) else batch_size):
            if held <= _HELD:
                continue
            kind = max(waiting, key=lambda k: _bytes(waiting[k]))
        group = waiting.pop(kind)
        held -= _bytes(group)
        yield from _cut(kind[0], group, batch_size)
    for (modality, _), group in waiting.items():
        yield from _cut(modality, group, batch_size)


def _bytes(group: Sequence[tuple[Key, torch.Tensor]]) -> int:
    return sum(tensor.nbytes for _, tensor in group)


def _is_sequence(tensor: torch.Tensor) -> bool:
    return tensor.ndim == 1 and not tensor.is_floating_point()


def _cut(
    modality: str, group: list[tuple[Key, torch.Tensor]], batch_size: int
) -> Generator[tuple[str, list[Key], torch.Tensor]]:
    if _is_sequence(group[0][1]):
        group = sorted(group, key=lambda pair: len(pair[1]))
    for start in range(0, len(group), batch_size):
        keys, tensors = zip(*group[start : start + batch_size], strict=True)
        yield modality, list(keys), collate(list(tensors))


# --- worker processes ----------------------------------------------------------------------------------------------

# NumPy arrays travel as plain bytes; tensors would need shared memory
_Chunk = list[tuple[NDArray | Failure, FileFacts | None]]

_settings: _Settings  # of this worker process


def _start_worker(settings: _Settings) -> None:
    global _settings
    _settings = settings
    ignore_interrupts()
    torch.set_num_threads(1)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """End with the parent, also where it was killed and could not say so."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _load_chunk(items: Sequence[Item]) -> _Chunk:
    loaded = (_load(item, _settings) for item in items)
    return [(result if isinstance(result, Failure) else result.numpy(), facts) for result, facts in loaded]


class _Workers:
    """A pool of worker processes that is made anew after one of them died."""

    def __init__(self, settings: _Settings, count: int) -> None:
        self.count = count
        self._settings = settings
        self._pool = self._new_pool(count)

    def submit(self, items: Sequence[Item]) -> Future[_Chunk]:
        with interrupts_deferred():
            try:
                return self._pool.submit(_load_chunk, items)
            except BrokenProcessPool:
                self.close()
                self._pool = self._new_pool(self.count)
                return self._pool.submit(_load_chunk, items)

    def load_here(self, item: Item | RawItem) -> _Loaded:
        """Load an item in this process."""
        return _load(item, self._settings)

    def isolate(self, items: Sequence[Item]) -> _Chunk:
        """Load items one at a time in a process of their own: one that kills it fails alone."""
        loaded: _Chunk = []
        pool = self._checked_pool()
        for item in items:
            try:
                loaded += pool.submit(_load_chunk, [item]).result()
            except BrokenProcessPool:
                where = item.uri or item.id
                died = Failure("WorkerDied", f"the process that read {where} died; check or leave out the file")
                loaded.append((died, None))
                pool = self._checked_pool()
        pool.shutdown()
        return loaded

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _checked_pool(self) -> ProcessPoolExecutor:
        """A pool of one process that is known to run, so that no item is blamed for one that cannot start."""
        pool = self._new_pool(1)
        try:
            with interrupts_deferred():
                first = pool.submit(os.getpid)
            first.result()
        except BrokenProcessPool as error:
            raise UnibindError(
                "worker processes end before they read anything; call unibind under `if __name__ == '__main__':`, "
                "or use no workers to see why"
            ) from error
        return pool

    def _new_pool(self, count: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(count, worker_context([__name__]), _start_worker, (self._settings,))


def _load_in_workers(
    items: Iterable[Loadable], workers: _Workers
) -> Generator[tuple[Loadable, torch.Tensor | Failure, FileFacts | None]]:
    chunks = _chunks(items)
    running: deque[tuple[Sequence[Any], Future[_Chunk] | None]] = deque()
    try:
        while True:
            for chunk in islice(chunks, _AHEAD * workers.count - len(running)):
                running.append((chunk, None if isinstance(chunk[0], RawItem) else workers.submit(chunk)))
            if not running:
                return
            chunk, future = running.popleft()
            if future is None:
                yield from ((item, *workers.load_here(item)) for item in chunk)
                continue
            for item, (result, facts) in zip(chunk, _result(chunk, future, workers), strict=True):
                yield item, result if isinstance(result, Failure) else torch.from_numpy(result), facts
    finally:
        workers.close()


def _chunks(items: Iterable[Loadable]) -> Iterator[Sequence[Any]]:
    """Runs of files and texts to send to a worker; an item in memory goes alone and stays in this process."""
    chunk: list[Loadable] = []
    for item in items:
        if isinstance(item, RawItem) or len(chunk) == _CHUNK:
            if chunk:
                yield chunk
            chunk = []
        if isinstance(item, RawItem):
            yield [item]
        else:
            chunk.append(item)
    if chunk:
        yield chunk


def _result(chunk: Sequence[Item], future: Future[_Chunk], workers: _Workers) -> _Chunk:
    try:
        return future.result()
    except BrokenProcessPool:  # by an item of this chunk or of one that ran beside it
        return workers.isolate(chunk)
