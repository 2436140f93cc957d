"""Worker processes leave Ctrl-C to their parent, which is not interrupted while it starts them."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from unibind import processes
from unibind.processes import ignore_interrupts, interrupts_deferred, usable_cores, worker_context


@pytest.fixture
def interruptible():
    """Ctrl-C raises KeyboardInterrupt, also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def reaction():
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.slow
def test_workers_ignore_interrupts_and_their_parent_does_not(interruptible):
    with ProcessPoolExecutor(1, worker_context(), initializer=ignore_interrupts) as pool:
        assert pool.submit(reaction).result()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_comes_after_the_block_and_is_not_lost(interruptible):
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_deferred():
        signal.raise_signal(signal.SIGINT)
        done.append("the rest of the block")
    assert done
    with interrupts_deferred():
        pass


def test_another_thread_may_start_workers_too():
    def deferred():
        with interrupts_deferred():
            return "started"

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(deferred).result() == "started"


@pytest.mark.parametrize(("limit", "cores"), [("max 100000", 8), ("250000 100000", 2), ("20000 100000", 1), (None, 8)])
def test_a_container_may_have_fewer_cores_than_the_machine(limit, cores, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(8), raising=False)
    monkeypatch.setattr(processes, "_QUOTA", tmp_path / "cpu.max")
    if limit is not None:
        (tmp_path / "cpu.max").write_text(limit)
    assert usable_cores() == cores
