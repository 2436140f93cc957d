"""Reads files in a process of its own, which may hang, crash or grow without harm to the tests."""

from __future__ import annotations

import json
import os
import queue
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEADLINE_S = 60.0  # per file; the slowest take a second, and a busy machine some more
MAX_MB = 1024.0
_ADDRESS_SPACE = 8 << 30
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """What became of one file: verdict "read", "refused", "raised", "crashed" or "hung"; and at what cost.

    `peak_mb` is the memory beyond what the process had before.
    """

    name: str
    verdict: str
    detail: str
    seconds: float
    peak_mb: float

    @property
    def fault(self) -> str | None:
        """What is wrong, if anything."""
        if self.verdict not in ("read", "refused"):
            return f"{self.name} {self.verdict}: {self.detail[-1500:]}"
        if self.peak_mb > MAX_MB:
            return f"{self.name} ({self.verdict}) took {self.peak_mb:,.0f} MB: {self.detail[:200]}"
        if self.verdict == "refused" and ("\n" in self.detail or len(self.detail) > 900):
            return f"{self.name} is not refused in one sentence: {self.detail[:900]}"
        return None


class Reader:
    """Reads files one after the other; starts its process again after a hang or a crash."""

    def __init__(self, deadline_s: float = DEADLINE_S, extra_path: Path = _ROOT) -> None:
        self.deadline_s, self._extra_path = deadline_s, extra_path
        self._process: subprocess.Popen[str] | None = None
        self._reports: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed in __exit__

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._errors.close()

    def outcome(self, path: Path, modality: str) -> Outcome:
        """What becomes of one file."""
        process = self._process or self._start()
        assert process.stdin is not None
        process.stdin.write(json.dumps([str(path), modality]) + "\n")
        process.stdin.flush()
        try:
            report = self._reports.get(timeout=self.deadline_s)
        except queue.Empty:
            self._stop()
            return Outcome(path.name, "hung", f"no answer after {self.deadline_s:.0f} s", self.deadline_s, 0.0)
        if report is None:
            code = process.wait()
            self._stop()
            self._errors.seek(0)
            words = self._errors.read().decode("utf-8", "replace")[-800:]
            return Outcome(path.name, "crashed", f"exit code {code}: {words}", 0.0, 0.0)
        return Outcome(path.name, **report)

    def _start(self) -> subprocess.Popen[str]:
        self._errors.seek(0)
        self._errors.truncate()
        self._reports = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": f"{_ROOT / 'src'}{os.pathsep}{self._extra_path}", "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE)),
        )
        threading.Thread(target=_listen, args=(self._process, self._reports), daemon=True).start()
        return self._process

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None


def _listen(process: subprocess.Popen[str], reports: queue.Queue[dict[str, Any] | None]) -> None:
    """Pass on what the process reports, and None at its end."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("\x1e"):
            reports.put(json.loads(line[1:]))
    reports.put(None)


def faults(mutants: Iterable[tuple[str, str, bytes]], folder: Path, deadline_s: float = DEADLINE_S) -> list[str]:
    """What is wrong with the reading of mutants (file name, modality, bytes), a sentence for each that fails."""
    found = []
    with Reader(deadline_s) as reader:
        for name, modality, data in mutants:
            path = folder / name
            path.write_bytes(data)
            fault = reader.outcome(path, modality).fault
            if fault is None:
                path.unlink()  # those that fail stay, to be looked at
            else:
                found.append(fault)
    return found
