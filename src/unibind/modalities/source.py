"""The source of an item: a file or bytes in memory, which every reader sees alike."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from ..errors import LimitError, MissingFileError, UnibindError, UnreadableError
from ..files import check_not_special
from .fetching import fetched
from .limits import Limits
from .segments import split_segment
from .tar_members import read_member, split_member, split_member_url

_HEAD = 1 << 16
_LONGEST_LINE = 1 << 16  # bytes
CHAIN = "::"  # joins the parts of a URL such as zip://cats/1.png::https://host/pictures.zip
_PAGES = ("http://", "https://")  # whose addresses may go on behind the path
# names in buckets and archives may have spaces; addresses of pages do not, but a text may begin with one
_URL = re.compile(r"https?://\S+(\.tar#.+)?|(?!https?:)[a-z][a-z0-9+.-]*://\S(.*\S)?", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """One input. `name` is what error messages call it, a path or a URL; `path` is None for bytes in memory."""

    name: str
    path: Path | None = None
    data: bytes = b""

    @cached_property
    def size(self) -> int:
        """Size in bytes."""
        with _opening(self.name):
            return self.path.stat().st_size if self.path is not None else len(self.data)

    @property
    def suffix(self) -> str:
        """Ending of the name in lower case, with its dot."""
        if self.path is not None:
            return self.path.suffix.lower()
        return ending_of(self.name)

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB."""
        with self.open() as file:
            return file.read(_HEAD)

    def open(self) -> IO[bytes]:
        """Open the input as a new binary file object; raises UnreadableError where that is not allowed."""
        with _opening(self.name):
            return self.path.open("rb") if self.path is not None else io.BytesIO(self.data)

    def read_bytes(self, limits: Limits | None = None) -> bytes:
        """The whole content; raises LimitError where it would take more memory than the limits allow."""
        allowed = (limits or Limits()).max_unpacked
        if self.size > allowed:
            raise LimitError(f"{self.name} has {self.size:,} bytes, the limits allow {allowed:,} in memory; raise them")
        with self.open() as file:
            return file.read()

    def lines(self, limits: Limits) -> Iterator[str]:
        """The lines of a table, one in memory at a time.

        Raises UnreadableError for a line that no table has, LimitError for more than twice as many as `limits` allow
        points, which leaves room for comments and blank lines.
        """
        with self.open() as file:
            for number in count(1):
                line = file.readline(_LONGEST_LINE + 1)
                if not line:
                    return
                if number > 2 * limits.max_points:
                    raise LimitError(f"{self.name} has more than {number - 1:,} lines, the most that points may take")
                if len(line) > _LONGEST_LINE:
                    raise UnreadableError(f"{self.name} has a line of more than {_LONGEST_LINE:,} bytes; is it a text?")
                yield line.decode("utf-8", "replace")


@contextmanager
def _opening(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnreadableError(f"{name} cannot be opened: {error.strerror or error}; check its permissions") from None


def is_url(text: str) -> bool:
    """Whether a str is a URL, such as https://host/a.png, s3://bucket/a.wav or file:///a.ply."""
    return _URL.fullmatch(text) is not None


def ending_of(name: str | Path) -> str:
    """The ending of a file's or URL's name in lower case, with its dot; in a chain of URLs, that of the first.

    A segment has the ending of its recording.
    """
    url = split_segment(str(name))[0]
    if not is_url(url):
        return Path(url).suffix.lower()
    member = split_member_url(url)
    if member is not None:
        return Path(member[1]).suffix.lower()
    first = url.partition(CHAIN)[0]
    path = urlsplit(first).path if first.lower().startswith(_PAGES) else first.partition("://")[2]
    return Path(path).suffix.lower()


def is_file(path: Path) -> bool:
    """Whether a file has this name; False for names that no file can have."""
    return _exists(path) and path.is_file()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def open_source(item: str | Path | bytes | Source, limits: Limits) -> Source:
    """The source of an item: a path, a member of a tar archive, bytes, or a URL, which is fetched.

    Raises MissingFileError, UnreadableError for folders, empty input and URLs that cannot be fetched, and LimitError.
    """
    if isinstance(item, Source):
        source = item
    elif isinstance(item, bytes):
        source = Source("the given bytes", data=item)
    elif isinstance(item, str) and is_url(item):
        source = Source(item, data=_behind_url(item, limits))
    else:
        source = _local(Path(item), limits)
    if source.size == 0:
        raise UnreadableError(f"{source.name}: the file is empty; nothing was written to it, or its copy failed")
    if source.size > limits.max_bytes:
        raise LimitError(f"{source.name} has {source.size:,} bytes, the limits allow {limits.max_bytes:,}; raise them")
    return source


def _behind_url(url: str, limits: Limits) -> bytes:
    member = split_member_url(url)
    if member is None:
        return fetched(url, limits.max_unpacked)
    from .archive_copies import local_archive

    return read_member(local_archive(member[0]), member[1], limits.max_bytes)


def _local(path: Path, limits: Limits) -> Source:
    if not _exists(path):
        member = split_member(path)
        if member is None:
            raise MissingFileError(f"file not found: {str(path)[:300]}; check the name")
        return Source(str(path), data=read_member(*member, limits.max_bytes))
    check_not_special(path)
    if not path.is_file():
        raise UnreadableError(f"{path} is not a file; specify the files in it")
    return Source(str(path), path)


@contextmanager
def decoding(source: Source, modality: str) -> Iterator[None]:
    """Turn whatever a decoder raises into UnreadableError: one sentence that names the file."""
    try:
        yield
    except UnibindError:
        raise
    except MemoryError:
        raise UnreadableError(f"{source.name} needs more memory than is available; is it damaged?") from None
    except Exception as error:
        reason = (" ".join(str(error).split()) or type(error).__name__)[:200].rstrip(".")
        raise UnreadableError(f"{source.name} cannot be read as {modality.replace('_', ' ')}: {reason}") from error
