"""Giving freed memory back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache
from typing import Any


def give_back() -> None:
    """Give the memory that was freed, and that the C library keeps, back to the system; only glibc can.

    It keeps what lies between two blocks in use, however much that is. Encoding frees large buffers of many sizes among
    small ones that stay, so what it keeps would grow for hours. This takes a few milliseconds.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    with suppress(OSError, AttributeError, TypeError):  # another system, or another C library
        return ctypes.CDLL(None).malloc_trim
    return None
