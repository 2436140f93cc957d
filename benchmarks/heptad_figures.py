"""Headline figures on Heptad with the backbone mini, over several seeds of data and fit.

    python benchmarks/heptad_figures.py --seeds 0 1 2 --out runs/figures

For each seed, objects are generated and encoded, a model is fitted, and it is evaluated on the test split. The mean and
standard deviation over seeds are printed and written to figures.json.
"""

import argparse
import json
import statistics
from pathlib import Path

from unibind.demo import run_demo
from unibind.evaluate.methods import METHODS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--per-category", type=int, default=12, help="test objects per category")
    parser.add_argument("--out", type=Path, default=Path("runs/figures"))
    arguments = parser.parse_args()
    results = []
    for seed in arguments.seeds:
        demo = run_demo(arguments.out / f"seed{seed}", per_category=arguments.per_category, seed=seed)
        results.append(demo.evaluation.to_json())
        print(f"seed {seed}: {results[-1]['gains']}", flush=True)
    figures = {
        "seeds": arguments.seeds,
        "per_category": arguments.per_category,
        "top1": {m: summary([100 * r["recognition"]["mean"][m] for r in results]) for m in METHODS},
        "gains": {name: summary([r["gains"][name] for r in results]) for name in results[0]["gains"]},
        "balance": {
            stage: {
                statistic: summary([100 * r["retrieval"][stage]["balance"]["@20"][statistic] for r in results])
                for statistic in ("mean", "std")
            }
            for stage in ("before", "after")
        },
        "learned_parameters": results[0]["learned_parameters"],
        "per_seed": results,
    }
    (arguments.out / "figures.json").write_text(json.dumps(figures, indent=1))
    for part in ("top1", "gains"):
        for name, value in figures[part].items():
            print(f"{name:60s} {value['mean']:6.2f} +- {value['std']:.2f}")
    for stage, balance in figures["balance"].items():
        print(
            f"recall@20 between different modalities, {stage} the fit: "
            f"mean {balance['mean']['mean']:.1f}, spread {balance['std']['mean']:.1f}"
        )


def summary(values: list[float]) -> dict[str, float]:
    """Mean and standard deviation, rounded to two decimals."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.mean(values), 2), "std": round(spread, 2)}


if __name__ == "__main__":
    main()
