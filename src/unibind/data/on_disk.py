"""Tables that one call needs and nobody keeps, on the disk rather than in memory."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import UnibindError

_CACHE_KIB = 2048  # of a database: what is smaller never reaches the disk


class Database(sqlite3.Connection):
    """A connection that says in one sentence that the disk is full."""

    def execute(self, command: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """As that of sqlite3; raises UnibindError where the disk is full."""
        with _sentences():
            return super().execute(command, parameters)

    def executemany(self, command: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """As that of sqlite3; raises UnibindError where the disk is full."""
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
    """A database of this process alone, in a file without a name that is gone with it, also when it is killed.

    It takes 2 MiB of memory at most; the rest is in the folder for temporary files (`SQLITE_TMPDIR`, or `TMPDIR`).
    """
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False, factory=Database)
    for setting in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIB}", "temp_store=FILE"):
        database.execute(f"PRAGMA {setting}")
    database.execute("BEGIN")  # one transaction for all: nobody else reads it, and nothing is ever taken back
    return database


def key_of(*names: str) -> bytes:
    """A key of 16 bytes for names of any length and any characters; no two differ in names and agree in the key."""
    written = "\0".join(names).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(written, digest_size=16).digest()
