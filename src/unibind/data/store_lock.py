"""Who may write to a store: one process at a time, named in a file of the store; and which versions are being read.

The file says which process writes, on which host, since when. A process that died, or whose host no longer shows that
it lives, has no claim: the next writer takes the lock over.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import UnibindError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK, _GUARD = "writer.json", ".writer.guard"
_BEAT_S = 10.0  # how often a writer shows that it lives
_SILENT_S = 180.0  # a writer of another host is taken for dead after this


@dataclass(frozen=True)
class Owner:
    """The process that writes to a store.

    `started` tells it from a later process with the same number (0: not known), `since` is when it took the lock, in
    seconds since 1970, and `token` is of this lock alone.
    """

    pid: int
    host: str
    started: int
    since: float
    command: str
    token: str

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} on {self.host} (`{self.command}`, since {since})"


class WriterLock:
    """The right to write to the store in `folder`; taken by `taken`, which may be nested, in any threads."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / LOCK
        self._owner: Owner | None = None
        self._depth = 0
        self._change = threading.RLock()
        self._released = threading.Event()

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Hold the lock for a block; yields whether it was taken anew. Raises UnibindError that names another owner."""
        with self._change:
            new = self._depth == 0
            if new:
                self._acquire()
            self._depth += 1
        try:
            yield new
        finally:
            with self._change:
                self._depth -= 1
                if self._depth == 0:
                    self._release()

    def check(self) -> None:
        """Raise UnibindError if another process took the lock over, because this one seemed dead."""
        owner = read_owner(self._folder)
        if self._owner is None or owner is None or owner.token != self._owner.token:
            now = "nobody" if owner is None else str(owner)
            raise UnibindError(
                f"the store {self._folder} is no longer locked by this process but by {now}; what was stored before is "
                "kept; run the command again to continue"
            )

    def _acquire(self) -> None:
        with self._guarded():
            owner = read_owner(self._folder)
            if owner is not None and self._lives(owner):
                raise UnibindError(
                    f"the store {self._folder} is being written by {owner}; wait until it ends, or use another store"
                )
            self._owner = Owner(
                os.getpid(), socket.gethostname(), _started(os.getpid()), time.time(), _command(), uuid.uuid4().hex
            )
            temporary = self._path.with_name(f".{LOCK}.{self._owner.token}")
            temporary.write_text(json.dumps(asdict(self._owner)))
            temporary.replace(self._path)
        self._released = threading.Event()
        threading.Thread(target=_beat, args=(self._path, self._released), daemon=True).start()

    def _release(self) -> None:
        self._released.set()
        owner, self._owner = self._owner, None
        with suppress(OSError), self._guarded():  # where the drive is gone, so is the lock
            if owner == read_owner(self._folder):
                self._path.unlink(missing_ok=True)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """One process at a time, for the moment in which the lock changes hands."""
        handle = os.open(self._folder / _GUARD, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _lives(self, owner: Owner) -> bool:
        if owner.host == socket.gethostname():
            return _is_running(owner.pid) and owner.started in (0, _started(owner.pid))
        guard = self._folder / _GUARD
        os.utime(guard)  # by the clock of the file system, which also dates the lock
        try:
            silent = guard.stat().st_mtime - self._path.stat().st_mtime
        except FileNotFoundError:
            return False
        return silent < _SILENT_S


def read_owner(folder: Path) -> Owner | None:
    """Who has the lock of a store, alive or not; None for nobody, and for a lock that was only half written."""
    try:
        return Owner(**json.loads((folder / LOCK).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _beat(path: Path, released: threading.Event) -> None:
    while not released.wait(_BEAT_S):
        try:
            os.utime(path)
        except OSError:  # taken over, or out of reach: the next commit will see it
            continue


def _command() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])[:80] if sys.argv and sys.argv[0] else "python"


def _is_running(pid: int) -> bool:
    if os.name == "nt":  # there, signal 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _state(pid) != "Z"


def _state(pid: int) -> str:
    return (_status(pid) or ["?"])[0]


def _started(pid: int) -> int:
    """When a process began, in ticks since its host did; 0 where the system does not tell."""
    fields = _status(pid)
    return int(fields[19]) if len(fields) > 19 else 0


def _status(pid: int) -> list[str]:
    """The fields of /proc/PID/stat that follow the name; empty where there is no such file."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


# --- versions that are read -----------------------------------------------------------------------------------------


class Reading:
    """Marks a file as in use, until this object is gone or its process ends; `remove_unread` leaves it alone.

    Where the file system cannot lock, nothing is marked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        handle = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, handle)
        self._too_late = False
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:  # it is being removed just now
                self._too_late = True
            except OSError:  # no locks here
                return

    def holds(self) -> bool:
        """Whether the file is still there under its name, and stays."""
        return not self._too_late and self.path.exists()


def remove_unread(path: Path) -> bool:
    """Remove a file unless there is a `Reading` of it in any process; returns whether it is gone."""
    if fcntl is None:
        return False
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except OSError:  # it is read, or there are no locks here
        return False
    finally:
        os.close(handle)
    return True
