"""What an engine is given: items to encode, and where their vectors go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...backbones import Backbone
from ...modalities.limits import Limits
from ..changes import Comparison
from ..staffing import Pace
from ..store import Store
from ..store_writer import StoreWriter


@dataclass(frozen=True)
class Job:
    """The items of `changes.work()`, to be read and encoded; results and failures go to `writer`.

    `workers` processes read (None: as many as keep the encoder busy; 0: no process of their own). `report` is called
    with the number of items just done.
    """

    changes: Comparison
    backbone: Backbone
    store: Store
    writer: StoreWriter
    workers: int | None
    batch_size: int
    item_timeout: float
    limits: Limits
    report: Callable[[int], None]


@dataclass(frozen=True)
class Engine:
    """A way to do a job; `extra` is the optional dependency that it needs, and `run` returns how fast it was."""

    run: Callable[[Job], Pace]
    extra: str | None = None
