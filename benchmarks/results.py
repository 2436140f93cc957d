"""The figures of docs/results.md: measured, and written as a page.

    python benchmarks/results.py run --work runs/results                  # Heptad; continues where it was stopped
    python benchmarks/results.py run --work runs/results --photographs photos
    python benchmarks/results.py report           # docs/results.md, and the figures in README.md and docs/benchmarks.md
    python benchmarks/results.py space --work runs/results                # docs/space.png

The runs are declared in benchmarks/results/plan.toml, and each leaves one JSON file beside it. Heptad's objects are
generated and encoded under WORK, about two minutes per run. Towers other than the shipped ones are trained beforehand,
half an hour each, by `python benchmarks/heptad_towers.py --out WORK/towers`; runs whose towers are not there are left
out, and named. The photographs need a folder as benchmarks/photos.py describes it, with columns `name` and `family`.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

from method.plan import RESULTS, Plan, Run, Towers
from method.records import ABLATIONS, UNIFIED, UNKNOWN, read_record, write_record

DOCS = Path(__file__).parents[1] / "docs"
_DEVELOPMENT_SEED = 101


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="measure what is planned and not yet there")
    space = verbs.add_parser("space", help="draw the space of a development seed")
    report = verbs.add_parser("report", help="write the page from the records")
    for each in (run, space):
        each.add_argument(
            "--work", type=Path, default=Path("runs/results"), help="folder of objects, stores and towers"
        )
        each.add_argument("--workers", type=int, default=1, help="processes that generate and read")
    run.add_argument("--photographs", type=Path, help="measure this folder of photographs instead of Heptad")
    for each in (run, report):
        each.add_argument("--plan", type=Path, default=RESULTS / "plan.toml")
        each.add_argument("--records", type=Path, default=RESULTS, help="folder of the JSON files")
    for each in (space, report):
        each.add_argument("--docs", type=Path, default=DOCS)
    arguments = parser.parse_args()
    {"run": measure, "space": draw, "report": write}[arguments.verb](arguments)


def measure(arguments: argparse.Namespace) -> None:
    plan = Plan(arguments.plan)
    if arguments.photographs is not None:
        from method import photographs

        declared = plan.declared["photographs"]
        for bed in photographs.BEDS:
            if read_record(arguments.records, bed) is None:
                chosen = declared["shots"], declared["draws"]
                record = photographs.measure(bed, arguments.work, arguments.photographs, *chosen)
                write_record(arguments.records, bed, record)
                print(f"{bed}: measured in {record['seconds']:.0f} s", flush=True)
        return
    for part, runs in {"": list(plan), UNIFIED: list(plan), UNKNOWN: plan.main, ABLATIONS: plan.varied}.items():
        for run in runs:
            name = f"{run.name}-{part}" if part else run.name
            if read_record(arguments.records, name) is None:
                print(f"{name}: {measure_run(run, part, name, plan, arguments)}", flush=True)


def measure_run(run: Run, part: str, name: str, plan: Plan, arguments: argparse.Namespace) -> str:
    """Measure a part of a run and write its record; what became of it in words."""
    from method.beds import open_towers, prepare
    from method.measure import measure, measure_ablations, measure_unified, measure_unknown

    backbone = open_towers(arguments.work, run.towers)
    if backbone is None:
        return "its towers are not trained; see benchmarks/heptad_towers.py"
    start = time.monotonic()
    path = prepare(arguments.work, run, backbone, plan.objects, arguments.workers)
    parts = {UNIFIED: measure_unified, UNKNOWN: measure_unknown, ABLATIONS: measure_ablations}
    measured = parts.get(part, partial(measure, in_full=run in plan.main))
    record = measured(run, backbone, path)
    write_record(arguments.records, name, record)
    return f"measured in {time.monotonic() - start:.0f} s"


def draw(arguments: argparse.Namespace) -> None:
    from method.beds import open_towers, prepare
    from method.space import draw_space, spaces

    from unibind.data.store import Store

    run = Run(Towers(), _DEVELOPMENT_SEED)
    backbone = open_towers(arguments.work, run.towers)
    assert backbone is not None
    path = prepare(arguments.work, run, backbone, Plan().objects, arguments.workers)
    draw_space(spaces(backbone, Store.open(path)), arguments.docs / "space.png")


def write(arguments: argparse.Namespace) -> None:
    from method.curves import draw_curves
    from method.grid_page import gains_by_captions
    from method.page import CURVES, PAGE, Found, page
    from method.summary import SUMMARIES, summary, with_summary

    from unibind.files import write_whole

    found = Found(arguments.records, Plan(arguments.plan))
    write_whole(arguments.docs / PAGE, page(found))
    if found.main:
        other_towers = gains_by_captions(found.plan.grid, found.records)
        draw_curves(found.main, arguments.docs / CURVES)
        for document, link in SUMMARIES.items():
            path = arguments.docs.parent / document
            write_whole(path, with_summary(path, summary(found.main, found.photographs, link, other_towers)))


if __name__ == "__main__":
    main()
