"""Seconds of a fit, beside a plain loop that computes the same loss with automatic differentiation.

    python benchmarks/fit.py                                    # 100,000 vectors of 1,024, 100 classes, 15 epochs
    python benchmarks/fit.py --items 20000 --dim 512 --json fit.json
    python benchmarks/fit.py --losses                           # the losses over batches, too: minutes

The loop has the same head, z = unit((I + R)(x - mean) + b) with every number of R, and takes Adam's steps over batches:
as many epochs. Both learn the same random vectors, which are clouds around their class texts, rotated. The last lines
are whole fits by each method of small data in the shape of Heptad, cross-validation included.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unibind.align.fit import METHODS, fit_heads
from unibind.align.gradient import fit_one
from unibind.align.losses import LOSSES
from unibind.align.problem import FitConfig, Problem, Samples
from unibind.align.threads import suitable_threads

HEPTAD = {"items": 720, "dim": 384, "classes": 24, "texts": 64, "modalities": 6}


def world(items: int, dim: int, classes: int, seed: int = 0, texts_per_class: int = 1) -> tuple[Samples, np.ndarray]:
    """Vectors around the texts of their classes, partly rotated, with noise as long as the texts; and the texts."""
    rng = np.random.default_rng(seed)
    texts = unit(rng.normal(size=(classes, dim)).astype(np.float32))
    labels = np.arange(items) % classes
    turned = texts + unit(rng.normal(size=texts.shape).astype(np.float32))
    vectors = turned[labels] + rng.normal(0, 3 / np.sqrt(dim), (items, dim)).astype(np.float32)
    several = np.repeat(texts, texts_per_class, axis=0)
    several = several + rng.normal(0, 0.5 / np.sqrt(dim), several.shape).astype(np.float32)
    return Samples(unit(vectors), labels), unit(several)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def measured(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Seconds on the clock and on the processor of a call, and its result."""
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    return {"seconds": time.perf_counter() - clock, "cpu_seconds": time.process_time() - processor}, result


def plain_loop(problem: Problem, epochs: int, batch: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias after so many epochs of Adam on the cross-entropy of unit vectors, with decay."""
    x = torch.from_numpy(problem.start(problem.train.vectors))
    labels, targets = torch.from_numpy(problem.train.category_index), torch.from_numpy(problem.targets)
    dim = x.shape[1]
    change, bias = torch.zeros(dim, dim, requires_grad=True), torch.zeros(dim, requires_grad=True)
    scale = torch.tensor(3.0, requires_grad=True)
    optimizer = torch.optim.Adam([change, bias, scale], lr=1e-3)
    for epoch in range(epochs):
        for rows in torch.randperm(len(x), generator=torch.Generator().manual_seed(epoch)).split(batch):
            z = torch.nn.functional.normalize(x[rows] + x[rows] @ change.T + bias, dim=1)
            loss = torch.nn.functional.cross_entropy(scale.exp() * z @ targets.T, labels[rows])
            loss = loss + 1e-5 * change.square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return (torch.eye(dim) + change).detach().numpy(), bias.detach().numpy()


def large(items: int, dim: int, classes: int, epochs: int) -> Iterator[dict[str, Any]]:
    """The default method and the plain loop over many items: seconds and top-1 of new items."""
    every, texts = world(items + 5000, dim, classes)
    train, test = (Samples(every.vectors[s], every.category_index[s]) for s in (slice(items), slice(items, None)))
    problem = Problem(train, texts, np.arange(classes), FitConfig(steps=epochs))

    def row(what: str, took: dict[str, float], vectors: np.ndarray, loop: dict[str, float]) -> dict[str, Any]:
        right = (vectors @ problem.targets.T).argmax(axis=1) == test.category_index
        times = loop["cpu_seconds"] / took["cpu_seconds"]
        return {"what": what, **took, "times_the_loop": times, "top1": float(right.mean())}

    with suitable_threads(items * classes * dim):
        loop, (weight, bias) = measured(lambda: plain_loop(problem, epochs))
        yield row(f"plain loop, {epochs} epochs", loop, problem.start(test.vectors) @ weight.T + bias, loop)
        took, head = measured(lambda: fit_one(problem))
        yield row(f"gradient, {epochs} steps over all items", took, head(test.vectors), loop)
        took, fitted = measured(lambda: fit_heads({"a": train}, texts, np.arange(classes), FitConfig(steps=epochs)))
        yield row("with the choice of its penalty", took, fitted["a"].head(test.vectors), loop)


def small(losses: bool) -> Iterator[dict[str, Any]]:
    """Whole fits of six modalities with 30 items per class."""
    worlds = [world(HEPTAD["items"], HEPTAD["dim"], HEPTAD["classes"], i, HEPTAD["texts"]) for i in range(6)]
    train = {f"m{i}": samples for i, (samples, _) in enumerate(worlds)}
    texts, index = worlds[0][1], np.repeat(np.arange(HEPTAD["classes"]), HEPTAD["texts"])
    configs = {name: FitConfig(method=name) for name in METHODS}
    configs |= {f"loss {name}": FitConfig(loss=name) for name in LOSSES if losses}
    with suitable_threads(HEPTAD["items"] * HEPTAD["classes"] * HEPTAD["dim"]):
        problems = [Problem(samples, texts, index, FitConfig()) for samples in train.values()]
        took, _ = measured(lambda: [fit_one(problem) for problem in problems])
        yield {"what": "six heads, gradient, no cross-validation", **took}
        for name, config in configs.items():
            took, _ = measured(lambda config=config: fit_heads(train, texts, index, config))
            yield {"what": f"six heads, {name}", **took}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--losses", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    for row in itertools.chain(small(given.losses), large(given.items, given.dim, given.classes, given.epochs)):
        extra = "".join(f"{row[key]:>{width}{form}}" for key, width, form in _COLUMNS if key in row)
        print(f"{row['what']:42}{row['seconds']:9.2f} s{row['cpu_seconds']:9.2f} s of processors{extra}", flush=True)
        rows.append(row)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


_COLUMNS = (("times_the_loop", 9, ".1f"), ("top1", 9, ".3f"))  # times by processors


if __name__ == "__main__":
    main()
