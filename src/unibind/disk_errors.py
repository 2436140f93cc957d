"""What the system refuses when a file is written, as one sentence that names the output."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UnibindError, WriteError

TEMPORARY = ".unibind-tmp-"  # how the names of temporaries begin (see `files`)

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space, or choose another place",
    errno.EDQUOT: "the quota of the disk is used up; free some space, or choose another place",
    errno.EFBIG: "the system allows no file of this size; raise the limit, or choose another place",
    errno.EROFS: "the disk is read-only; choose another place",
    errno.EACCES: "it is not writable; choose another place",
    errno.EPERM: "it is not writable; choose another place",
    errno.ENAMETOOLONG: "its name is too long; choose a shorter one",
    errno.EBUSY: "it is in use; choose another place",
    errno.ENOENT: "its folder has gone; choose another place",
    errno.EIO: "the disk reports an error; choose another place",
}
_WORDS = {  # of libraries that write files themselves
    errno.ENOSPC: r"no space left on device|disk is full|disk full|\b(errno|os error) 28\b",
    errno.EDQUOT: r"quota exceeded|\b(errno|os error) 122\b",
    errno.EFBIG: r"file too large|\b(errno|os error) 27\b",
    errno.EROFS: r"read-only file ?system|readonly database|\b(errno|os error) 30\b",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise WriteError, which names `path`, where the system does not let the block write there."""
    try:
        yield
    except Exception as error:
        of_temporary = isinstance(error, WriteError) and TEMPORARY in str(error)  # whose name tells nobody anything
        number = None if isinstance(error, UnibindError) and not of_temporary else _refusal(error, path)
        if number is None:
            raise
        raise WriteError(f"{path} cannot be written, because {_REASONS[number]}", number) from error


def _refusal(error: Exception, path: Path) -> int | None:
    """The number of the system's reason for not writing below the folder of `path`; None for other errors."""
    if isinstance(error, OSError) and error.errno in _REASONS:
        named = error.filename is not None
        if not named:
            return None if error.errno in (errno.ENOENT, errno.EIO) else error.errno
        place = os.path.abspath(path.parent)  # noqa: PTH100 - links stay links
        below = any(str(Path(os.fsdecode(error.filename)).absolute()).startswith(p) for p in (place, _real(place)))
        return error.errno if below else None
    text = str(error)
    return next((number for number, words in _WORDS.items() if re.search(words, text, re.IGNORECASE)), None)


def _real(path: str) -> str:
    return os.path.realpath(path)
