"""Writing files and folders: completely or not at all, whatever ends the process, the disk or the power.

What is written waits under a hidden temporary name beside its place, `.unibind-tmp-...`, and gets its own name when it
is complete and on disk. Its process holds a lock on the temporary; those of processes that died are removed when
another process writes to the same folder.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from .disk_errors import TEMPORARY, writing
from .errors import UnibindError, UnreadableError

_NEW, _OLD, _DONE = "new", "old", "done"  # in the temporary of a folder: the new one; the old one; what may go


def write_whole(path: Path, content: bytes | str) -> None:
    """Write one file, completely or not at all; see `write_all`."""
    write_all({path: content})


def write_all(contents: Mapping[Path, bytes | str]) -> None:
    """Write files, each completely or not at all; none gets its name before all are on disk. Parent folders are made.

    Raises WriteError, which names the file, where one cannot be written; what was there is still there.
    """
    with ExitStack() as temporaries:
        complete = []
        for path, content in contents.items():
            data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                _sweep_once(path.parent.absolute())
                temporary, handle = temporaries.enter_context(_temporary_file(path.parent))
                write_fully(handle, data)
                os.fsync(handle)
            complete.append((temporary, path))
        for temporary, path in complete:
            with writing(path):
                temporary.chmod(0o644)
                temporary.replace(path)
        for folder in {path.parent for path in contents}:
            sync_folder(folder)


@contextmanager
def staged(path: Path, *, kind: OutputKind) -> Iterator[Path]:
    """Yield a temporary path to write a file or folder to; it becomes `path`, at once, if nothing is raised.

    Whenever the process is killed, `path` is the old output or the new one (see `recover`). Entries of a folder that
    are not of this kind stay. A folder that cannot be renamed, such as a mount point, is filled entry by entry, the
    first of `kind.marks` last, but never replaced. Raises WriteError, which names `path`, where the system does not let
    it be written; what was there is still there.
    """
    target = path.resolve()  # a link stays a link
    with writing(path):
        inside = target.is_dir() and _obstacle(target) is not None
        if inside:
            _check_replaceable(path, kind)
        place = target if inside else target.parent
        place.mkdir(parents=True, exist_ok=True)
        with scratch(place) as room:
            new = room / _NEW / target.name
            new.parent.mkdir()
            yield new
            _sync_tree(new)
            if inside:
                _move_entries(new, target, kind)
            elif target.is_dir():
                _keep_others(target, new, kind)
                _swap(new, target, room)
            else:
                new.replace(target)
            sync_folder(place)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Yield an empty temporary folder in `folder`; it is removed at the end, or by a later `sweep`."""
    sweep(folder)
    room = _temporary_name(folder)
    room.mkdir()
    while (lock := _claimed(room)) is None:
        room = _temporary_name(folder)
        room.mkdir()
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)
        os.close(lock)


def sweep(folder: Path) -> None:
    """Remove the temporaries of dead processes in a folder; a folder that one of them set aside comes back."""
    with suppress(OSError):
        for name in os.listdir(folder):  # noqa: PTH208 - names, not paths, of folders that may be large
            if name.startswith(TEMPORARY):
                _remove_if_dead(folder / name)


def recover(path: Path) -> None:
    """Bring back what a process set aside and did not replace because it was killed; call it before `path` is read."""
    if not path.exists():
        sweep(path.resolve().parent)


def write_fully(handle: int, data: bytes) -> None:
    """Write all of `data` to an open file; the system may take it in parts."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


# --- temporaries and their locks -----------------------------------------------------------------------------------

_swept = set[Path]()  # by this process: folders with many files are listed once


def _sweep_once(folder: Path) -> None:
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder)


def _temporary_name(folder: Path) -> Path:
    return folder / f"{TEMPORARY}{secrets.token_hex(8)}"


@contextmanager
def _temporary_file(folder: Path) -> Iterator[tuple[Path, int]]:
    """A new file, open for writing and locked; it is closed at the end, and removed if it still has this name."""
    while True:
        path = _temporary_name(folder)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        lock = _claimed(path)
        if lock is not None:
            break
        os.close(handle)
    try:
        yield path, handle
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)
        os.close(lock)


def _claimed(temporary: Path) -> int | None:
    """Lock a temporary that this process made; None where a sweep came first. The lock ends when it is closed."""
    try:
        handle = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:  # this disk has no locks, so nothing is swept there
        return handle
    if _is_at(handle, temporary):
        return handle
    os.close(handle)
    return None


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


def _remove_if_dead(temporary: Path) -> None:
    """Remove a temporary whose process no longer holds its lock."""
    with suppress(OSError):
        handle = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not temporary.is_dir():
                temporary.unlink()
                return
            if (temporary / _OLD).is_dir():
                for aside in (temporary / _OLD).iterdir():
                    if not (temporary.parent / aside.name).exists():
                        aside.rename(temporary.parent / aside.name)
            shutil.rmtree(temporary)
        finally:
            os.close(handle)


# --- putting a complete output in its place ------------------------------------------------------------------------

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux


def _swap(new: Path, target: Path, room: Path) -> None:
    """Put a new folder in the place of an old one, which is removed with `room`."""
    if _exchanged(new, target):
        return
    aside = room / _OLD / target.name
    aside.parent.mkdir()
    target.rename(aside)
    try:
        new.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    aside.parent.rename(room / _DONE)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where the system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(other))


def _keep_others(old: Path, new: Path, kind: OutputKind) -> None:
    """Link what is in an old folder and not of this kind into the new one, which gets the permissions of the old."""
    for entry in old.iterdir():
        kept = new / entry.name
        if kind.has(entry.name) or entry.name.startswith(TEMPORARY) or os.path.lexists(kept):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, kept, symlinks=True, copy_function=_link)
        else:
            _link(entry, kept)
    shutil.copymode(old, new)
    sync_folder(new)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # this disk has no links
        shutil.copy2(source, target, follow_symlinks=False)


def _move_entries(new: Path, target: Path, kind: OutputKind) -> None:
    """Move everything into a folder, the mark of a complete one last."""
    for entry in sorted(new.iterdir(), key=lambda entry: entry.name == kind.marks[0]):
        entry.rename(target / entry.name)


def _obstacle(folder: Path) -> str | None:
    """Why a folder cannot be replaced by renaming another; None where it can."""
    if not os.access(folder.parent, os.W_OK | os.X_OK):
        return f"{folder.parent} is not writable"
    if _is_mount_point(folder):
        return "it is a mount point"
    with suppress(FileNotFoundError):
        if Path.cwd().is_relative_to(folder):
            return "it is the current folder"
    return None


def _is_mount_point(folder: Path) -> bool:
    """Also of folders of the same disk, which only Linux's table of mounts has."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return folder.is_mount()
    name = re.sub(r"[\\ \t\n]", lambda match: f"\\{ord(match.group()):03o}", str(folder))
    return any(line.split(" ")[4] == name for line in lines)


