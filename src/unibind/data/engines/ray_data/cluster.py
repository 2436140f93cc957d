"""Ray: the cluster that RAY_ADDRESS names, the one that the program has opened, or one of this machine alone."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ....errors import UnibindError
from ....files import scratch
from ....processes import usable_cores

_log = logging.getLogger(__name__)

_ADDRESS = "RAY_ADDRESS"
_SILENT: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
_LEAST_CORES = 2  # one reads, one encodes
_SHARED_MEMORY = 1 << 30  # bytes for what is on its way between workers
_SHARE = 0.3  # of what is free, that may be taken for it
_LEAST_SHARED = 100 << 20  # with less, Ray does not start
_LONGEST_FOLDER = 40  # characters: below it are sockets, whose paths have 107 at most
_SETTINGS = {  # of a Ray that this process starts
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_worker_niceness": "0",  # workers do all the work, so that they should not give way
}


@contextmanager
def connected() -> Iterator[None]:
    """A connection to Ray for a block, unless the program has one already.

    Where RAY_ADDRESS is not set, Ray is started on this machine, and ends with the block or with this process.
    """
    if not os.environ.get(_ADDRESS):  # a cluster has its own, and what it refuses, Ray only says in its log
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
    import ray

    with _quiet():
        if ray.is_initialized():
            yield
        elif os.environ.get(_ADDRESS):
            with _at_address(os.environ[_ADDRESS]):
                yield
        else:
            with _on_this_machine():
                yield


def cores() -> int:
    """The cores of the cluster that is connected."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))


@contextmanager
def _at_address(address: str) -> Iterator[None]:
    import ray

    try:
        ray.init(address=address, **_SILENT)  # standard error stays: where a cluster refuses, Ray may end the process
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UnibindError(
            f"the Ray cluster at {address} cannot be reached ({reason}); check {_ADDRESS}, or unset it to use this "
            "machine alone"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _on_this_machine() -> Iterator[None]:
    import ray

    with scratch(Path(_short(tempfile.gettempdir()))) as folder:
        try:
            _start(
                address="local",
                num_cpus=max(_LEAST_CORES, usable_cores()),
                include_dashboard=False,
                object_store_memory=_shared_memory(),
                _temp_dir=str(folder),
            )
            yield
        finally:
            ray.shutdown()


def _start(**how: Any) -> None:
    """Call `ray.init` without what it, and libraries that notice its processes, say on standard error."""
    import ray

    before = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere, warnings.catch_warnings(action="ignore"):
            os.dup2(nowhere.fileno(), 2)
            ray.init(**how, **_SILENT)
    finally:
        os.dup2(before, 2)
        os.close(before)


def _short(folder: str) -> str:
    return folder if len(folder) <= _LONGEST_FOLDER else "/tmp"


def _shared_memory() -> int:
    """Bytes for what is on its way: what does not fit waits on the disk, in the folder for temporary files."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    return max(_LEAST_SHARED, min(_SHARED_MEMORY, int(_SHARE * free)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave Ray's reports of progress and of what it tries again out of the output; errors are raised anyway.

    Those of workers that died it prints on standard output, where results belong, and has no setting for that.
    """
    import ray.data
    from ray._private import worker

    context = ray.data.DataContext.get_current()
    before = context.enable_progress_bars, context.print_on_execution_start
    context.enable_progress_bars = context.print_on_execution_start = False
    loggers = [logging.getLogger(name) for name in ("ray", "ray.data")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    printing, worker.print_to_stdstream = worker.print_to_stdstream, _note
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s).*ray_remote_args.*", DeprecationWarning)
            yield
    finally:
        worker.print_to_stdstream = printing
        context.enable_progress_bars, context.print_on_execution_start = before
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _note(said: Mapping[str, Any], **_: object) -> None:
    for line in said["lines"]:
        _log.info(line)
