"""`unibind search`: find stored items of any modality by a text or a file of any modality."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import ADVANCED, INPUT, MODEL, OUTPUT, ForceOption, JsonOption, notify, print_json, print_table


@with_backbone_options
def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="A text, or the path of a file.")],
    store: Annotated[
        Path,
        typer.Option(
            "--store", "-s", metavar="STORE", help="The store to search (see `unibind encode`).", rich_help_panel=INPUT
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="DIR", help="A fitted model whose heads to apply.", rich_help_panel=MODEL),
    ] = None,
    modality: Annotated[
        list[str] | None,
        typer.Option(
            "--modality",
            "-m",
            metavar="MODALITY",
            help="Search only this modality; repeatable.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    query_modality: Annotated[
        str | None,
        typer.Option(
            metavar="MODALITY", help="Modality of the query, if its name does not tell it.", rich_help_panel=INPUT
        ),
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="PART",
            help="A further part of the query, a text or a file, if the backbone embeds several as one; repeatable.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Search only this split.", rich_help_panel=INPUT)
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of results.", rich_help_panel=OUTPUT)] = 5,
    per_modality: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="At most N results of one modality.", rich_help_panel=OUTPUT),
    ] = None,
    center: Annotated[
        bool,
        typer.Option(help="Remove each modality's mean, so that none crowds out the rest.", rich_help_panel=ADVANCED),
    ] = True,
    backbone: BackboneChoice = NO_CHOICE,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Write a table: .csv, .json, .jsonl or .parquet.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write a page with pictures, players and links.", rich_help_panel=OUTPUT
        ),
    ] = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Draw the results.", rich_help_panel=OUTPUT)
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Search a store by a text or a file of any modality.

    Examples:
      $ unibind search "A photo of a drum" --store runs/demo/store --model runs/demo/model -m event -m image
      $ unibind search dog.wav --store runs/demo/store --model runs/demo/model --per-modality 2 --html dogs.html
      $ unibind search dog.wav --store runs/mine -k 100 --out dogs.csv
      $ unibind search street.jpg --with "at night" --store runs/mine
    """
    from ..api import search as search_store
    from ..files import check_output
    from ..retrieval.tables import check_table_name

    if out is not None:
        check_table_name(out)
    for path in filter(None, (out, html, png)):
        check_output(path, force=force)
    hits: Any = search_store(
        (query, *with_) if with_ else query,
        store,
        model=model,
        modalities=modality,
        k=k,
        per_modality=per_modality,
        split=split,
        center=center,
        query_modality=query_modality,
        **backbone.arguments,
    )
    for left_out in hits.outside_anchor_space:
        notify(f"{left_out} is left out: its tower is not in the query's space; fit or bridge it")
    if json:
        facts = {"query": hits.query, "modality": hits.query_modality, "store_version": hits.store_version}
        print_json({**facts, "gaps": hits.gaps, "hits": hits.to_rows()})
    else:
        rows = [(h.rank, f"{h.score:.3f}", h.modality, h.label or "", h.uri or h.text or h.id) for h in hits]
        print_table(("rank", "score", "modality", "label", "item"), rows)
    for file, save in ((out, hits.save), (html, hits.save_html), (png, hits.save_png)):
        if file is not None:
            save(file)
            notify(f"the results: {file}")
