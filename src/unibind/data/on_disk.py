"""Temporary tables of one call, on disk rather than in memory."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import UnibindError

_CACHE_KIB = 2048  # of each database; smaller ones never reach the disk


class Database(sqlite3.Connection):
    """A connection that reports a full disk as one UnibindError."""

    def execute(self, command: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Like the method of sqlite3, but raises UnibindError if the disk is full."""
        with _sentences():
            return super().execute(command, parameters)

    def executemany(self, command: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """Like the method of sqlite3, but raises UnibindError if the disk is full."""
        with _sentences():
            return super().executemany(command, parameters)


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise UnibindError(
            f"a table of items cannot be written to the folder for temporary files ({error}); make room there, or set "
            "SQLITE_TMPDIR to another folder"
        ) from error


def temporary_database() -> Database:
    """A database in an unnamed file, which the system removes when this process ends, even if it is killed.

    It uses at most 2 MiB of memory; the rest is in the folder for temporary files (`SQLITE_TMPDIR`, or `TMPDIR`).
    """
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False, factory=Database)
    for setting in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIB}", "temp_store=FILE"):
        database.execute(f"PRAGMA {setting}")
    database.execute("BEGIN")  # a single transaction: no one else reads it, and nothing is rolled back
    return database


def key_of(*names: str) -> bytes:
    """A 16-byte hash of names of any length and any characters; different names have different keys."""
    written = "\0".join(names).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(written, digest_size=16).digest()
