"""The engine of one machine: worker processes read, and this process encodes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any

from torch import Tensor

from ..ahead import Ahead
from ..batch_encoding import BatchEncoder
from ..loader import Failure, batches, item_label, load_items
from ..manifest import Item
from ..staffing import Pace, Staffing
from .job import Job

_BATCHES_AHEAD = 2  # that are ready while one is encoded


def run_here(job: Job) -> Pace:
    """Read ahead of the encoder, in bounded numbers."""
    staffing, writer = Staffing(job.workers), job.writer
    encoder = BatchEncoder(job.backbone, name=item_label, fail=writer.fail, note=staffing.note_encoded)
    reading = functools.partial(_read_batches, job, staffing)
    with closing(Ahead(reading, _BATCHES_AHEAD, lambda ready: ready[2].nbytes)) as ready:
        for modality, group, batch in ready:
            for encoded, vectors in encoder.encode(modality, group, batch):
                writer.add(encoded, vectors)
            job.report(len(group))
    return staffing.pace()


def _read_batches(
    job: Job, staffing: Staffing, stopped: Callable[[], bool]
) -> Generator[tuple[str, list[Item], Tensor]]:
    """What is to be encoded, in preprocessed batches; what cannot be read goes to the writer."""

    def todo() -> Iterator[Item]:
        for item, row in job.changes.work():
            job.writer.expect(item, row)
            yield item

    def readable() -> Iterator[tuple[Item, str, Tensor]]:
        for item, result, facts in loading:
            if isinstance(result, Failure):
                job.writer.fail(item, result)
                job.report(1)
            else:
                job.writer.note(item, facts)
                yield item, item.modality, result

    ahead = _BATCHES_AHEAD * job.batch_size
    how: dict[str, Any] = {"item_timeout": job.item_timeout, "limits": job.limits, "ahead": ahead, "stopped": stopped}
    with closing(load_items(todo(), job.backbone, workers=staffing, facts=True, **how)) as loading:
        yield from batches(readable(), job.batch_size)
