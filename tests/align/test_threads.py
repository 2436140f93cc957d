"""How many threads a fit uses."""

import pytest
import torch

from unibind.align import threads
from unibind.align.threads import suitable_threads


def test_threads_are_restored_and_few_for_small_steps():
    before = torch.get_num_threads()
    with suitable_threads(1000) as threads:
        assert threads == torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    with pytest.raises(RuntimeError), suitable_threads(1 << 40) as threads:
        assert 1 <= threads <= before
        raise RuntimeError
    assert torch.get_num_threads() == before


def test_a_loaded_machine_gets_fewer_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(8), raising=False)
    for load, expected in ((0.0, 4), (6.2, 2), (20.0, 1)):
        monkeypatch.setattr(threads.os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        with suitable_threads(1 << 40) as used:
            assert used == expected
