"""Selecting centers from a million descriptions and scoring by them: seconds, memory, and a plain loop over categories.

    python benchmarks/centers.py --json centers.json                          # minutes on 2 cores, under 3 GB
    python benchmarks/centers.py --categories 100 --texts 100 --width 384     # seconds

Each strategy is measured in a process of its own, whose peak memory counts all of it: the texts, which are random and
in float16, the samples and the libraries. The plain loop does the same for one category after the other, in the same
process. Seconds are of the clock; in parentheses those of the processors, which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import scipy.sparse  # noqa: F401  so that its import is not timed

from unibind.align.centers import Centers, Scoring
from unibind.align.selection import STRATEGIES, Evidence, select_centers
from unibind.backbones.contract import Contract
from unibind.centering import Mean
from unibind.data.embeddings import TextEmbeddings, Vectors, unit

CONTRACT = Contract("random", "random", "text", "random")
SCORINGS = (Scoring("mean"), Scoring("max"), Scoring("top_mean", 5), Scoring("log_mean_exp", 20.0))
SPREAD = 2.0  # of the texts of a category, relative to that of categories


def made(categories: int, texts: int, width: int, samples: int) -> tuple[TextEmbeddings, Vectors]:
    """Random texts in float16, and unlabeled samples, around one random direction per category."""
    rng = np.random.default_rng(0)
    directions = unit(rng.normal(size=(categories, width)).astype(np.float32))
    noise = unit(rng.normal(size=(texts + categories, width)).astype(np.float32))
    vectors = np.empty((categories * texts, width), np.float16)
    for c, direction in enumerate(directions):
        vectors[c * texts : (c + 1) * texts] = unit(direction + SPREAD * noise[c : c + texts])
    names = [name for c in range(categories) for name in [f"class {c}"] * texts]
    around = directions[rng.integers(0, categories, samples)] + SPREAD * noise[rng.integers(0, texts, samples)]
    return TextEmbeddings([str(i) for i in range(len(names))], names, vectors, CONTRACT), unit(around)


def plain_selection(texts: TextEmbeddings, strategy: str, samples: Vectors, k: int) -> list[Vectors]:
    """The centers of each category, one category after the other."""
    chosen, index = STRATEGIES[strategy], texts.category_index()
    rows = [np.flatnonzero(index == c) for c in range(len(texts.category_names()))]
    sums = [texts.vectors[own].astype(np.float32).mean(axis=0) for own in rows]
    mean = Mean.of_sum(np.mean(sums, axis=0, dtype=np.float64) * len(texts), len(texts))
    text_means = unit(np.stack([mean(texts.vectors[own].astype(np.float32)).sum(axis=0) for own in rows]))
    nearest = (samples @ text_means.T).argmax(axis=1)
    sample_means = unit(np.stack([0.5 * text_means[c] + samples[nearest == c].sum(axis=0) for c in range(len(rows))]))
    centers = []
    for own in rows:
        vectors = mean(texts.vectors[own].astype(np.float32))
        ratings = chosen.rate(Evidence(vectors, index[own], text_means, sample_means))
        centers.append(vectors[np.argsort(-ratings, kind="stable")[:k]] if chosen.limited else vectors)
    return centers


def plain_scores(centers: Centers, samples: Vectors) -> Vectors:
    """The scores of each category, one category after the other."""
    offsets = centers.offsets
    sets = [(offsets[c], offsets[c + 1]) for c in range(len(centers.sizes))]
    return np.stack([centers.scoring(samples @ centers.vectors[a:b].T) for a, b in sets], axis=1)


def timed(work: Callable[[], object]) -> tuple[object, dict[str, float]]:
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, {"seconds": time.perf_counter() - wall, "processor": time.process_time() - processor}


def peak_gb() -> float:
    """The most memory that this process has had, in 10^9 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def measure(arguments: argparse.Namespace) -> dict:
    """The figures of one strategy. The plain loops run last, so that their memory does not count."""
    texts, samples = made(arguments.categories, arguments.texts, arguments.width, arguments.samples)
    strategy, k = arguments.strategy, arguments.k if STRATEGIES[arguments.strategy].limited else None
    before = peak_gb()
    centers, selected = timed(lambda: select_centers(texts, strategy=strategy, k=k, samples=samples))
    assert isinstance(centers, Centers)
    scored = {}
    for scoring in SCORINGS:
        scored[str(scoring)] = timed(partial(replace(centers, scoring=scoring).scores, samples))[1]
    result = {"selection": selected, "scoring": scored, "texts_gb": before, "peak_gb": peak_gb()}
    if arguments.plain:
        of_categories, result["plain selection"] = timed(lambda: plain_selection(texts, strategy, samples, k or 0))
        same = max(
            float(np.abs(part - centers.vectors[a:b]).max())
            for part, a, b in zip(of_categories, centers.offsets, centers.offsets[1:], strict=False)
        )
        del of_categories
        result["largest difference"] = same
        result["plain scoring"] = {
            str(s): timed(partial(plain_scores, replace(centers, scoring=s), samples))[1] for s in SCORINGS
        }
    return result


def print_row(strategy: str, found: dict) -> None:
    cells = [strategy, _seconds(found["selection"], found.get("plain selection"))]
    plain = found.get("plain scoring", {})
    cells += [_seconds(cost, plain.get(name)) for name, cost in found["scoring"].items()]
    cells.append(f"{found['peak_gb']:.2f}")
    print(f"| {' | '.join(cells)} |", flush=True)


def _seconds(cost: dict, plain: dict | None) -> str:
    ratio = "" if plain is None else f", {plain['processor'] / max(cost['processor'], 1e-9):.1f}x"
    return f"{cost['seconds']:.1f} ({cost['processor']:.1f}{ratio})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--categories", type=int, default=1000)
    parser.add_argument("--texts", type=int, default=1000, help="of each category")
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("-k", type=int, default=50, help="centers of each category")
    parser.add_argument("--strategy", choices=list(STRATEGIES), help="only this one, as JSON")
    parser.add_argument("--no-plain", dest="plain", action="store_false", help="no loops over categories")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.strategy is not None:
        print(json.dumps(measure(arguments)))
        return
    print(f"{os.cpu_count()} cores; seconds (processor seconds, those of the plain loop as a multiple); peak in GB\n")
    titles = ["strategy", "selection", *(f"{arguments.samples} scores, {scoring}" for scoring in SCORINGS), "peak"]
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|", flush=True)
    results = {}
    for strategy in STRATEGIES:
        done = subprocess.run(
            [sys.executable, *sys.argv, "--strategy", strategy], stdout=subprocess.PIPE, text=True, check=True
        )
        results[strategy] = json.loads(done.stdout)
        print_row(strategy, results[strategy])
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
