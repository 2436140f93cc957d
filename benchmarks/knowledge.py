"""Descriptions a second, end to end, and memory over many of them, against a server that answers at once.

    python benchmarks/knowledge.py --json knowledge.json                   # 10,000, every default of the command
    python benchmarks/knowledge.py --precision auto
    python benchmarks/knowledge.py --descriptions 50000 --near 0           # nothing is embedded

`unibind knowledge generate` runs as a command of its own; the stand-in server is a process on the same machine. The
descriptions are unlike; what is measured covers asking, journal, filters and the rebuilt table.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import resident_mib

sys.path.insert(0, str(Path(__file__).parent.parent))

COMMAND = Path(sys.executable).parent / "unibind"
PER_CLASS = 1000


def serve(address: multiprocessing.SimpleQueue) -> None:
    from tests.helpers.llm_server import LLMServer

    with LLMServer() as server:
        address.put(server.base_url)
        while True:
            time.sleep(1)
            server.requests.clear(), server.delivered.clear(), server.keys.clear(), server.times.clear()


def watch(arguments: list[str], journal: Path) -> tuple[float, list[tuple[int, float]]]:
    """Seconds that the command took, and (answers on disk, MiB resident) a few times a second."""
    started, seen = time.perf_counter(), []
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        answers = journal.stat().st_size if journal.exists() else 0
        seen.append((answers, resident_mib(process.pid)))
        time.sleep(0.25)
    if process.returncode:
        raise SystemExit(f"the command ended with {process.returncode}")
    return time.perf_counter() - started, seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--descriptions", type=int, default=10_000)
    parser.add_argument("--near", type=float, help="0: no near duplicates are looked for; default: the command's own")
    parser.add_argument("--precision", help="of mini, which embeds what is compared")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    address: multiprocessing.SimpleQueue = multiprocessing.SimpleQueue()
    server = multiprocessing.Process(target=serve, args=(address,), daemon=True)
    server.start()
    per_class = min(PER_CLASS, given.descriptions)
    classes = ",".join(f"class {i}" for i in range(given.descriptions // per_class))
    with tempfile.TemporaryDirectory() as folder:
        arguments = [COMMAND, "knowledge", "generate", classes, "--out", folder, "--base-url", address.get()]
        arguments += ["--model", "m", "--per-class", per_class, "--concurrency", given.concurrency]
        for option in ("near", "precision"):
            if getattr(given, option) is not None:
                arguments += [f"--{option}", getattr(given, option)]
        seconds, seen = watch([str(a) for a in arguments], Path(folder) / "answers.jsonl")
        total, asked = seen[-1][0], given.descriptions
        at = {share: max(mib for size, mib in seen if size <= share * total) for share in (0.2, 0.5, 1.0)}
        from pyarrow import parquet

        rows = parquet.ParquetFile(Path(folder) / "descriptions.parquet").metadata.num_rows
    server.terminate()
    print(f"{rows} descriptions in {seconds:.1f} s: {rows / seconds:.0f} a second ({os.cpu_count()} cores)")
    print("peak MiB by then: " + ", ".join(f"{share:.0%} {mib:.0f}" for share, mib in at.items()))
    if given.json:
        figures = {"asked": asked, "descriptions": rows, "seconds": seconds, "rate": rows / seconds, "mib": at}
        given.json.write_text(json.dumps(figures | {"near": given.near, "precision": given.precision}))


if __name__ == "__main__":
    main()
