"""`unibind heptad`: make and look at the procedural test bed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._console import JsonOption, busy, print_json, progress_bar, say

app = typer.Typer(help="The procedural test bed: 24 categories, seven modalities, known truth.", no_args_is_help=True)


@app.command()
def make(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files and manifest.csv.")],
    per_category: Annotated[int, typer.Option(min=1, help="Objects of every category in every split.")] = 12,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    split: Annotated[list[str] | None, typer.Option(help="Only these splits; repeat the option.")] = None,
    workers: Annotated[int, typer.Option(min=1)] = 2,
    json: JsonOption = False,
) -> None:
    """Draw objects and write each as seven ordinary files; the same seed gives the same bytes.

    \b
    unibind heptad make --out data/heptad --per-category 12 --seed 0
    unibind heptad make --out data/more --per-category 100 --split train
    """
    from .. import heptad

    counts = dict.fromkeys(split or ("train", "val", "test"), per_category)
    with progress_bar() as progress:
        task = progress.add_task("drawing objects", total=sum(counts.values()) * len(heptad.CATEGORIES))
        manifest = heptad.make(
            out, counts, seed=seed, workers=workers, progress=lambda done: progress.advance(task, done)
        )
    if json:
        print_json({"manifest": str(manifest), "objects": sum(counts.values()) * len(heptad.CATEGORIES)})
    else:
        say(f"the manifest: {manifest}")


@app.command()
def show(
    out: Annotated[Path, typer.Option("--out", "-o", help="The PNG to write.")] = Path("heptad.png"),
    category: Annotated[list[str] | None, typer.Option(help="Only these categories; repeat the option.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    json: JsonOption = False,
) -> None:
    """Draw a contact sheet: one object of every category, in all its modalities.

    \b
    unibind heptad show --out heptad.png
    unibind heptad show --category dog --category bird --seed 3
    """
    from .. import heptad
    from ..modalities.pictures import save_png

    with busy("drawing objects"):
        save_png(heptad.contact_sheet(seed=seed, categories=category), out)
    if json:
        print_json({"picture": str(out), "categories": category or list(heptad.CATEGORIES)})
    else:
        say(f"drawn in {out}")
