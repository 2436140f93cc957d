"""The driver: plans the work, runs the pipeline on Ray Data, and hands what comes out of it to the store's writer."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np

from ....backbones import Backbone
from ....backbones._shared.device import available_devices
from ....errors import UnibindError
from ....files import scratch
from ...staffing import Pace
from ..job import Job
from .cluster import connected
from .cluster import cores as cluster_cores
from .plan import Plan
from .stages import BLOCK, Encoder, Part, Reader, Settings, write

_log = logging.getLogger(__name__)

_BLOCK = 4096  # items that are read by one task
_BLOCKS_A_CORE = 4  # at least, where there are enough items for that: the last ones are shared evenly
_FRAGMENT = 1024  # items that are written at once, about; more of them, up to a block, where there are many items
_FRAGMENTS = 1000  # above which they are larger: each costs the driver a part of a commit
_RETRIES = 5  # of a task whose worker died
_LONGEST = 300  # characters of a reason
_ROUNDS = 3  # in which items are encoded that got lost with workers
_ENCODER_CPUS, _WRITER_CPUS = 0.9, 0.1  # they share a core, so that two cores are enough


def run_on_ray(job: Job) -> Pace:
    """Do a job on the cluster that RAY_ADDRESS names, or on this machine; see `data.engines.ray_data.cluster`.

    Workers need the store, and the files, at the same paths as this process. Raises UnibindError where they do not see
    them, and for a worker that died again and again.
    """
    if not job.changes.to_encode:
        return Pace(0)
    gpus = _gpus(job.backbone)
    with connected(), scratch(job.store.path) as room:
        cores = cluster_cores()
        plan = Plan(job.changes.work(), room, _block_size(job, cores))
        with job.store.receiving(job.backbone.dim) as table, closing(job.writer):  # which writes all before it ends
            account = _Account(job, plan)
            settings = _settings(job, plan, table)
            blocks = range(plan.blocks)
            for _ in range(_ROUNDS):
                for part in _stream(job, settings, blocks, cores, gpus):
                    account.take(part)
                if not plan.left():
                    break
                blocks = plan.again()
            else:
                raise UnibindError(f"{plan.left():,} items got lost with workers of Ray; run the same command again")
        return account.pace(cores)


class _Account:
    """Hands parts to the store's writer, each item once, whatever is sent twice."""

    def __init__(self, job: Job, plan: Plan) -> None:
        self._job, self._plan = job, plan
        self._items, self._read_s, self._encode_s = 0, 0.0, 0.0
        self._began = time.monotonic()

    def take(self, part: Part) -> None:
        """Take a part; what was taken before is left out."""
        done, writer = 0, self._job.writer
        if part.fragment is not None and self._plan.take(part.positions):
            writer.adopt(part.modality, part.fragment)
            done += part.fragment.rows
        for read, vector in part.changed:
            if self._plan.take(np.array([read.task.position])):
                writer.expect(read.task.item, read.task.replaces)
                writer.note(read.task.item, read.facts)
                writer.add([read.task.item], vector[None])
                done += 1
        self._items += done
        self._read_s += part.read_s
        self._encode_s += part.encode_s
        for task, failure in part.failed:
            if self._plan.take(np.array([task.position])):
                writer.expect(task.item, task.replaces)
                writer.fail(task.item, failure)
                done += 1
        self._job.report(done)

    def pace(self, workers: int) -> Pace:
        """How fast the run was; `busy` is that of one encoder."""
        if not self._items:
            return Pace(workers)
        span = time.monotonic() - self._began
        read_s, encode_s = self._read_s / self._items, self._encode_s / self._items
        return Pace(workers, read_s, encode_s, min(1.0, self._encode_s / span))


# --- the pipeline ---------------------------------------------------------------------------------------------------


def _stream(job: Job, settings: Settings, blocks: range, cores: int, gpus: int) -> Iterator[Part]:
    """What becomes of these blocks, as it is ready."""
    import ray.data

    given = {"fn_constructor_args": (job.backbone, settings), "max_task_retries": _RETRIES, "batch_format": "pyarrow"}
    readers = (1, cores) if not job.workers else job.workers
    encoder: dict[str, Any] = {"num_cpus": _ENCODER_CPUS, "num_gpus": gpus, "concurrency": (1, _encoders(cores, gpus))}
    fragment = min(_BLOCK, max(_FRAGMENT, job.changes.to_encode // _FRAGMENTS))
    data = ray.data.from_items([{BLOCK: block} for block in blocks], override_num_blocks=len(blocks))
    data = data.map_batches(Reader, batch_size=1, num_cpus=1, concurrency=readers, **given)
    data = data.map_batches(Encoder, batch_size=None, zero_copy_batch=True, **encoder, **given)
    writing = partial(write, settings=settings)
    batches = max(1, fragment // job.batch_size)
    data = data.map_batches(writing, batch_size=batches, batch_format="pyarrow", num_cpus=_WRITER_CPUS)
    try:
        for found in data.iter_batches(batch_size=None, batch_format="pyarrow"):
            for packed in found["part"].to_pylist():
                yield pickle.loads(packed)
    except Exception as error:
        raise _sentence(error) from error


def _settings(job: Job, plan: Plan, table: str) -> Settings:
    contracts = {modality: job.backbone.contract(modality).hash for modality in job.backbone.modalities}
    return Settings(
        plan.folder,
        plan.directory,
        job.batch_size,
        job.item_timeout,
        job.limits,
        job.workers != 0,
        job.store.path.absolute(),
        table,
        job.store.precision,
        contracts,
    )


def _block_size(job: Job, cores: int) -> int:
    """Items of a block: fewer where there are few items, so that all cores have some."""
    even = -(-job.changes.to_encode // (_BLOCKS_A_CORE * cores))
    return min(_BLOCK, max(job.batch_size, even))


def _encoders(cores: int, gpus: int) -> int:
    """The most encoders: one for each GPU of the cluster, or each core."""
    import ray

    return max(1, int(ray.cluster_resources().get("GPU", 1))) if gpus else cores


def _gpus(backbone: Backbone) -> int:
    """GPUs of an encoder; raises UnibindError for a device that is one of several."""
    device = str(getattr(backbone, "device", None) or available_devices()[0])
    if ":" in device:
        raise UnibindError(f"Ray gives each encoder a GPU of its own; choose the device cuda, not {device}")
    return int(device == "cuda")


def _sentence(error: BaseException) -> BaseException:
    """The error of ours that a worker raised, or one sentence about what Ray raised."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, UnibindError):
            return seen
        seen = getattr(seen, "cause", None) or seen.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1][:_LONGEST] if lines else "no reason"  # the last line says what the ones before led to
    return UnibindError(
        f"Ray gave up ({type(error).__name__}: {reason}); what was stored is kept; run the same command again to "
        "continue"
    )
