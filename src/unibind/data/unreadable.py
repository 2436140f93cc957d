"""Items of the quarantine: which of them would fail again, because their files are as they were."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from ..deadlines import Deadline
from .file_facts import file_stamp
from .location import place_on_disk
from .on_disk import key_of
from .store import Store

_STAT_S = 5.0  # to ask for the size and time of a file, on a drive that may not answer


def failed_as_they_are(store: Store) -> set[bytes]:
    """Keys (`key_of`) of modality and id of the items in quarantine whose files have not changed since they failed.

    Items without a file, and those whose file was not there or could not be asked, are not among them.
    """
    found = set[bytes]()
    with closing(Stamps()) as stamps:
        for entry in store.quarantined():
            stamp = None if entry["size"] is None else stamps.of(entry["uri"])
            if stamp is not None and stamp == (entry["size"], entry["mtime_ns"]):
                found.add(key_of(entry["modality"], entry["id"]))
    return found


class Stamps:
    """Sizes and times of files, on drives that may not answer."""

    def __init__(self) -> None:
        self._asking = Deadline(_STAT_S)
        self._silent = set[Path]()  # folders that did not answer

    def of(self, uri: str | None) -> tuple[int, int] | None:
        """Size and time of a file; None where there is none, and where its folder does not answer."""
        path = place_on_disk(uri)
        if path is None or path.parent in self._silent:
            return None
        try:
            return self._asking.call(file_stamp, path)
        except TimeoutError:
            self._silent.add(path.parent)
            return None

    def close(self) -> None:
        """End the thread that asks."""
        self._asking.close()
