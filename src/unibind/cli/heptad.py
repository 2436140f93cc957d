"""`unibind heptad`: generate the procedural test bed and look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._console import ADVANCED, INPUT, OUTPUT, ForceOption, JsonOption, add_verb, busy, notify, print_json

app = typer.Typer(
    help="Generate the procedural test bed: 24 categories, seven modalities, known ground truth.", no_args_is_help=True
)

Seed = Annotated[
    int, typer.Option(min=0, metavar="SEED", help="Random seed.", show_default=True, rich_help_panel=INPUT)
]


def make(
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Folder for files and manifest.csv.", rich_help_panel=OUTPUT
        ),
    ],
    per_category: Annotated[
        int, typer.Option(min=1, metavar="N", help="Objects per category and split.", rich_help_panel=INPUT)
    ] = 12,
    split: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPLIT",
            help="pretrain, train, val or test; repeat for several. Default: train, val and test.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    seed: Seed = 0,
    workers: Annotated[
        int, typer.Option(min=1, metavar="N", help="Processes that generate objects.", rich_help_panel=ADVANCED)
    ] = 2,
    json: JsonOption = False,
) -> None:
    """Generate objects and write each one as seven ordinary files.

    The same seed gives the same bytes.

    Examples:
      $ unibind heptad make --out data/heptad --per-category 12 --seed 0
      $ unibind heptad make --out data/more --per-category 100 --split train
    """
    from .. import heptad
    from ..progress import progress_bar

    counts = dict.fromkeys(split or ("train", "val", "test"), per_category)
    total = sum(counts.values()) * len(heptad.CATEGORIES)
    with progress_bar("generating objects", total) as advance:
        manifest = heptad.make(out, counts, seed=seed, workers=workers, progress=advance)
    if json:
        print_json({"manifest": str(manifest), "objects": total})
    else:
        notify(f"{total} objects, manifest in {manifest}")


def show(
    category: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CATEGORY",
            help="Show only this category; repeat for several. Default: all 24.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="PNG file to write.", rich_help_panel=OUTPUT)
    ] = Path("heptad.png"),
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Render a contact sheet: one row per category, with all modalities of one object.

    Examples:
      $ unibind heptad show --out heptad.png
      $ unibind heptad show --category dog --category bird --seed 3
    """
    from .. import heptad
    from ..files import check_output
    from ..modalities.pictures import save_png

    check_output(out, force=force)
    with busy("rendering objects"):
        save_png(heptad.contact_sheet(seed=seed, categories=category), out)
    if json:
        print_json({"picture": str(out), "categories": category or list(heptad.CATEGORIES)})
    else:
        notify(f"contact sheet in {out}")


add_verb(app, "make", make, kept="finished objects are kept in {out}; run the same command again for all of them")
add_verb(app, "show", show)
