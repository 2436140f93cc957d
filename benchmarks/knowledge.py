"""Descriptions per second, end to end, and memory, against a server that answers immediately.

    python benchmarks/knowledge.py --json knowledge.json                   # 10,000 descriptions, all defaults
    python benchmarks/knowledge.py --precision auto
    python benchmarks/knowledge.py --descriptions 50000 --max-similarity 0  # nothing is embedded

`unibind knowledge generate` runs as a separate process against a local test server. The descriptions are distinct; the
measurement covers requests, journal, filters and the rebuilt table.
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
    """Seconds that the command took, and samples of (bytes of answers on disk, MiB resident)."""
    started, samples = time.perf_counter(), []
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        answers = journal.stat().st_size if journal.exists() else 0
        samples.append((answers, resident_mib(process.pid)))
        time.sleep(0.25)
    if process.returncode:
        raise SystemExit(f"the command exited with {process.returncode}")
    return time.perf_counter() - started, samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--descriptions", type=int, default=10_000)
    parser.add_argument("--max-similarity", type=float, help="0: keep near duplicates. Default: the command's.")
    parser.add_argument("--precision", help="of mini, which embeds the texts for comparison")
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
        for option in ("max_similarity", "precision"):
            if getattr(given, option) is not None:
                arguments += [f"--{option.replace('_', '-')}", getattr(given, option)]
        seconds, samples = watch([str(a) for a in arguments], Path(folder) / "answers.jsonl")
        total, asked = samples[-1][0], given.descriptions
        at = {share: max(mib for size, mib in samples if size <= share * total) for share in (0.2, 0.5, 1.0)}
        from pyarrow import parquet

        rows = parquet.ParquetFile(Path(folder) / "descriptions.parquet").metadata.num_rows
    server.terminate()
    print(f"{rows} descriptions in {seconds:.1f} s: {rows / seconds:.0f} per second ({os.cpu_count()} cores)")
    print("peak MiB after this part of the run: " + ", ".join(f"{share:.0%} {mib:.0f}" for share, mib in at.items()))
    if given.json:
        figures = {"asked": asked, "descriptions": rows, "seconds": seconds, "rate": rows / seconds, "mib": at}
        given.json.write_text(
            json.dumps(figures | {"max_similarity": given.max_similarity, "precision": given.precision})
        )


if __name__ == "__main__":
    main()
