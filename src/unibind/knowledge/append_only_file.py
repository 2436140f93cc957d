"""A JSON Lines file that is only ever appended to and survives a kill at any moment."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ..disk_errors import writing
from ..errors import UnibindError
from ..files import sync_folder, write_fully
from ..json_files import check_fields, parse_json

_FIX = "fix or remove that line"
_SEARCH_BLOCK = 1 << 16  # bytes read at a time when searching for the end of the last complete line


class AppendOnlyFile:
    """JSON objects, one per line. An incomplete last line, left by a killed process, is ignored and overwritten."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def open(self) -> IO[bytes]:
        """Lock the file for writing and cut off an incomplete last line.

        Raises UnibindError while another process has the file open for writing.
        """
        if self._file is None:
            with writing(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                file = self.path.open("ab+", buffering=0)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                raise UnibindError(f"another process is writing to {self.path}; wait for it or stop it") from None
            os.truncate(file.fileno(), _complete_length(file))
            sync_folder(self.path.parent)
            self._file = file
        return self._file

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows and wait until they are on disk.

        Raises WriteError, which names the file, where the system does not let them all be written; then none is.
        """
        file = self.open()
        data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8", "backslashreplace")
        complete = os.fstat(file.fileno()).st_size
        with writing(self.path):
            try:
                write_fully(file.fileno(), data)
                os.fsync(file.fileno())
            except OSError:
                os.truncate(file.fileno(), complete)
                raise

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(byte offset, row) of every complete line; nothing where the file does not exist.

        Raises UnibindError, naming the line, for a line that is not a JSON object.
        """
        if not self.path.is_file():
            return
        offset = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n") and line.strip():
                    yield offset, _parse(line, f"{self.path}, line {number}")
                offset += len(line)

    def rows_at(self, offsets: Sequence[int]) -> Iterator[dict[str, Any]]:
        """The rows at byte offsets that `rows` returned."""
        if not len(offsets):
            return
        with self.path.open("rb") as file:
            for offset in offsets:
                file.seek(offset)
                yield _parse(file.readline(), f"{self.path}, byte {offset}")

    def close(self) -> None:
        """Release the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _complete_length(file: IO[bytes]) -> int:
    """Bytes up to the end of the last complete line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _SEARCH_BLOCK)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _parse(line: bytes, where: str) -> dict[str, Any]:
    return check_fields(parse_json(line, where, _FIX), {}, where, _FIX, open=True)
