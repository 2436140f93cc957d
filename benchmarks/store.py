"""What a store costs: one new row beside many, many small commits, opening and checking.

    python benchmarks/store.py --rows 1000000 --commits 4000

Vectors are random. The bytes written are those of files that are new or changed afterwards.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from processes import resident_mib

from unibind.backbones import Contract
from unibind.data.manifest import Item
from unibind.data.store import Store
from unibind.data.store_check import check_store

WIDTH, BLOCK, SMALL = 384, 50_000, 16
CONTRACT = Contract("random@0", "random", "image", "0" * 12)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--commits", type=int, default=4_000, help=f"of {SMALL} rows each, in a store of their own")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        large_store(Path(folder) / "large", arguments.rows, figures)
        small_commits(Path(folder) / "small", arguments.commits, figures)
    for name, value in figures.items():
        print(f"{name:45s} {value:12,.2f}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1))


def large_store(path: Path, rows: int, figures: dict[str, float]) -> None:
    store = Store.create(path, precision="float16")
    for start in range(0, rows, BLOCK):
        add(store, start, min(BLOCK, rows - start))
    store.compact()
    before = sizes(path)
    with timed(figures, "opening it, s"):
        opened = Store.open(path)
    with timed(figures, "one new row, s"):
        add(opened, rows, 1)
        opened.compact()
    after = sizes(path)
    figures["one new row, MB written"] = sum(s[0] for file, s in after.items() if before.get(file) != s) / 1e6
    figures["MB of the store"] = sum(size for size, _ in after.values()) / 1e6
    with timed(figures, "checking it, s"):
        check_store(opened)
    figures["peak of this process, MiB"] = resident_mib(os.getpid(), "VmHWM")


def small_commits(path: Path, commits: int, figures: dict[str, float]) -> None:
    store = Store.create(path)
    with timed(figures, "small commits, s"):
        for commit in range(commits):
            add(store, commit * SMALL, SMALL)
    found = sizes(path)
    figures["small commits, files"] = len(found)
    figures["small commits, MB"] = sum(size for size, _ in found.values()) / 1e6
    figures["small commits, MB of vectors"] = commits * SMALL * WIDTH * 4 / 1e6


def add(store: Store, first: int, count: int) -> None:
    vectors = np.random.default_rng(first).normal(size=(count, WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = [Item(f"{i:09}", "image", uri=f"https://example.org/{i}") for i in range(first, first + count)]
    store.add(items, vectors, CONTRACT)


def sizes(path: Path) -> dict[Path, tuple[int, int]]:
    """File -> (bytes, modification time)."""
    return {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in path.rglob("*") if file.is_file()}


@contextmanager
def timed(figures: dict[str, float], name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    figures[name] = time.monotonic() - started


if __name__ == "__main__":
    main()
