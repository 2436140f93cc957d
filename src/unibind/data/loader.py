"""Loading: items -> preprocessed tensors in batches, in this process or in worker processes.

One bad item never stops the rest: what reading or preprocessing raises becomes a Failure, and where a decoder hangs or
takes its whole process down, only the item it was reading fails.
"""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray

from ..backbones import Backbone
from ..backbones._shared.batching import collate
from ..deadlines import Deadline
from ..errors import LimitError, MissingFileError, UnibindError, UnreadableError
from ..modalities import Raw
from ..modalities.limits import Limits
from ..modalities.reading import read
from ..modalities.segments import split_segment
from ..modalities.source import Source, is_url
from ..modalities.text import Text
from .content import Content
from .file_facts import FileFacts, content_facts, content_hash, file_stamp
from .location import place_on_disk
from .manifest import Item
from .staffing import Staffing
from .worker_pool import Lost, Stopped, WorkerPool

Key = TypeVar("Key")
Loadable = TypeVar("Loadable", bound="Item | RawItem")

TIMED_OUT = "TimedOut"  # the error of such items
ITEM_TIMEOUT_S = 60.0  # to read and preprocess an item
_AHEAD = 12  # items a worker may be ahead of the encoder: bounds memory
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
    if isinstance(item, RawItem) or path is None or before is None or isinstance(result, Failure):
        return result, None
    try:  # the bytes were just read, so they come from memory
        facts = FileFacts(*before, content_hash(path, split_segment(str(item.uri))[1]))
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
    items: Iterable[Loadable],
    backbone: Backbone,
    *,
    workers: int | Staffing,
    limits: Limits,
    item_timeout: float = ITEM_TIMEOUT_S,
    facts: bool = False,
    ahead: int = 0,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[tuple[Loadable, torch.Tensor | Failure, FileFacts | None]]:
    """Load items in order; with `workers` > 0 in that many processes, a bounded number of items ahead.

    That number grows with the workers, is at least `ahead`, and never more than 256 MiB. It ends early where
    `stopped()` becomes true. An item that takes longer than `item_timeout` seconds, or that kills its worker (as memory
    beyond the limits does), is a Failure. With `facts`, those of each local file are taken while it is read. Workers
    get a pickle of the backbone, of which they use `preprocess` only.
    """
    settings, here = _Settings(backbone, limits, facts), Deadline(item_timeout)
    staffing = Staffing(workers) if isinstance(workers, int) else workers
    try:
        if staffing.count:
            yield from _load_in_workers(items, settings, staffing, here, ahead, stopped)
        else:
            for item in items:
                loaded = _load_here(item, settings, here, staffing)
                if stopped():
                    return
                yield item, *loaded
    except Stopped:
        return
    finally:
        here.close()


def _load_here(item: Item | RawItem, settings: _Settings, deadline: Deadline, staffing: Staffing) -> _Loaded:
    started = time.perf_counter()
    try:
        loaded = deadline.call(_load, item, settings)
    except TimeoutError:
        return _timed_out(item, deadline.seconds), None
    staffing.note_read(time.perf_counter() - started)
    return loaded


def _load_in_workers(
    items: Iterable[Loadable],
    settings: _Settings,
    staffing: Staffing,
    here: Deadline,
    ahead: int,
    stopped: Callable[[], bool],
) -> Generator[tuple[Loadable, torch.Tensor | Failure, FileFacts | None]]:
    most = settings.limits.max_memory
    pool = WorkerPool(_reader(settings), staffing.count, timeout=here.seconds, memory=most, stopped=stopped)
    running: deque[tuple[Loadable, Future[_Sent | Lost] | None]] = deque()
    remaining, size = iter(items), 0  # bytes of the last item
    with closing(pool):
        while True:
            pool.count = staffing.count
            allowed = max(_AHEAD * pool.count, ahead)
            if size * allowed > _HELD:
                allowed = max(2 * pool.count, _HELD // size)
            for item in islice(remaining, max(0, allowed - len(running))):
                running.append((item, None if isinstance(item, RawItem) else pool.submit(item)))
            if not running:
                return
            item, future = running.popleft()
            if future is None:
                yield item, *_load_here(item, settings, here, staffing)
            else:
                result, found, seconds = _received(item, pool.result(future), here.seconds)
                if seconds is not None:
                    staffing.note_read(seconds)
                size = result.nbytes if isinstance(result, torch.Tensor) else size
                yield item, result, found


def can_be_sent(backbone: Backbone) -> bool:
    """Whether worker processes can get a pickle of the backbone."""
    return _why_not_sent(backbone) is None


def _why_not_sent(backbone: Backbone) -> Exception | None:
    try:
        pickle.dumps(backbone)
    except Exception as error:  # whatever its parts raise
        return error
    return None


def _reader(settings: _Settings) -> Callable[[Any], _Sent]:
    """What workers call; raises UnibindError where the backbone cannot be sent to them."""
    error = _why_not_sent(settings.backbone)
    if error is not None:
        reason = f"the backbone {settings.backbone.name} cannot be sent to worker processes ({error})"
        raise UnibindError(f"{reason}; use workers=0") from error
    return partial(_load_to_send, settings)


# NumPy arrays travel through memory that is shared (see `data.buffers`); with them, the seconds that they took
_Sent = tuple[NDArray[Any] | Failure, FileFacts | None, float]


def _load_to_send(settings: _Settings, item: Item) -> _Sent:
    started = time.perf_counter()
    result, facts = _load(item, settings)
    sent = result if isinstance(result, Failure) else result.numpy()
    return sent, facts, time.perf_counter() - started


def _received(
    item: Item | RawItem, sent: _Sent | Lost, timeout: float
) -> tuple[torch.Tensor | Failure, FileFacts | None, float | None]:
    if isinstance(sent, Lost):
        return _timed_out(item, timeout) if sent is Lost.TIMED_OUT else _died(item), None, None
    result, facts, seconds = sent
    return result if isinstance(result, Failure) else torch.from_numpy(result), facts, seconds


def _timed_out(item: Item | RawItem, timeout: float) -> Failure:
    advice = "check the file and its drive, or allow more time with --item-timeout (item_timeout=)"
    return Failure(TIMED_OUT, f"{item_label(item)} was not read within {timeout:g} s; {advice}")


def _died(item: Item | RawItem) -> Failure:
    return Failure("WorkerDied", f"the process that read {item_label(item)} died; check or leave out the file")


# --- batches -------------------------------------------------------------------------------------------------------


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
    padded = _is_sequence(group[0][1])
    if padded:
        group = sorted(group, key=lambda pair: len(pair[1]))
    start = 0
    while start < len(group):
        part = group[start : start + batch_size]
        keys, tensors = zip(*(part[: _fitting([tensor.nbytes for _, tensor in part])] if padded else part), strict=True)
        yield modality, list(keys), collate(list(tensors))
        start += len(keys)


def _fitting(sizes: Sequence[int]) -> int:
    """How many of these items, at least 1, take at most `_HELD` bytes when they are padded to the last and largest."""
    return max([1, *(count for count, size in enumerate(sizes, start=1) if count * size <= _HELD)])