def sync(path: Path) -> None:
    """Write a file, or the names in a folder, through to the disk, so that a power cut does not take them."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder through to the disk, where the disk can."""
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise


def _sync_tree(path: Path) -> None:
    """Wait until a file, or a folder with everything in it, is on disk."""
    for folder, _, names in os.walk(path):
        for name in names:
            sync(Path(folder, name))
        sync_folder(Path(folder))
    if path.is_file():
        sync(path)


# --- special files --------------------------------------------------------------------------------------------------

_SPECIAL = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def check_not_special(path: str | Path) -> None:
    """Raise UnreadableError for a pipe, socket or device, or a link to one: reading it could take for ever."""
    try:
        kind = _SPECIAL.get(stat.S_IFMT(os.stat(path).st_mode))  # noqa: PTH116 - also for odd names
    except (OSError, ValueError):
        return
    if kind is not None:
        raise UnreadableError(f"{path} is {kind}, not a file; save what it gives to a file, and pass that")


# --- checking outputs before the work ------------------------------------------------------------------------------


@dataclass(frozen=True)
class OutputKind:
    """What is written to a path: `what` in words ("a model"), as a folder or as one file.

    A folder that has any of the entries `marks` is of this kind already; `others` are patterns of further entries that
    it may have. Where it is `resumable`, the same command continues it; otherwise it is only replaced on request, and
    `at_once` if it is written by `staged`.
    """

    what: str
    folder: bool = True
    marks: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    resumable: bool = False
    at_once: bool = False

    def has(self, name: str) -> bool:
        """Whether an entry of this name is of this kind."""
        return name in self.marks or any(fnmatch(name, pattern) for pattern in self.others)


FILE = OutputKind("a file", folder=False)


def check_output(path: str | Path, *, kind: OutputKind = FILE, force: bool = False) -> None:
    """Raise UnibindError unless `path` can be written as this kind of output; nothing is created or changed.

    Call it before the work begins. Refused are a file where a folder is needed and the reverse, a place that is not
    writable, a file or folder that exists already (unless it is resumable or `force` is set), and a folder with
    somebody else's entries (unless `force` is set). Hidden entries do not count.
    """
    path = Path(path)
    recover(path)
    _check_place(path, kind)
    if path.is_dir() and kind.at_once and force:
        _check_replaceable(path, kind)
    if not path.exists() or force:
        return
    if not kind.folder:
        raise UnibindError(f"{path} exists already; choose another file, or replace it with --force")
    present = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    if present & set(kind.marks):
        if not kind.resumable:
            raise UnibindError(f"{path} has {kind.what} already; choose another folder, or replace it with --force")
    elif present:
        raise UnibindError(f"{path} holds other files, such as {min(present)}; choose an empty or new folder")


def _check_place(path: Path, kind: OutputKind) -> None:
    """Raise UnibindError where `path` is of the wrong type, or is or lies in something that cannot be written."""
    if path.is_dir() and not kind.folder:
        raise UnibindError(f"{path} is a folder; choose a file name for the output")
    if path.exists() and not path.is_dir() and kind.folder:
        raise UnibindError(f"{path} is a file; choose a folder for {kind.what}")
    if path.exists() and not path.is_dir() and not path.is_file():
        raise UnibindError(f"{path} is not an ordinary file; choose a file name for the output")
    absolute = path.absolute()
    place = absolute if path.is_dir() else next(parent for parent in absolute.parents if parent.exists())
    if not place.is_dir():
        raise UnibindError(f"{path} cannot be made, because {place} is a file; choose another path")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UnibindError(f"{path} cannot be written, because {place} is not writable; choose another path")


def _check_replaceable(path: Path, kind: OutputKind) -> None:
    """Raise UnibindError where a folder has entries of this kind and cannot be replaced at once."""
    obstacle = _obstacle(path.resolve())
    if obstacle is not None and any(kind.has(entry.name) for entry in path.iterdir()):
        raise UnibindError(f"{kind.what} in {path} cannot be replaced, because {obstacle}; choose another folder")
