"""The files of one Lance table: which of them a version needs, whether they are whole, and which nobody needs.

LanceDB neither syncs what it writes, nor opens a table whose newest manifest is damaged, nor removes old versions
without rewriting the table, and does not tell which files a version has. Lance's manifest does: it is a protobuf
message, of which a few fields are read here (see table.proto of the Lance format).
"""

from __future__ import annotations

import os
import re
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import UnibindError
from ..files import sync, sync_folder

_LATEST = (1 << 64) - 1  # a manifest is named by its distance from this, so that the newest comes first
_MANIFEST = ".manifest"
_FOOTER = struct.Struct("<QHH4s")  # where the message begins, two numbers of the format, and Lance's mark
_LENGTH = struct.Struct("<I")
_DATA, _DELETIONS, _TRANSACTIONS, _VERSIONS = "data", "_deletions", "_transactions", "_versions"
_SET_ASIDE = "_damaged"
_CLOCKS_DIFFER_S = 600.0  # by at most so much, those of hosts that write to one folder
_KEPT = 3  # versions that are always kept: there is something to fall back to

_NAME = re.compile(r"[\w-][\w.-]{0,200}", re.ASCII)

_Field = int | bytes


@dataclass(frozen=True)
class Fragment:
    """A part of a table that was written at once: its number, its rows, and how many of them were deleted since.

    `name` is of these rows alone: the fragment has another one when rows are deleted or written anew, and no other
    table has a fragment with this name, unless it is a copy of it.
    """

    number: int
    rows: int
    deleted: int
    name: str


@dataclass(frozen=True)
class Version:
    """A version of a table: its fragments, and the files it needs, as paths from the table, with their sizes.

    The size is None where the manifest does not tell it.
    """

    number: int
    fragments: tuple[Fragment, ...]
    files: dict[str, int | None]
    transaction: str | None


class TableFiles:
    """The folder of one Lance table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._synced: set[Path] = set()
        self._spared_since: float | None = None

    # --- versions ---------------------------------------------------------------------------------------------------

    def numbers(self) -> list[int]:
        """The numbers of all versions, the newest first, damaged ones included; none before the first commit."""
        try:
            names = [entry.name for entry in (self.folder / _VERSIONS).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        stems = (name.removesuffix(_MANIFEST) for name in names if name.endswith(_MANIFEST))
        return sorted((_LATEST - int(stem) for stem in stems if stem.isdecimal()), reverse=True)

    def manifest(self, number: int) -> Path:
        """The manifest of a version."""
        return self.folder / _VERSIONS / f"{_LATEST - number:020d}{_MANIFEST}"

    def read(self, number: int) -> Version:
        """What the manifest of a version says; raises UnibindError where it is damaged."""
        path = self.manifest(number)
        try:
            version = _parse(path.read_bytes())
            if version.number != number:
                raise ValueError(f"it is of version {version.number}")
        except (ValueError, LookupError, TypeError, OverflowError, struct.error) as error:
            raise UnibindError(f"{path} is damaged: {error}") from error
        return version

    def damage(self, number: int) -> str | None:
        """What is wrong with the files of a version, judged by their names and sizes; None if nothing is.

        Raises OSError where that cannot be told.
        """
        try:
            version = self.read(number)
        except FileNotFoundError:
            return f"{self.manifest(number)} is missing"
        except UnibindError as error:
            return str(error)
        for name, size in version.files.items():
            path = self.folder / name
            try:
                found = path.stat().st_size
            except FileNotFoundError:
                return f"{path} is missing"
            if found == 0 or size not in (None, found):
                return f"{path} has {found:,} bytes" + ("" if size is None else f" of {size:,}")
        return None

    def newest_whole(self) -> int | None:
        """The newest version whose files are whole; None where there is none."""
        return next((number for number in self.numbers() if self.damage(number) is None), None)

    def set_aside(self, numbers: list[int]) -> None:
        """Move the manifests of damaged versions away, so that Lance opens the one before."""
        aside = self.folder / _SET_ASIDE
        aside.mkdir(exist_ok=True)
        for number in numbers:
            manifest = self.manifest(number)
            manifest.replace(aside / f"{manifest.name}.{time.time_ns()}")
            self._synced.discard(manifest)
        (self.folder / _VERSIONS / "latest_version_hint.json").unlink(missing_ok=True)
        sync_folder(self.folder / _VERSIONS)
        sync_folder(aside)

    # --- on the disk for good ---------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Write the newest version through to the disk: its data, its manifest, then the folders that name them.

        Transactions are left out: they are for writers that commit at the same time.
        """
        number = self.numbers()[0]
        paths = [self.folder / name for name in self.read(number).files] + [self.manifest(number)]
        new = [path for path in paths if path not in self._synced]
        for path in new:
            sync(path)
        for folder in dict.fromkeys(path.parent for path in new):
            sync_folder(folder)
        if not self._synced:  # the table may be new
            sync_folder(self.folder)
            sync_folder(self.folder.parent)
        self._synced = set(paths)

    # --- what nobody needs -------------------------------------------------------------------------------------------

    def remove_old(self, keep_s: float, remove: Callable[[Path], bool], *, kept: int = _KEPT) -> None:
        """Remove old versions, and files that no version needs; only for the one writer of the table.

        Kept are the newest versions, as many as `kept`, those that were replaced less than `keep_s` seconds ago, those
        whose manifest `remove` does not remove because it is in use, and files younger than that. Where a manifest
        cannot be read, nothing is removed. In a block of `sparing`, files that no version needs stay.
        """
        numbers, since = self.numbers(), time.time() - keep_s
        try:
            versions = {number: self.read(number) for number in numbers}
        except UnibindError:
            return
        for newer, number in reversed(list(zip(numbers[kept - 1 :], numbers[kept:], strict=False))):
            if self.manifest(newer).stat().st_mtime < since and remove(self.manifest(number)):
                del versions[number]
        since = min(since, self._spared_since or since)
        needed = {name for version in versions.values() for name in version.files}
        needed |= {f"{_TRANSACTIONS}/{version.transaction}" for version in versions.values()}
        for part in (_DATA, _DELETIONS, _TRANSACTIONS):
            for entry in _entries(self.folder / part):
                if f"{part}/{entry.name}" not in needed and entry.stat().st_mtime < since:
                    Path(entry.path).unlink(missing_ok=True)

    @contextmanager
    def sparing(self) -> Iterator[None]:
        """Keep what was written since a while ago, also if no version needs it yet: a commit will name it."""
        self._spared_since = time.time() - _CLOCKS_DIFFER_S
        try:
            yield
        finally:
            self._spared_since = None

    def size(self) -> int:
        """Bytes of all its files."""
        return folder_size(self.folder)


