"""The process that reads the files: told their paths on standard input, it reports on each on standard output."""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path

import numpy as np

from unibind.errors import UnibindError
from unibind.modalities.reading import read

_SIDE = 96  # pixels of the picture that is drawn of what was read


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    """Largest resident size since the last reset; where Linux's counter is missing, since the start."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _use(path: str, modality: str) -> str:
    """Read, summarize, draw and prepare one file; the numbers of what was read, as text."""
    from unibind.modalities.pictures import picture

    raw = read(Path(path), modality)
    summary = json.dumps(raw.summary(), sort_keys=True)
    assert "NaN" not in summary and "Infinity" not in summary, summary
    pixels = np.asarray(picture(raw, _SIDE))
    assert pixels.size <= 16 * _SIDE * _SIDE * 3, pixels.shape
    for value in vars(raw).values():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            assert all(np.isfinite(block).all() for block in np.array_split(value.reshape(-1), 64)), "not finite"
    return summary


def main() -> None:
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        path, modality = json.loads(line)
        _reset_peak()
        before = _peak_mb()  # libraries that earlier files have loaded
        start = time.perf_counter()
        try:
            verdict, detail = "read", _use(path, modality)
        except UnibindError as error:
            verdict, detail = "refused", str(error)
        except BaseException:
            verdict, detail = "raised", traceback.format_exc()
        seconds = time.perf_counter() - start
        report = {"verdict": verdict, "detail": detail, "seconds": seconds, "peak_mb": _peak_mb() - before}
        print("\x1e" + json.dumps(report), flush=True)


main()
