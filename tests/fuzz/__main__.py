"""Reads many mutants: `python -m tests.fuzz --mutants 500 --seed 7`; exits with 1 and keeps those that fail."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from .attacks import ATTACKS, LARGEST
from .corpus import mutants
from .running import Reader


def _files(corpus: str, count: int, only: str) -> Iterator[tuple[str, str, bytes]]:
    """Crafted files, those as large as the limits allow, and mutants."""
    for name, (modality, make) in {**ATTACKS, **LARGEST}.items():
        if only in name:
            yield name, modality, make()
    yield from mutants(corpus, count, only)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=100, help="mutants of every seed file")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="a new one by default; printed")
    parser.add_argument("--only", default="", help="part of the names of the seed files")
    parser.add_argument("--folder", type=Path, default=Path("runs/fuzz"), help="where mutants that fail are kept")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.mutants} mutants of every file", flush=True)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    counts = {"read": 0, "refused": 0}
    failed, slowest, largest = 0, 0.0, 0.0
    with Reader() as reader:
        for name, modality, data in _files(arguments.seed, arguments.mutants, arguments.only):
            path = arguments.folder / name
            path.write_bytes(data)
            outcome = reader.outcome(path, modality)
            counts[outcome.verdict] = counts.get(outcome.verdict, 0) + 1
            if outcome.seconds > slowest or outcome.peak_mb > largest:
                slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.peak_mb)
                print(f"{name}: {outcome.seconds:.1f} s, {outcome.peak_mb:,.0f} MB", flush=True)
            if outcome.fault is None:
                path.unlink()
            else:
                failed += 1
                print(f"FAILED {outcome.fault}", flush=True)
    print(f"{counts}, slowest {slowest:.1f} s, largest {largest:,.0f} MB, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)


main()
