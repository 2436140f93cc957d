"""What Lance raises, as one sentence for people that names the store."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import UnibindError

_READ_ONLY = re.compile("permission denied|read-only|not permitted", re.IGNORECASE)
_FULL = re.compile("no space left|quota exceeded|file too large", re.IGNORECASE)
_FULL_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REASON = 160  # characters of Lance's message


@contextmanager
def lance_errors(store: Path, done: str) -> Iterator[None]:
    """Turn what Lance raises (also its panics, which are no Exceptions) into one sentence that names the store.

    `done` says what the store cannot be: read, written.
    """
    try:
        yield
    except UnibindError as error:
        if str(store) in str(error):
            raise
        raise UnibindError(f"the store {store} cannot be {done} ({error})") from error
    except (MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise UnibindError(_sentence(store, error, done)) from error


def _sentence(store: Path, error: BaseException, done: str) -> str:
    reason = " ".join(str(error).split())
    start = f"the store {store} cannot be {done}"
    if _READ_ONLY.search(reason):
        return f"{start}: permission denied; check who may write there"
    if _FULL.search(reason) or getattr(error, "errno", None) in _FULL_CODES:
        return f"{start}: the disk is full; what was stored before is kept, so make room and run the command again"
    return f"{start} ({reason[:_REASON]}); if it is damaged, encode into a new store"
