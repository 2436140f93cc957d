"""Waiting for what other threads and processes do."""

import time

DEADLINE_S = 120


def until(condition):
    """Wait until a condition holds; fails after two minutes."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
