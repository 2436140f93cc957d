"""How fast every backbone is on this machine's device: its towers, encode with workers, fit and search.

    python benchmarks/gpu.py                       # the best device; ends within some six minutes on a large GPU
    python benchmarks/gpu.py --quick --device cpu  # does the script work? small towers, few files
    python benchmarks/gpu.py --only towers compiled --backbones imagebind --batches 64 --compile all

For each tower, batch size and precision: items a second from the CPU's memory to vectors there, as the backbone runs
it; the same on the device alone, without copies; and the share that this is of the rate of a bare bfloat16 product, by
the tower's own floating-point operations. Inputs are preprocessed: files are read in `encode`. Figures are medians of
repeats after two calls to warm up, with the device synchronized. What fails or does not fit in the time is named in its
row.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from full_size import Subject, subjects
from generated_files import write_pictures, write_recordings
from timing import median_seconds, operations, product_rate

import unibind
from unibind.backbones import create_backbone
from unibind.backbones._shared.compiling import at_least_two
from unibind.backbones._shared.device import resolve_device
from unibind.backbones._shared.towers import FrozenTowers

PARTS = ("encode", "towers", "compiled")
SLOW_S = 3.0  # a batch that would take longer is left out

Row = dict[str, Any]


class Clock:
    """The time that is left; rows that do not fit are named."""

    def __init__(self, minutes: float) -> None:
        self.end = time.monotonic() + 60 * minutes

    def check(self) -> None:
        """Raise TimeoutError when the time is over."""
        if time.monotonic() > self.end:
            raise TimeoutError("not measured: the time was over (--minutes)")


# --- towers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Towers:
    """Measures towers on one device, compared with `rate`, the operations per second of a bare product."""

    device: str
    rate: float
    clock: Clock
    operations: dict[tuple[str, str], int] = field(default_factory=dict)  # of one item, by backbone and tower

    def rows(self, subject: Subject, precision: str, batches: Sequence[int], *, compile: bool = False) -> Iterator[Row]:
        """One row per batch size."""
        tower, problem = attempt(lambda: self.load(subject, precision))
        towers = FrozenTowers(lambda _: tower, self.device, compile=compile)
        before: tuple[int, float] | None = None  # items and seconds of the last batch
        for count in batches:
            row: Row = {"backbone": subject.backbone, "tower": subject.tower, "precision": precision}
            row |= {"compiled": compile, "batch": count, "problem": problem}
            if problem is None:
                found, row["problem"] = attempt(lambda n=count, b=before: self.speed(subject, towers, n, b))
                if found is not None:
                    row |= found
                    before = count, found["seconds"]
            yield row
        if compile:
            torch._dynamo.reset()
        if torch.device(self.device).type == "cuda":
            torch.cuda.empty_cache()

    def load(self, subject: Subject, precision: str) -> torch.nn.Module:
        """The tower; its operations are counted in float32, because layers that are packed for a CPU cannot be."""
        self.clock.check()
        tower = subject.load(precision, self.device)
        key = subject.backbone, subject.tower
        if precision == "float32" and key not in self.operations:
            count, _ = attempt(lambda: operations(tower, subject.item))
            if count is not None:
                self.operations[key] = count
        return tower

    def speed(self, subject: Subject, towers: FrozenTowers, count: int, before: tuple[int, float] | None) -> Row:
        """Figures of one batch size; raises TimeoutError where the last one tells that it would take too long."""
        self.clock.check()
        if before is not None and before[1] * count / before[0] > SLOW_S:
            raise TimeoutError(f"left out: a batch would take {before[1] * count / before[0]:.1f} s")
        batch = subject.batch(count)
        chunk = None if subject.chunk is None else subject.chunk(self.device)
        started = time.perf_counter()
        towers.embed("tower", batch, chunk=chunk)  # compiles, where that is asked
        first = time.perf_counter() - started
        whole = median_seconds(lambda: towers.embed("tower", batch, chunk=chunk), self.device)
        parts = [at_least_two(part) if towers._compile else part for part in batch.split(chunk or count)]
        with towers.running("tower") as tower:
            there = [towers._on_device(part) for part in parts]
            alone = median_seconds(lambda: [tower(part) for part in there], self.device)
        flop = self.operations.get((subject.backbone, subject.tower))
        return {
            "items_per_s": count / whole,
            "items_per_s_on_device": count / alone,
            "seconds": whole,
            "first_call_s": first,
            "flop_per_item": flop,
            "share_of_product": None if flop is None else flop * count / alone / self.rate,
        }


def attempt(work: Callable[[], Any]) -> tuple[Any, str | None]:
    """What the work returns, or why it failed."""
    try:
        return work(), None
    except Exception as error:  # any row may fail in any way, and none may end the run
        text = " ".join(str(error).split())[:200]
        return None, text if isinstance(error, TimeoutError) else f"{type(error).__name__}: {text}"


# --- files -----------------------------------------------------------------------------------------------------------


def file_rows(
    pictures: int, recordings: int, workers: Sequence[int], device: str, clock: Clock, folder: Path
) -> Iterator[Row]:
    """Encode generated files with some numbers of workers, then fit on the last store and search it."""
    write_pictures(folder / "pictures", pictures)
    write_recordings(folder / "recordings", recordings)
    for name, files in (("photo", "pictures"), ("mini", "pictures"), ("mini", "recordings")):
        backbone, problem = attempt(lambda n=name: create_backbone(n, precision="auto", device=device))
        for count in workers:
            row: Row = {"what": "encode", "backbone": name, "files": files, "workers": count, "problem": problem}
            if problem is None:
                store = folder / f"{name}-{files}-{count}"
                found, row["problem"] = attempt(
                    lambda b=backbone, f=files, s=store, c=count: encode(b, folder / f, s, c, clock)
                )
                row |= found or {}
            yield row
        if problem is None:
            yield from store_rows(backbone, folder / f"{name}-{files}-{workers[-1]}", name, files, clock)


def encode(backbone: unibind.Backbone, files: Path, store: Path, workers: int, clock: Clock) -> Row:
    clock.check()
    started = time.perf_counter()
    done = unibind.encode(files, store, backbone=backbone, workers=workers, progress=False)
    seconds = time.perf_counter() - started
    return {"items": done.encoded, "seconds": seconds, "items_per_s": done.encoded / seconds}


def store_rows(backbone: unibind.Backbone, store: Path, name: str, files: str, clock: Clock) -> Iterator[Row]:
    """Fit heads on a store, and search it by a text, with an open backbone."""

    def fit() -> Row:
        clock.check()
        started = time.perf_counter()
        unibind.fit(store, backbone=backbone, progress=False)
        return {"seconds": time.perf_counter() - started}

    def search() -> Row:
        clock.check()
        model = unibind.UniBind(backbone)
        return {"seconds": median_seconds(lambda: unibind.search("a red picture", store, model=model), "cpu")}

    for what, work in (("fit", fit), ("search", search)):
        found, problem = attempt(work)
        yield {"what": what, "backbone": name, "files": files, "problem": problem} | (found or {})


# --- output ----------------------------------------------------------------------------------------------------------


def print_tower(row: Row) -> None:
    mode = row["precision"] + (", compiled" if row["compiled"] else "")
    line = f"{row['backbone']:13} {row['tower']:20} {mode:18} {row['batch']:5}"
    if row["problem"] is not None:
        print(f"{line}  {row['problem']}", flush=True)
        return
    share = "-" if row["share_of_product"] is None else f"{row['share_of_product']:.3f}"
    print(f"{line} {row['items_per_s']:11.1f} {row['items_per_s_on_device']:11.1f} {share:>9}", flush=True)


def print_file_row(row: Row) -> None:
    line = f"{row['what']:8} {row['backbone']:8} {row['files']:12} {row.get('workers', ''):>7}"
    if row["problem"] is not None:
        print(f"{line}  {row['problem']}", flush=True)
        return
    rate = f"{row['items_per_s']:11.1f} items/s" if "items_per_s" in row else ""
    print(f"{line} {row['seconds']:9.3f} s {rate}", flush=True)


def machine(device: str) -> str:
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device}, {torch.get_num_threads()} CPU threads"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="default: the best there is")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--backbones", nargs="+", metavar="NAME", help="only their towers")
    parser.add_argument("--batches", nargs="+", type=int)
    parser.add_argument("--compile", choices=("usual", "all"), default="usual", help="which towers to compile")
    parser.add_argument("--minutes", type=float, default=5.5, help="no row is begun after them")
    parser.add_argument("--quick", action="store_true", help="towers of one layer, few files: does the script work?")
    parser.add_argument("--json", type=Path, metavar="FILE", default=Path("gpu.json"))
    return parser.parse_args()


def main() -> None:
    given = parse()
    device, clock = resolve_device(given.device), Clock(given.minutes)
    size = 512 if given.quick else 4096 if torch.device(device).type == "cpu" else 8192
    rate = product_rate(size, device)
    found: Row = {
        "machine": machine(device),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "unibind": unibind.__version__,
        "product_tflops": rate / 1e12,
        "files": [],
        "towers": [],
    }
    print(f"{found['machine']}, torch {torch.__version__}; a bare bfloat16 product: {rate / 1e12:.2f} TFLOP/s")
    try:
        if "encode" in given.only:  # first: these are few
            measure_files(found["files"], device, clock, quick=given.quick)
        measure_towers(found["towers"], Towers(device, rate, clock), given)
    finally:
        given.json.write_text(json.dumps(found, indent=1))
        print(f"written to {given.json}")


def measure_files(rows: list[Row], device: str, clock: Clock, *, quick: bool) -> None:
    """Encode, fit and search; rows are printed and appended."""
    print(f"\n{'':8} {'backbone':8} {'files':12} {'workers':>7}")
    cores = os.cpu_count() or 1
    workers = sorted({1, min(4, cores), max(1, cores - 2)})
    pictures, recordings = (24, 12) if quick else (2000, 1000)
    with tempfile.TemporaryDirectory() as folder:
        for row in file_rows(pictures, recordings, workers, device, clock, Path(folder)):
            rows.append(row)
            print_file_row(row)


def measure_towers(rows: list[Row], towers: Towers, given: argparse.Namespace) -> None:
    """All towers in their precisions, then the compiled ones; rows are printed and appended."""
    batches = given.batches or ((1, 4) if given.quick else (1, 16, 64, 256))
    titles = ("items/s", "on device", "of matmul")
    print(
        f"\n{'backbone':13} {'tower':20} {'precision':18} {'batch':>5} {titles[0]:>11} {titles[1]:>11} {titles[2]:>9}"
    )
    listed: list[Subject] = []
    for backbone, subjects_of in subjects(1 if given.quick else None):
        if given.backbones is None or backbone in given.backbones:
            chosen, problem = attempt(subjects_of)
            listed += chosen or []
            if problem is not None:
                rows.append({"backbone": backbone, "problem": problem})
                print(f"{backbone:13} {problem}")
    on_cpu = torch.device(towers.device).type == "cpu"  # whose packed layers cannot be compiled
    streams: list[Iterator[Row]] = []
    if "towers" in given.only:
        streams += [towers.rows(s, precision, batches) for s in listed for precision in s.precisions]
    if "compiled" in given.only:
        chosen = [s for s in listed if given.compile == "all" or s.usual]
        streams += [towers.rows(s, s.precisions[0 if on_cpu else -1], batches, compile=True) for s in chosen]
    for row in (row for stream in streams for row in stream):
        rows.append(row)
        print_tower(row)


if __name__ == "__main__":
    main()
