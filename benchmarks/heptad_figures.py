"""The headline figures on Heptad with mini, over several seeds of data and fit.

    python benchmarks/heptad_figures.py --seeds 0 1 2 --out runs/figures

For every seed: objects are drawn, encoded, fitted and measured on the test split; then mean and standard deviation
over the seeds are printed and written to figures.json.
"""

import argparse
import json
import statistics
from pathlib import Path

from unibind.demo import run_demo
from unibind.evaluate.protocols import METHODS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--per-category", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path("runs/figures"))
    arguments = parser.parse_args()
    n = arguments.per_category
    splits = {"train": 2 * n, "val": max(2, n // 2), "test": n}
    found = []
    for seed in arguments.seeds:
        made = run_demo(
            arguments.out / f"seed{seed}", per_category=splits, seed=seed, stage=lambda name, total: lambda done: None
        )
        found.append(made.evaluation.to_json())
        print(f"seed {seed}: {found[-1]['gains']}", flush=True)
    figures = {
        "seeds": arguments.seeds,
        "per_category": splits,
        "top1": {m: summary([100 * f["zero_shot"]["mean"][m] for f in found]) for m in METHODS},
        "gains": {name: summary([f["gains"][name] for f in found]) for name in found[0]["gains"]},
        "balance": {
            moment: {
                fact: summary([100 * f["retrieval"][moment]["balance"]["@20"][fact] for f in found])
                for fact in ("mean", "std")
            }
            for moment in ("before", "after")
        },
        "learned_parameters": found[0]["learned_parameters"],
        "per_seed": found,
    }
    (arguments.out / "figures.json").write_text(json.dumps(figures, indent=1))
    for part in ("top1", "gains"):
        for name, fact in figures[part].items():
            print(f"{name:60s} {fact['mean']:6.2f} +- {fact['std']:.2f}")
    for moment, facts in figures["balance"].items():
        print(
            f"recall@20 of unlike pairs, {moment}: mean {facts['mean']['mean']:.1f}, spread {facts['std']['mean']:.1f}"
        )


def summary(values: list[float]) -> dict[str, float]:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.mean(values), 2), "std": round(spread, 2)}


if __name__ == "__main__":
    main()
