"""Slow and failing workers, simulated: how long a run of many blocks takes, and what of it is done twice.

    python benchmarks/scale_simulation.py --json benchmarks/results/scale-simulation.json

A run has `items` in blocks; each of `workers` takes the next block when it is done with one. Some workers are slow all
the time, every block takes a random time around what it should, and workers fail: the block is lost and done again by
another, and a new worker starts after a while and loads its model. `even` gives each worker the same number of blocks
at the start instead, as a script that splits a manifest does; a worker that fails then does its lost block again
itself. One driver commits fragments, several at once where they wait, and is killed now and then: what was not
committed is done again, after a restart in which the workers stop. All times are those of a simulated clock.
"""

import argparse
import heapq
import json
import os
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

HOUR = 3600.0


@dataclass(frozen=True)
class Run:
    """One simulated run. Times are in seconds.

    `rate` is of a worker that is not slow, in items per second. `jitter` is the spread of the time of a block (sigma of
    a lognormal). `slow` is the share of slow workers, which take `slowness` times as long. A worker fails every
    `failing_h` hours of its time on average, and is there again after `restart_s`. A commit takes `commit_s`, and
    `commit_fragment_s` for each fragment. The driver is killed every `killed_h` hours, and back after `back_s`.
    """

    items: int = 1_000_000_000
    workers: int = 1000
    block: int = 4096
    rate: float = 115.0
    jitter: float = 0.3
    slow: float = 0.05
    slowness: float = 4.0
    failing_h: float = 24.0
    restart_s: float = 60.0
    commit_s: float = 0.005
    commit_fragment_s: float = 0.028
    killed_h: float = 0.0
    back_s: float = 600.0
    even: bool = False
    seed: int = 0


