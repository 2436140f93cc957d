"""Headline figures on Heptad with the backbone mini, over several seeds of data and fit.

    python benchmarks/heptad_figures.py --seeds 0 1 2 --out runs/figures
    python benchmarks/heptad_figures.py --seeds 0 --space docs/space.png

For each seed, objects are generated and encoded, a model is fitted, and it is evaluated on the test split. The mean and
standard deviation over seeds are printed as tables for docs/benchmarks.md and written to figures.json.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from unibind.demo import run_demo
from unibind.evaluate.evaluation import Evaluation
from unibind.evaluate.report.charts import space_map


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--per-category", type=int, default=12, help="test objects per category")
    parser.add_argument("--out", type=Path, default=Path("runs/figures"))
    parser.add_argument("--space", type=Path, help="PNG file for the maps of the last seed's space")
    arguments = parser.parse_args()
    results = []
    for seed in arguments.seeds:
        demo = run_demo(arguments.out / f"seed{seed}", per_category=arguments.per_category, seed=seed)
        results.append(demo.evaluation.to_json())
        print(f"seed {seed}: {results[-1]['gains']}", flush=True)
    figures = {
        "seeds": arguments.seeds,
        "per_category": arguments.per_category,
        "top1": {method: top1(results, method) for method in results[0]["recognition"]["top1"]},
        "gains": {name: summary([r["gains"][name]["points"] for r in results]) for name in results[0]["gains"]},
        "balance": {
            stage: {
                statistic: summary([100 * r["retrieval"][stage]["spread"]["recall@20"][statistic] for r in results])
                for statistic in ("mean", "std")
            }
            for stage in ("before", "after")
        },
        "learned_parameters": results[0]["learned_parameters"],
        "per_seed": results,
    }
    (arguments.out / "figures.json").write_text(json.dumps(figures, indent=1))
    print_markdown(figures)
    if arguments.space is not None:
        draw_space(demo.evaluation, arguments.space)


def top1(results: list[dict[str, Any]], method: str) -> dict[str, dict[str, float]]:
    """Top-1 of a method in percent, by modality and on average, over the seeds."""
    of_seed = [r["recognition"]["top1"][method] | {"average": r["recognition"]["mean"][method]} for r in results]
    return {column: summary([100 * values[column] for values in of_seed]) for column in of_seed[0]}


def print_markdown(figures: dict[str, Any]) -> None:
    """The tables of docs/benchmarks.md."""
    columns = list(next(iter(figures["top1"].values())))
    print(f"| top-1, % | {' | '.join(column.replace('_', ' ') for column in columns)} |")
    print(f"|---|{'---|' * len(columns)}")
    for method, values in figures["top1"].items():
        cells = [f"{values[c]['mean']:.1f}" for c in columns[:-1]]
        print(f"| {method} | {' | '.join(cells)} | {values['average']['mean']:.1f} ± {values['average']['std']:.1f} |")
    print("\n| gain in points | measured |\n|---|---|")
    for name, value in figures["gains"].items():
        print(f"| {name} | {value['mean']:+.2f} ± {value['std']:.2f} |")
    for stage, balance in figures["balance"].items():
        print(
            f"\nrecall@20 between distinct modalities, {stage} the fit: "
            f"mean {balance['mean']['mean']:.1f}, spread {balance['std']['mean']:.1f}"
        )
    print(f"\n{figures['learned_parameters']:,} learned parameters")


def draw_space(evaluation: Evaluation, path: Path) -> None:
    """The report's maps of the space before and after the fit as one picture, colored by modality."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), dpi=130, layout="constrained")
    palette = colormaps["Dark2"]
    for axes, (moment, samples) in zip(figure.subplots(1, 2), evaluation.samples.items(), strict=True):
        drawn = space_map(samples, seed=evaluation.seed)
        assert drawn is not None
        for number, modality in enumerate(drawn.modalities):
            dots = [dot for dot in drawn.dots if dot.modality == number]
            x, y = [dot.x for dot in dots], [-dot.y for dot in dots]
            axes.scatter(x, y, s=7, color=palette(number), label=modality.replace("_", " "))
        axes.set_title(f"{moment} the fit", fontsize=10)
        axes.set_axis_off()
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    figure.savefig(path)


def summary(values: list[float]) -> dict[str, float]:
    """Mean and standard deviation, rounded to two decimals."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.mean(values), 2), "std": round(spread, 2)}


if __name__ == "__main__":
    main()
