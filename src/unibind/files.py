"""Writing files: atomically, and only where `check_output` finds that nothing of somebody else's is in the way."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import UnibindError


def write_whole(path: Path, content: bytes | str) -> None:
    """Write `content` to a temporary file, flush it to disk, and rename it to `path`; parent folders are created."""
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
        sync_folder(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Write a file, or the names in a folder, through to the disk, so that a power cut does not take them."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder through to the disk, where the system can."""
    if os.name == "posix":  # elsewhere folders cannot be opened
        sync(folder)


@contextmanager
def staged(path: Path, *, kind: OutputKind) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write a file or folder to; it becomes `path` if nothing is raised.

    What is at `path` is replaced, but for a folder that has other entries than `kind.marks`: raises UnibindError, and
    nothing is changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as room:
        temporary = Path(room, path.name)
        yield temporary
        if kind.folder and path.is_dir():
            others = {entry.name for entry in path.iterdir()} - set(kind.marks)
            if others:
                raise UnibindError(f"{path} holds other files, such as {min(others)}; choose an empty or new folder")
            path.replace(Path(room, f"{path.name}.old"))  # removed with the room
        temporary.replace(path)


# --- checking outputs before the work ------------------------------------------------------------------------------


@dataclass(frozen=True)
class OutputKind:
    """What is written to a path: `what` in words ("a model"), as a folder or as one file.

    A folder that has any of the entries `marks` is of this kind already. Where it is `resumable`, the same command
    continues it; otherwise it is only replaced on request.
    """

    what: str
    folder: bool = True
    marks: tuple[str, ...] = ()
    resumable: bool = False


FILE = OutputKind("a file", folder=False)


def check_output(path: str | Path, *, kind: OutputKind = FILE, force: bool = False) -> None:
    """Raise UnibindError unless `path` can be written as this kind of output; nothing is created or changed.

    Call it before the work begins. Refused are a file where a folder is needed and the reverse, a place that is not
    writable, a file or folder that exists already (unless it is resumable or `force` is set), and a folder with
    somebody else's entries (unless `force` is set). Hidden entries do not count.
    """
    path = Path(path)
    _check_place(path, kind)
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
