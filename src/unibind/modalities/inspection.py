"""Inspection of files: what was read from each, as facts and as a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..deadlines import Deadline
from ..errors import UnibindError
from .limits import Limits
from .pictures import grid, picture, save_png
from .reading import read
from .spec import Raw

_READ_S = 60.0  # to read a file
_COLUMNS, _CELL = 3, 320  # of a contact sheet: cells per row, their height in pixels


@dataclass(frozen=True)
class InspectedFile:
    """One file: its modality and `facts` (sizes, units, durations, counts), or the error that reading it raised."""

    file: str
    modality: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    raw: Raw | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain facts, or the error."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        return {"file": self.file, "modality": self.modality, **self.facts}


def inspect_files(
    files: Iterable[str | Path],
    *,
    modality: str | None = None,
    limits: Limits | None = None,
    keep_raw: bool = False,
    progress: Callable[[int], None] | None = None,
) -> list[InspectedFile]:
    """Read every file and report what is in it; a file that cannot be read has an `error` instead.

    `keep_raw` keeps the raw items, for `save_contact_sheet`.
    """
    results = []
    for file in files:
        results.append(_inspect(file, modality, limits, keep_raw))
        if progress is not None:
            progress(1)
    return results


def _inspect(file: str | Path, modality: str | None, limits: Limits | None, keep_raw: bool) -> InspectedFile:
    reading = Deadline(_READ_S)
    try:
        return reading.call(_read_and_describe, file, modality, limits, keep_raw)
    except UnibindError as error:
        return InspectedFile(str(file), error=str(error))
    except TimeoutError:
        return InspectedFile(str(file), error=f"{file} was not read within {_READ_S:g} s; check the file and its drive")
    except Exception as error:  # what is decoded only when it is described, as frames of a video are
        reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
        return InspectedFile(str(file), error=f"{file} cannot be described: {reason}")
    finally:
        reading.close()


def _read_and_describe(file: str | Path, modality: str | None, limits: Limits | None, keep_raw: bool) -> InspectedFile:
    raw = read(Path(file), modality, limits=limits)
    return InspectedFile(str(file), raw.modality, raw.summary(), raw=raw if keep_raw else None)


def save_contact_sheet(inspected: Sequence[InspectedFile], path: str | Path) -> None:
    """Write a picture of the files whose raw items were kept, with their names; raises UnibindError for none."""
    shown = [(Path(item.file).name, item.raw) for item in inspected if item.raw is not None]
    if not shown:
        raise UnibindError("no file could be read, so there is nothing to show; check the errors above")
    pictures = [picture(raw, _CELL) for _, raw in shown]
    save_png(grid(pictures, min(_COLUMNS, len(shown)), [name for name, _ in shown]), path)
