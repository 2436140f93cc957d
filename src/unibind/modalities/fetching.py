"""Content behind URLs of any protocol that fsspec knows; what fails for the moment is tried again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import IO, TypeVar

from ..errors import LimitError, MissingFileError, UnibindError, UnreadableError

T = TypeVar("T")

_WAITS_S = (0.5, 2.0)  # before each new try
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ImportError, ValueError, TypeError)
_BLOCK = 1 << 20  # bytes
_FOR_THE_MOMENT = (408, 425, 429)  # answers of a server that ask to come back, among those from 400 to 499


def fetched(url: str, max_bytes: int) -> bytes:
    """The content behind a URL, in memory: no more than `max_bytes` are read.

    Raises MissingFileError, LimitError, and UnreadableError for what cannot be fetched, also when it is tried again.
    """
    import fsspec

    def read() -> bytes:
        with fsspec.open(url, "rb") as file:
            return bytes(file.read(max_bytes + 1))

    data = patiently(url, read)
    if len(data) > max_bytes:
        raise LimitError(f"{url} has more than the {max_bytes:,} bytes that are fetched; download it first")
    return data


def copy_to(url: str, file: IO[bytes]) -> None:
    """Copy the content behind a URL to a file, in blocks; what fails is not tried again here."""
    import fsspec

    with fsspec.open(url, "rb") as there:
        shutil.copyfileobj(there, file, _BLOCK)


def patiently(url: str, call: Callable[[], T]) -> T:
    """What a call about a URL returns, made again a little later where the connection or the server fails.

    Raises MissingFileError and UnreadableError, one sentence each.
    """
    for wait in (*_WAITS_S, None):
        try:
            return call()
        except UnibindError:
            raise
        except FileNotFoundError:
            raise MissingFileError(f"nothing found at {url}; check the URL") from None
        except Exception as error:  # each protocol raises its own, missing packages and refused connections included
            if wait is None or _is_final(error):
                reason = " ".join(str(error).split())[:200] or type(error).__name__
                raise UnreadableError(f"{url} could not be fetched: {reason}") from error
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def _is_final(error: Exception) -> bool:
    """Whether another try would fail, too."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return 400 <= status < 500 and status not in _FOR_THE_MOMENT
    return isinstance(error, _FINAL)
