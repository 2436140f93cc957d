"""Farthest points and neighbors of 8 clouds of 8192 points, in the sizes of I2P-MAE, beside a plain version.

    python benchmarks/points.py --json points.json

The plain version computes all [B, N, 3] differences at every step and sorts all distances.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from unibind.preprocess.points import farthest_points, neighbors

LEVELS = ((512, 48), (256, 24), (64, 24))  # centers, neighbors; each level chooses among the centers before


def plain_farthest(xyz: Tensor, count: int) -> Tensor:
    chosen = [torch.zeros(len(xyz), dtype=torch.long)]
    nearest = torch.full(xyz.shape[:2], torch.inf)
    for _ in range(count - 1):
        last = torch.stack([cloud[i] for cloud, i in zip(xyz, chosen[-1], strict=True)])[:, None]
        nearest = torch.minimum(nearest, (xyz - last).square().sum(dim=-1))
        chosen.append(nearest.argmax(dim=1))
    return torch.stack(chosen, dim=1)


def plain_neighbors(centers: Tensor, xyz: Tensor, k: int) -> Tensor:
    distance = (centers[:, :, None] - xyz[:, None]).square().sum(dim=-1)
    return distance.argsort(dim=-1, stable=True)[..., :k]


def levels(xyz: Tensor, farthest: Callable, near: Callable) -> list[tuple[Tensor, Tensor]]:
    results = []
    for count, k in LEVELS:
        index = farthest(xyz, count)
        centers = xyz[torch.arange(len(xyz))[:, None], index]
        results.append((index, near(centers, xyz, k)))
        xyz = centers
    return results


def best(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    clouds = torch.rand(8, 8192, 3, generator=torch.Generator().manual_seed(0))
    plain, ours = (levels(clouds, *f) for f in ((plain_farthest, plain_neighbors), (farthest_points, neighbors)))
    for (p, pn), (o, on) in zip(plain, ours, strict=True):
        assert torch.equal(p, o)
        assert torch.equal(pn.sort(dim=-1).values, on.sort(dim=-1).values)
    quick = best(lambda: levels(clouds, farthest_points, neighbors), arguments.rounds)
    slow = best(lambda: levels(clouds, plain_farthest, plain_neighbors), max(1, arguments.rounds // 3))
    print(f"unibind {quick:.3f} s, plain {slow:.3f} s, ratio {slow / quick:.1f} ({torch.get_num_threads()} threads)")
    if arguments.json:
        arguments.json.write_text(json.dumps({"unibind_s": quick, "plain_s": slow, "ratio": slow / quick}))


if __name__ == "__main__":
    main()
