"""Search in a large store: recall, time and memory, beside FAISS and usearch on the same vectors; opening a larger one.

    python benchmarks/search.py --json search.json                                 # an hour on 2 cores, 20 GB of disk
    python benchmarks/search.py --rows 5000 --opened 20000 --queries 20 --classes 20    # a minute

Vectors are clustered: each is one of many directions and noise, of unit length, in float16. Queries are more of them,
or far from all of them, with more noise, as texts may be from pictures.
Every engine is measured in a process of its own, whose peak memory counts all of it; it is asked one query at a time,
by all cores, after some to warm up. Recall is of the ten nearest by exact cosine. `unibind search` is a whole process
that embeds its words by `mini`; what it takes for the same search in a store of a hundred items is set beside it.
faiss-cpu and usearch are needed for this script alone (`pip install faiss-cpu usearch`); one that is missing is left
out. Classes of a stored million are random, 50 centers each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from processes import resident_mib

K, WIDTH, BLOCK = 10, 384, 50_000
PER_CLUSTER, SPREAD = 200, 0.7  # items of a direction; length of the noise
QUERIES = {"queries": SPREAD, "far queries": 2.5}  # length of their noise
WARM = 20  # queries before the clock runs
CENTERS = 50
Figures = dict[str, Any]


# --- vectors -------------------------------------------------------------------------------------------------------


def blocks(rows: int, seed: int = 0, spread: float = SPREAD) -> Iterator[np.ndarray]:
    """Clustered vectors, a block at a time; `seed` draws others of the same clusters, `spread` is their noise."""
    clusters = max(10, rows // PER_CLUSTER)
    directions = np.random.default_rng(1).normal(size=(clusters, WIDTH)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        noise = rng.normal(size=(count, WIDTH)).astype(np.float32) * np.float32(spread / WIDTH**0.5)
        vectors = directions[rng.integers(0, clusters, count)] + noise
        yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_vectors(folder: Path, rows: int, queries: int) -> None:
    """`vectors.npy` in float16, the `QUERIES` of each kind, and the rows of the nearest to each."""
    stored = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float16, (rows, WIDTH))
    kinds = [next(blocks(rows, seed=2, spread=spread))[:queries] for spread in QUERIES.values()]
    asked = np.concatenate(kinds)
    best = np.full((len(asked), K), -np.inf, np.float32)
    rows_of_best = np.zeros((len(asked), K), np.int64)
    for number, vectors in enumerate(blocks(rows)):
        start = number * BLOCK
        stored[start : start + len(vectors)] = vectors
        exact = stored[start : start + len(vectors)].astype(np.float32)
        scores = np.hstack([best, asked @ exact.T])
        places = np.hstack([rows_of_best, np.tile(np.arange(start, start + len(vectors)), (len(asked), 1))])
        order = np.argsort(-scores, axis=1)[:, :K]
        best, rows_of_best = np.take_along_axis(scores, order, 1), np.take_along_axis(places, order, 1)
    stored.flush()
    for kind, vectors, nearest in zip(QUERIES, kinds, np.split(rows_of_best, len(QUERIES)), strict=True):
        np.savez(folder / f"{kind}.npz", vectors=vectors, nearest=nearest)


def write_store(path: Path, vectors: np.ndarray | Iterator[np.ndarray]) -> None:
    """A store of pictures with these vectors, whose backbone is `mini`."""
    from unibind import Item, Store, create_backbone

    store, contract, first = Store.create(path, precision="float16"), create_backbone("mini").contract("image"), 0
    store.note_backbone("mini", {})
    parts = (
        vectors if isinstance(vectors, Iterator) else (vectors[i : i + BLOCK] for i in range(0, len(vectors), BLOCK))
    )
    for part in parts:
        names = range(first, first + len(part))
        items = [Item(f"{i:09}", "image", uri=f"https://example.org/{i}.png", label=f"label {i % 50}") for i in names]
        store.add(items, np.asarray(part, np.float32), contract)
        first += len(part)
    store.compact()


def written(folder: Path, rows: int, queries: int) -> Figures:
    """Vectors, queries, and stores; in a process of its own, for the peak of a process counts for those it starts."""
    write_vectors(folder, rows, queries)
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    write_store(folder / "store", vectors)
    write_store(folder / "small", vectors[:100])
    return {}


# --- engines -------------------------------------------------------------------------------------------------------


def unibind_engine(folder: Path, figures: Figures) -> Callable[[np.ndarray], list[int]]:
    """The view of a store, searched and its hits read as `search` does."""
    from unibind import Store, UniBind, build_index, create_backbone
    from unibind.centering import Mean
    from unibind.retrieval.opening import open_items

    # no mean is removed, so that all engines compare the same vectors
    model = UniBind(create_backbone("mini"), means={m: Mean.nothing(WIDTH) for m in ("image", "text")})
    with timed(figures, "build, s"):
        described = build_index(folder / "store", model=model, progress=False)
    figures |= {"index": described.words, "MB on disk": described.bytes / 1e6}
    with timed(figures, "opening, s"):
        store = Store.open(folder / "store")
        items = open_items(store, model)

    def nearest(query: np.ndarray) -> list[int]:
        items = open_items(store, model)  # as every search does
        (ranking,) = items.nearest(query[None], K, modality="image")
        return [int(row.id) for row in items.rows(ranking.keys)[0]]

    assert items.version == store.version
    return nearest


def faiss_engine(recipe: str) -> Callable[[Path, Figures], Callable[[np.ndarray], list[int]]]:
    def built(folder: Path, figures: Figures) -> Callable[[np.ndarray], list[int]]:
        import faiss

        stored = np.load(folder / "vectors.npy", mmap_mode="r")
        partitions = round(len(stored) ** 0.5)
        factory = {"IVF-PQ": f"IVF{partitions},PQ{WIDTH // 8}", "HNSW": "HNSW32,Flat"}[recipe]
        index = faiss.index_factory(WIDTH, factory, faiss.METRIC_INNER_PRODUCT)
        with timed(figures, "build, s"):
            if not index.is_trained:
                sample = np.random.default_rng(0).choice(len(stored), min(len(stored), 64 * partitions), replace=False)
                index.train(stored[np.sort(sample)].astype(np.float32))
            for start in range(0, len(stored), BLOCK):
                index.add(stored[start : start + BLOCK].astype(np.float32))
        if recipe == "IVF-PQ":
            index.nprobe = max(8, partitions // 25)
        else:
            index.hnsw.efSearch = 150
        figures["index"] = factory

        def nearest(query: np.ndarray) -> list[int]:
            if recipe == "HNSW":
                return index.search(query[None], K)[1][0].tolist()
            candidates = index.search(query[None], 15 * K)[1][0]
            candidates = candidates[candidates >= 0]
            scores = stored[candidates].astype(np.float32) @ query  # from more candidates than unibind compares
            return candidates[np.argsort(-scores)[:K]].tolist()

        return nearest

    return built


def usearch_engine(folder: Path, figures: Figures) -> Callable[[np.ndarray], list[int]]:
    from usearch.index import Index

    stored = np.load(folder / "vectors.npy", mmap_mode="r")
    index = Index(ndim=WIDTH, metric="ip", dtype="f16", connectivity=16, expansion_add=128, expansion_search=150)
    with timed(figures, "build, s"):
        for start in range(0, len(stored), BLOCK):
            part = np.asarray(stored[start : start + BLOCK])
            index.add(np.arange(start, start + len(part)), part)
    figures["index"] = "HNSW, f16"
    return lambda query: index.search(query, K).keys.tolist()


ENGINES: dict[str, Callable[[Path, Figures], Callable[[np.ndarray], list[int]]]] = {
    "unibind": unibind_engine,
    "faiss IVF-PQ": faiss_engine("IVF-PQ"),
    "faiss HNSW": faiss_engine("HNSW"),
    "usearch": usearch_engine,
}


def measure_engine(name: str, folder: Path) -> Figures:
    """Build and ask one engine, in this process."""
    figures: Figures = {}
    nearest = ENGINES[name](folder, figures)
    for kind in QUERIES:
        with np.load(folder / f"{kind}.npz") as file:
            figures[kind] = asked(nearest, file["vectors"], file["nearest"])
    figures["peak, MiB"] = resident_mib(os.getpid(), "VmHWM")
    return figures


def asked(nearest: Callable[[np.ndarray], list[int]], queries: np.ndarray, expected: np.ndarray) -> Figures:
    """Recall and time of an engine that is asked for the rows nearest to each query."""
    for query in queries[:WARM]:
        nearest(query)
    seconds, found = [], 0
    for query, rows in zip(queries, expected, strict=True):
        started = time.perf_counter()
        answer = nearest(query)
        seconds.append(time.perf_counter() - started)
        found += len(set(answer) & set(rows.tolist()))
    return {
        "recall@10": found / expected.size,
        "p50, ms": 1000 * statistics.median(seconds),
        "p95, ms": 1000 * float(np.quantile(seconds, 0.95)),
    }


# --- whole processes -------------------------------------------------------------------------------------------------


def command(name: str, *arguments: str) -> Figures:
    """Seconds and peak memory of a command as a whole."""
    started = time.monotonic()
    process = subprocess.Popen([Path(sys.executable).parent / "unibind", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"unibind {' '.join(arguments)} failed")
    return {f"{name}, s": time.monotonic() - started, f"{name}, peak, MiB": usage.ru_maxrss / 1024}


def searches(folder: Path) -> Figures:
    """`unibind search` in the large store and in a small one, the second time each: the disk is warm."""
    found: Figures = {}
    for name in ("small", "store"):
        asked = ("search", "a red car", "--store", str(folder / name), "-k", str(K), "--json")
        command(name, *asked)
        found |= command(f"unibind search, {'large' if name == 'store' else name} store", *asked)
    return found


def opening(folder: Path, rows: int) -> Figures:
    """Seconds to open a store of many rows, the first time and again, without those to import LanceDB."""
    from unibind import Store

    write_store(folder / "opened", blocks(rows))
    figures: Figures = {}
    for name in ("the first time", "again"):
        script = "import sys, time, lancedb; from unibind import Store; t = time.monotonic(); Store.open(sys.argv[1]); "
        done = subprocess.run(
            [sys.executable, "-c", script + "print(time.monotonic() - t)", folder / "opened"],
            check=True,
            capture_output=True,
            text=True,
        )
        figures[f"opening {rows:,} rows {name}, s"] = float(done.stdout)
    assert len(Store.open(folder / "opened")) == rows
    return figures


def following(folder: Path, rows: int) -> Figures:
    """Seconds until one percent of new rows is found."""
    from unibind import Item, Store, UniBind, create_backbone
    from unibind.retrieval.opening import open_items

    store, model, new = Store.open(folder / "store"), UniBind(create_backbone("mini")), max(1, rows // 100)
    vectors = next(blocks(rows, seed=3))[:new]
    items = [Item(f"new-{i}", "image", uri=f"https://example.org/new/{i}.png") for i in range(len(vectors))]
    store.add(items, vectors, create_backbone("mini").contract("image"))
    figures: Figures = {}
    with timed(figures, f"following {len(vectors):,} new rows, s"):
        open_items(store, model)
    return figures


def classifying(folder: Path, classes: int) -> Figures:
    """Items per second of a store against random classes, and of a loop over its items; peak memory of both."""
    from unibind import Store, UniBind, create_backbone
    from unibind.align.centers import Centers, Scoring

    rng, backbone = np.random.default_rng(0), create_backbone("mini")
    vectors = rng.normal(size=(classes * CENTERS, WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = tuple(f"class {i}" for i in range(classes))
    ids, text = tuple(map(str, range(len(vectors)))), backbone.contract("text")
    figures: Figures = {}
    for scoring in (Scoring("mean"), Scoring("max")):
        centers = Centers(vectors, (CENTERS,) * classes, names, ids, "random", scoring, text)
        model = UniBind(backbone, centers={"image": centers})
        store, seen = Store.open(folder / "store"), 0
        started = time.monotonic()
        for table in model.classify_store(store):
            seen += len(table)
        figures[f"classifying by {scoring}, items/s"] = seen / (time.monotonic() - started)
        sample = next(store.vector_batches("image"))[:200]
        started = time.monotonic()
        for vector in sample:
            model.classify_vectors(vector[None], ["image"], [""], top=1)
        figures[f"a loop by {scoring}, items/s"] = len(sample) / (time.monotonic() - started)
    figures["classifying, peak, MiB"] = resident_mib(os.getpid(), "VmHWM")
    return figures


# --- running ---------------------------------------------------------------------------------------------------------


@contextmanager
def timed(figures: Figures, name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    figures[name] = time.monotonic() - started


def in_a_process(part: str, *arguments: str) -> Figures | None:
    """What a part of this script prints in a process of its own; None where a package is missing."""
    done = subprocess.run(
        [sys.executable, __file__, "--part", part, *arguments], capture_output=True, text=True, check=False
    )
    if "ModuleNotFoundError" in done.stderr:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


PARTS: dict[str, Callable[..., Figures]] = {
    "written": lambda folder, rows, queries: written(Path(folder), int(rows), int(queries)),
    "engine": lambda folder, name: measure_engine(name, Path(folder)),
    "following": lambda folder, rows: following(Path(folder), int(rows)),
    "classifying": lambda folder, classes: classifying(Path(folder), int(classes)),
    "opening": lambda folder, rows: opening(Path(folder), int(rows)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--opened", type=int, default=10_000_000, help="rows of a store that is only opened; 0: none")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--classes", type=int, default=1000, help="with 50 centers each; 0: none")
    parser.add_argument("--folder", type=Path, help="where to write, instead of the folder for temporary files")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part is not None:
        print(json.dumps(PARTS[options.part](*options.arguments)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        figures = measured(Path(name), options)
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def measured(folder: Path, options: argparse.Namespace) -> Figures:
    """All figures; they are printed as they come."""
    machine = {"cores": os.cpu_count(), "GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)}
    figures: Figures = {"machine": machine, "rows": options.rows, "width": WIDTH, "queries": options.queries}
    in_a_process("written", str(folder), str(options.rows), str(options.queries))
    figures["engines"] = {}
    for engine in ENGINES:
        found = in_a_process("engine", str(folder), engine)
        if found is not None:
            figures["engines"][engine] = found
        print(f"{engine:15s}", json.dumps(found))
    others = [
        command("unibind index build", "index", "build", str(folder / "store")),
        searches(folder),
        in_a_process("following", str(folder), str(options.rows)),
    ]
    if options.classes:
        others.append(in_a_process("classifying", str(folder), str(options.classes)))
    if options.opened:
        others.append(in_a_process("opening", str(folder), str(options.opened)))
    for found in filter(None, others):
        figures |= found
        for name, value in found.items():
            print(f"{name:45s} {value:14,.3f}")
    return figures


if __name__ == "__main__":
    main()