VARIANTS: dict[str, dict[str, Any]] = {
    "nothing goes wrong": {"jitter": 0.0, "slow": 0.0, "failing_h": 0.0},
    "5 % of workers 4 x slower": {"failing_h": 0.0},
    "... split evenly at the start": {"failing_h": 0.0, "even": True},
    "and each worker fails once a day": {},
    "... split evenly at the start ": {"even": True},
    "each worker fails once an hour": {"failing_h": 1.0},
    "blocks of 65,536": {"block": 65_536},
    "blocks of 1,000,000": {"block": 1_000_000},
    "blocks of 1,024": {"block": 1024},
    "the driver is killed every 2 hours": {"killed_h": 2.0},
    "10 x faster workers, as with GPUs": {"rate": 1150.0},
    "100 x faster workers": {"rate": 11_500.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=Run.items)
    parser.add_argument("--workers", type=int, default=Run.workers)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    base = Run(items=arguments.items, workers=arguments.workers)
    rows = []
    for name, changes in VARIANTS.items():
        run = replace(base, **changes)
        rows.append({"run": name.strip(), **simulated(run), "parameters": asdict(run)})
        print(
            "  ".join(f"{value:>12,.3g}" if isinstance(value, float) else f"{value!s:34}" for value in cells(rows[-1]))
        )
    if arguments.json is not None:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        machine = {"cores": os.cpu_count(), "memory_gib": round(memory / (1 << 30))}
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


def cells(row: dict[str, Any]) -> Iterator[Any]:
    return (value for name, value in row.items() if name != "parameters")


def simulated(run: Run) -> dict[str, float]:
    """Hours, and how they compare with those of workers that are all as they should be.

    `x ideal`: the ideal has the same speed altogether, slow workers included, without gaps. `twice`: the share of the
    work that was done again. `last 1 %`: the share of the time that the last hundredth of the items took.
    `driver`: the share of the time in which it commits.
    """
    cluster = _Cluster(run)
    cluster.go()
    speed = sum(run.rate / slowness for slowness in cluster.slowness)
    ideal = run.items / speed
    return {
        "hours": cluster.now / HOUR,
        "x ideal": cluster.now / ideal,
        "twice": cluster.lost_blocks / cluster.blocks,
        "last 1 %": 1 - cluster.nearly / cluster.now,
        "driver": cluster.committing_s / cluster.now,
        "fragments at once": cluster.blocks / max(1, cluster.commits),
    }


class _Cluster:
    """Workers and a driver, and a queue of what happens to them next."""

    def __init__(self, run: Run) -> None:
        self.run, self.random = run, random.Random(run.seed)
        self.blocks = -(-run.items // run.block)
        slow = round(run.slow * run.workers)
        self.slowness = [run.slowness] * slow + [1.0] * (run.workers - slow)
        self.now = self.nearly = self.committing_s = 0.0
        self.committed = self.lost_blocks = self.commits = 0
        self.todo = self.blocks
        self.own = [self.blocks // run.workers + (i < self.blocks % run.workers) for i in range(run.workers)]
        self.waiting: deque[int] = deque()  # blocks that were done, by their worker, for the driver
        self.in_commit: list[int] = []
        self.idle: set[int] = set()
        self.generation = 0  # of the driver: what happened to an earlier one is void
        self.events: list[tuple[float, int, str, int, int]] = []

    def go(self) -> None:
        for worker in range(self.run.workers):
            self.begin(worker)
        if self.run.killed_h:
            self.at(self.run.killed_h * HOUR, "killed", -1)
        while self.committed < self.blocks:
            self.now, _, what, worker, generation = heapq.heappop(self.events)
            if generation == self.generation:
                getattr(self, what)(worker)

    def at(self, delay: float, what: str, worker: int) -> None:
        heapq.heappush(self.events, (self.now + delay, len(self.events), what, worker, self.generation))

    # --- workers ------------------------------------------------------------------------------------------------------

    def begin(self, worker: int) -> None:
        """Take the next block, if there is one."""
        if self.own[worker] == 0 if self.run.even else self.todo == 0:
            self.idle.add(worker)
            return
        self.todo -= 1
        self.own[worker] -= 1
        mean = self.run.block / self.run.rate * self.slowness[worker]
        takes = mean * self.random.lognormvariate(-(self.run.jitter**2) / 2, self.run.jitter)
        fails = self.random.expovariate(1 / (self.run.failing_h * HOUR)) if self.run.failing_h else float("inf")
        self.at(min(takes, fails), "done" if takes <= fails else "failed", worker)

    def done(self, worker: int) -> None:
        self.waiting.append(worker)
        self.commit()
        self.begin(worker)

    def failed(self, worker: int) -> None:
        self.give_back(worker)
        self.at(self.run.restart_s, "begin", worker)

    def give_back(self, worker: int) -> None:
        """A block that was begun is to be done again."""
        self.lost_blocks += 1
        self.todo += 1
        self.own[worker] += 1
        if not self.run.even and self.idle:
            self.begin(self.idle.pop())

    # --- the driver ---------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Begin to commit all that waits, unless a commit is under way."""
        if self.waiting and not self.in_commit:
            self.in_commit, self.waiting = list(self.waiting), deque()
            takes = self.run.commit_s + self.run.commit_fragment_s * len(self.in_commit)
            self.committing_s += takes
            self.commits += 1
            self.at(takes, "written", -1)

    def written(self, _: int) -> None:
        self.committed += len(self.in_commit)
        self.in_commit = []
        if not self.nearly and self.committed >= 0.99 * self.blocks:
            self.nearly = self.now
        self.commit()

    def killed(self, _: int) -> None:
        """All that is not committed is lost; the workers start again with the next driver."""
        self.generation += 1
        self.events.clear()
        undone = self.blocks - self.committed
        self.lost_blocks += undone - self.todo
        self.todo, self.waiting, self.in_commit = undone, deque(), []
        self.idle.clear()
        for worker in range(self.run.workers):
            self.at(self.run.back_s, "begin", worker)
        self.at(self.run.back_s + self.run.killed_h * HOUR, "killed", -1)


if __name__ == "__main__":
    main()