def folder_size(folder: Path) -> int:
    """Bytes of all files in a folder of any depth, some of which may be removed meanwhile."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                size += Path(parent, name).lstat().st_size
    return size


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []


# --- the manifest -------------------------------------------------------------------------------------------------


def _parse(content: bytes) -> Version:
    start, _, _, mark = _FOOTER.unpack(content[-_FOOTER.size :])
    if mark != b"LANC":
        raise ValueError("it does not end as a manifest does")
    (length,) = _LENGTH.unpack_from(content, start)
    message = content[start + _LENGTH.size : start + _LENGTH.size + length]
    if len(message) < length:
        raise ValueError("it is cut off")
    number, transaction = 0, None
    fragments, files = list[Fragment](), dict[str, int | None]()
    for field, value in _fields(message):
        if field == 2 and isinstance(value, bytes):
            fragments.append(_fragment(value, files))
        elif field == 3 and isinstance(value, int):
            number = value
        elif field == 12 and isinstance(value, bytes):
            transaction = _name(value)
    if not number:
        raise ValueError("it has no number")
    return Version(number, tuple(fragments), files, transaction)


def _fragment(message: bytes, files: dict[str, int | None]) -> Fragment:
    """One fragment; its files are added to `files`."""
    number = rows = deleted = 0
    deletions: dict[int, _Field] | None = None
    names: list[str] = []
    for field, value in _fields(message):
        if field == 1 and isinstance(value, int):
            number = value
        elif field == 2 and isinstance(value, bytes):
            data = dict(_fields(value))
            size = data.get(6)
            names.append(_name(data[1]))
            files[f"{_DATA}/{names[-1]}"] = size if isinstance(size, int) and size else None
        elif field == 3 and isinstance(value, bytes):
            deletions = dict(_fields(value))
        elif field == 4 and isinstance(value, int):
            rows = value
    if deletions is not None:
        kind, read, name, deleted = (int(deletions.get(field, 0)) for field in (1, 2, 3, 4))
        names.append(f"{number}-{read}-{name}.{'bin' if kind else 'arrow'}")
        files[f"{_DELETIONS}/{names[-1]}"] = None
    return Fragment(number, rows, deleted, " ".join(names))


def _name(value: _Field) -> str:
    """The name of a file in a folder of the table; never a path that leads elsewhere."""
    name = "" if isinstance(value, int) else value.decode()
    if not _NAME.fullmatch(name):
        raise ValueError("a file has no proper name")
    return name


def _fields(message: bytes) -> Iterator[tuple[int, _Field]]:
    """The fields of a protobuf message: their numbers, and values as whole numbers or bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            length, at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"it has a field of kind {kind}")
        if at + length > len(message):
            raise ValueError("a field is cut off")
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
