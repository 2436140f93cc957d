"""How many threads a fit uses: one where its steps are small, and never more than there are idle cores.

A thread costs more than it saves where a step takes a millisecond, and far more where other processes hold the cores:
each step then waits for the slowest thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..processes import usable_cores

_SMALL_STEP = 1 << 28  # multiplications


@contextmanager
def suitable_threads(multiplications: int) -> Iterator[int]:
    """Limit the threads of torch and of NumPy's matrix products for work in steps of so many multiplications.

    The numbers from before are restored afterwards.
    """
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    threads = 1 if multiplications < _SMALL_STEP else max(1, min(before, _idle_cores()))
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads, user_api="blas"):
            yield threads
    finally:
        torch.set_num_threads(before)


def _idle_cores() -> int:
    """Cores that other processes leave, by the load of the last minute."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return usable_cores() - round(load)
