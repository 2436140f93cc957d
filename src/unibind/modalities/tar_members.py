"""Members of tar archives as inputs: `shard.tar#000017.jpg` is read in place, nothing is extracted."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from ..errors import LimitError, MissingFileError, UnibindError, UnreadableError
from ..files import check_not_special

TAR = ".tar"
_MAX_MEMBERS = 2_000_000
_OPEN_INDEXES = 8  # archives whose members are remembered


def member_uri(archive: str | Path, member: str) -> str:
    """How a member is called: the path of the archive, `#`, and the member's name."""
    return f"{archive}#{member}"


def split_member(path: str | Path) -> tuple[Path, str] | None:
    """The archive and the name of a member; None if the path is not a member of a tar archive."""
    archive, mark, member = str(path).partition(f"{TAR}#")
    return (Path(archive + TAR), member) if mark and archive and member else None


def split_member_url(url: str) -> tuple[str, str] | None:
    """The URL of an archive and the name of a member; None if the URL is not that of a member."""
    archive, mark, member = url.partition(f"{TAR}#")
    return (archive + TAR, member) if mark and archive and member else None


def read_member(archive: Path, member: str, max_bytes: int) -> bytes:
    """The content of a member, at most `max_bytes`.

    Raises MissingFileError where archive or member do not exist, LimitError, and UnreadableError.
    """
    name = member_uri(archive, member)
    check_not_special(archive)
    if not archive.is_file():
        raise MissingFileError(f"file not found: {archive}; check the name")
    found = archive.stat()
    place = _index(archive, found.st_size, found.st_mtime_ns).get(member)
    if place is None:
        raise MissingFileError(f"{archive} has no member {member}; check the name")
    offset, size = place
    if size > max_bytes:
        raise LimitError(f"{name} has {size:,} bytes, the limits allow {max_bytes:,}; raise them")
    with archive.open("rb") as file:
        file.seek(offset)
        data = file.read(size)
    if len(data) < size:
        raise UnreadableError(f"{name} is cut short: {archive} is not complete; copy it again")
    return data


def members(archive: Path) -> Iterator[tarfile.TarInfo]:
    """The members of an archive that are files, in its order, their names without needless dots and slashes.

    Raises UnibindError where the archive is not whole.
    """
    check_not_special(archive)
    try:
        with closing(tarfile.open(archive, "r:")) as tar:
            for number, member in enumerate(tar):
                if number >= _MAX_MEMBERS:
                    raise UnibindError(f"{archive} has more than {_MAX_MEMBERS:,} members; split it into shards")
                if member.isreg() and not member.issparse():
                    member.name = posixpath.normpath(member.name).lstrip("/")
                    yield member
                tar.members.clear()  # type: ignore[attr-defined] # it would keep all of them
            _check_end(archive, tar.offset)
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        if isinstance(error, UnibindError):
            raise
        raise UnibindError(
            f"{archive} is not a whole tar archive without compression ({error}); decompress it, or copy it again"
        ) from error


def _check_end(archive: Path, offset: int) -> None:
    """Raise TarError unless an end mark is where the members end: after damage, the module just stops."""
    with archive.open("rb") as file:
        file.seek(offset)
        block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or any(block):
        raise tarfile.TarError(f"it breaks off at byte {offset:,}")


@lru_cache(maxsize=_OPEN_INDEXES)
def _index(archive: Path, size: int, mtime_ns: int) -> dict[str, tuple[int, int]]:
    """Offset and size of every member by name; the first counts of those with one name, and those of a torn archive."""
    index: dict[str, tuple[int, int]] = {}
    try:
        for member in members(archive):
            index.setdefault(member.name, (member.offset_data, member.size))
    except UnibindError:
        if not index:
            raise
    return index
