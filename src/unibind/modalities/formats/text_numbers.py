"""Numbers written as text: many at a time, a few lines in memory at a time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ...errors import UnreadableError

_LINES = 1 << 14  # parsed at a time


def numbers(text: str, name: str) -> NDArray[np.float64]:
    """Numbers [N] that white space separates; raises UnreadableError for anything else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy stops at what is not a number, with a warning
        try:
            return np.fromstring(text, np.float64, sep=" ")
        except (ValueError, DeprecationWarning):
            raise UnreadableError(f"{name} has words where numbers must be; is it damaged?") from None


def table(lines: Iterator[str], count: int, columns: int, name: str) -> NDArray[np.float64]:
    """The next `count` lines of `columns` numbers [count, columns]; raises UnreadableError where there are fewer."""
    rows = np.empty((count, columns))
    done = 0
    while done < count and (block := list(islice(lines, min(_LINES, count - done)))):
        values = numbers(" ".join(block), name)
        if len(values) != len(block) * columns:
            raise UnreadableError(f"{name} has lines without {columns} numbers; is it damaged?")
        rows[done : done + len(block)] = values.reshape(-1, columns)
        done += len(block)
    if done < count:
        raise cut_short(name, count, done)
    return rows


def cut_short(name: str, claimed: int, found: int) -> UnreadableError:
    """What is raised for a file that announces more lines than it has."""
    return UnreadableError(f"{name} is cut short: it announces {claimed:,} more lines and has {found:,}; copy it again")


def filled(lines: Iterable[str], comment: str = "") -> Iterator[str]:
    """The lines that are not blank, without white space around them and without what follows a `comment` sign."""
    for line in lines:
        text = line.split(comment, 1)[0].strip() if comment else line.strip()
        if text:
            yield text
