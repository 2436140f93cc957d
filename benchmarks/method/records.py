"""Records: one small JSON file per run, written when it is complete, so that an interrupted command resumes."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unibind import __version__
from unibind.files import write_whole

Record = dict[str, Any]
FORMAT = 1  # rises when what a record holds changes: older ones are measured again
UNIFIED, UNKNOWN, ABLATIONS = "unified", "unknown", "ablations"  # parts that have records of their own: "...-unified"
_DIGITS = 4


def path_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def read_record(folder: Path, name: str) -> Record | None:
    """The record of a run; None where it was not measured, or by an older command."""
    path = path_of(folder, name)
    record: Record | None = json.loads(path.read_text()) if path.is_file() else None
    return record if record is not None and record.get("format") == FORMAT else None


def read_runs(folder: Path, names: Sequence[str]) -> dict[str, Record]:
    """The records of runs that were measured; with those of their unified heads, if every run has one."""
    found = {name: record for name in names if (record := read_record(folder, name)) is not None}
    unified = {name: read_record(folder, f"{name}-{UNIFIED}") for name in found}
    if not all(unified.values()):
        return found
    return {name: with_unified(record, unified[name] or {}) for name, record in found.items()}


def with_unified(record: Record, unified: Record) -> Record:
    """A record with what was measured of unified heads on the same items."""
    joined: Record = json.loads(json.dumps(record))
    for part in ("fits", "search", "unity"):
        joined[part] |= unified[part]
    for measure, by_part in unified["run"]["measures"].items():
        for name, group in by_part.items():
            joined["run"]["measures"][measure][name]["scores"] |= group["scores"]
    joined["seconds"] += unified["seconds"]
    return joined


def write_record(folder: Path, name: str, record: Record) -> None:
    """Write a record with what it was measured by, whole or not at all; floats are rounded to four digits."""
    lines = [f" {json.dumps(key)}: {json.dumps(_rounded(value))}" for key, value in (_made_by() | record).items()]
    write_whole(path_of(folder, name), "{\n" + ",\n".join(lines) + "\n}\n")


def _made_by() -> Record:
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = {"unibind": __version__, "python": platform.python_version()}
    versions |= {"numpy": np.__version__, "torch": torch.__version__}
    return {"format": FORMAT, "machine": {"cores": os.cpu_count(), "memory_gib": round(memory)}, "versions": versions}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    if isinstance(value, float | np.floating):
        return round(float(value), _DIGITS) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def to_digits(counts: Sequence[int] | NDArray[np.intp]) -> str:
    """Counts from 0 to 9, such as the right answers of each object, as one string of digits."""
    return "".join(str(int(count)) for count in counts)


def of_digits(digits: str) -> NDArray[np.float64]:
    """Inverse of `to_digits`."""
    return np.array([int(digit) for digit in digits], float)
