"""Embedding a knowledge base: descriptions per second, memory, and the cost of a second run.

    python benchmarks/embedding.py                                     # 24 classes x 1,000 descriptions, mini
    python benchmarks/embedding.py --classes 1000 --cached-share 0.99  # a large base of which little is new

The baseline embeds one description at a time in their order; the command sorts them by length and embeds batches. The
texts are sentences of the packaged base with a number appended, so that all are distinct.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from processes import resident_mib

from unibind.backbones import create_backbone
from unibind.data.encode import embed
from unibind.knowledge import KnowledgeBase
from unibind.knowledge.building import rebuild
from unibind.knowledge.embedding import CachedEmbedder, iterate_texts
from unibind.knowledge.embedding_cache import FOLDER
from unibind.knowledge.filters import FilterRules
from unibind.knowledge.journal import Answer, Journal
from unibind.modalities.text import Text

COMMAND = Path(sys.executable).parent / "unibind"
BASELINE_TEXTS = 200


def make_base(path: Path, classes: int, per_class: int) -> None:
    """A base of distinct texts about as long as the packaged ones."""
    sentences = [d.text for d in KnowledgeBase.load("heptad").descriptions]
    with Journal(path) as journal:
        for c in range(classes):
            texts = [
                f"{sentences[(c * per_class + i) % len(sentences)].rstrip('.')}, number {c} {i}."
                for i in range(per_class)
            ]
            columns = (f"class {c}", None, "image", "looks", "benchmark", "benchmark")
            journal.append_answer(Answer(str(c), "category", *columns, texts, "", trusted=True))
        rebuild(journal, FilterRules(max_similarity=None))


def run_command(base: Path, precision: str) -> tuple[dict, float]:
    """The command's JSON output, and its peak resident MiB."""
    command = [COMMAND, "knowledge", "embed", base, "--json", "--precision", precision]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, resident_mib(process.pid, "VmHWM"))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"the command exited with {process.returncode}")
    return json.loads(process.stdout.read()), peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=24)
    parser.add_argument("--per-class", type=int, default=1000)
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument(
        "--cached-share", type=float, default=0.0, help="Fraction of the texts to cache in advance, as zeros."
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    backbone = create_backbone("mini", precision=given.precision)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "kb"
        make_base(base, given.classes, given.per_class)
        sample = [text for text, _ in zip(iterate_texts(base), range(BASELINE_TEXTS), strict=False)]
        embed([Text(sample[0])], backbone)
        started = time.perf_counter()
        for text in sample:
            embed([Text(text)], backbone)
        one_by_one = len(sample) / (time.perf_counter() - started)
        cached = int(given.cached_share * given.classes * given.per_class)
        cache = CachedEmbedder(Path(base) / FOLDER, backbone).cache
        waiting: list[str] = []
        for number, text in zip(range(cached), iterate_texts(base), strict=False):
            waiting.append(text)
            if len(waiting) == 8192 or number == cached - 1:
                cache.add(waiting, np.zeros((len(waiting), backbone.dim), np.float32))
                waiting = []
        first, peak = run_command(base, given.precision)
        again, _ = run_command(base, given.precision)
    rate = first["embedded"] / first["seconds"]
    figures = {
        "descriptions": first["descriptions"],
        "embedded": first["embedded"],
        "seconds": first["seconds"],
        "per_second": round(rate, 1),
        "x_one_by_one": round(rate / one_by_one, 2),
        "peak_mib": round(peak),
        "again": {"embedded": again["embedded"], "seconds": again["seconds"]},
    }
    print(json.dumps(figures, indent=1))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
