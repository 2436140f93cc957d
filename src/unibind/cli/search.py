"""`unibind search`: find stored items of any modality by texts, by files, and by what is known about the items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import UnibindError
from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import ADVANCED, INPUT, MODEL, OUTPUT, ForceOption, JsonOption, notify, print_json, print_table

_Texts = list[str] | None


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
    query_modality: Annotated[
        str | None,
        typer.Option(
            metavar="MODALITY", help="Modality of the query, if its name does not tell it.", rich_help_panel=INPUT
        ),
    ] = None,
    item: Annotated[
        _Texts,
        typer.Option(
            metavar="ITEM",
            help="A further text or file to search for, added to QUERY; repeatable.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    negative: Annotated[
        _Texts,
        typer.Option(
            "--not", metavar="ITEM", help="A text or file to keep away from; repeatable.", rich_help_panel=INPUT
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="Weights of QUERY and each --item, such as 1,0.5; then, if you like, of each --not (else 0.5).",
            rich_help_panel=INPUT,
        ),
    ] = None,
    with_: Annotated[
        _Texts,
        typer.Option(
            "--with",
            metavar="PART",
            help="A text or file that the backbone reads together with QUERY, as one item; repeatable. Few can.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    modalities: Annotated[
        str | None,
        typer.Option(
            "--in", metavar="MODALITIES", help="Search only these, such as audio,event.", rich_help_panel=INPUT
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="FILTER",
            help="Search only such items: \"label = 'dog' and split != 'train'\".",
            rich_help_panel=INPUT,
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of results.", rich_help_panel=OUTPUT)] = 5,
    per_modality: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="At most N results of one modality.", rich_help_panel=OUTPUT),
    ] = None,
    diverse: Annotated[
        bool, typer.Option("--diverse", help="Results that are unlike each other.", rich_help_panel=OUTPUT)
    ] = False,
    hybrid: Annotated[
        bool,
        typer.Option("--hybrid", help="Search labels and texts by the query's words, too.", rich_help_panel=OUTPUT),
    ] = False,
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
    """Search a store by texts and files of any modality.

    Examples:
      $ unibind search "A photo of a drum" --store runs/demo/store --model runs/demo/model --in event,image
      $ unibind search dog.wav --store runs/demo/store --model runs/demo/model --per-modality 2 --html dogs.html
      $ unibind search "rain" --item street.jpg --weights 1,0.5 --not indoors --store runs/mine -k 20
      $ unibind search "barking" --where "label = 'dog' and start_s >= 30" --store runs/mine --out dogs.csv
      $ unibind search "a red bus 49" --hybrid --diverse --store runs/mine
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
        items=item,
        negatives=negative,
        weights=_numbers(weights),
        where=where,
        modalities=modalities.split(",") if modalities else None,
        k=k,
        per_modality=per_modality,
        diverse=diverse,
        hybrid=hybrid,
        center=center,
        query_modality=query_modality,
        **_backbone(backbone),
    )
    _show(hits, as_json=json)
    _save(hits, out, html, png)


def _save(hits: Any, out: Path | None, html: Path | None, png: Path | None) -> None:
    """Write the hits in the forms that were asked for."""
    for file, save in ((out, hits.save), (html, hits.save_html), (png, hits.save_png)):
        if file is not None:
            save(file)
            notify(f"the results: {file}")


def _numbers(text: str | None) -> list[float] | None:
    """Numbers separated by commas; raises UnibindError for anything else."""
    try:
        return None if text is None else [float(number) for number in text.split(",")]
    except ValueError:
        raise UnibindError(f"--weights takes numbers separated by commas, such as 1,0.5, not {text!r}") from None


def _backbone(choice: BackboneChoice) -> dict[str, Any]:
    """The arguments of a choice, as a search calls them, whose weights are those of its query."""
    return {("backbone_weights" if name == "weights" else name): value for name, value in choice.arguments.items()}


def _show(hits: Any, *, as_json: bool) -> None:
    """Print hits as JSON or as a table with the columns that any of them needs."""
    for left_out in hits.outside_anchor_space:
        notify(f"{left_out} is left out: its tower is not in the query's space; fit or bridge it")
    if as_json:
        facts = {"query": hits.query, "modality": hits.query_modality, "store_version": hits.store_version}
        print_json({**facts, "gaps": hits.gaps, "hits": hits.to_rows()})
        return
    if not hits:
        notify("no item was found; search with fewer conditions")
    columns = {
        "rank": [hit.rank for hit in hits],
        "score": [f"{hit.score:.3f}" for hit in hits],
        "modality": [hit.modality for hit in hits],
        "label": [hit.label or "" for hit in hits],
        "moment": [hit.moment for hit in hits],
        "same as": ["" if hit.same_as is None else hit.same_as for hit in hits],
        "item": [hit.uri or hit.text or hit.id for hit in hits],
    }
    shown = {n: cells for n, cells in columns.items() if n not in ("moment", "same as") or any(map(str, cells))}
    print_table(tuple(shown), list(zip(*shown.values(), strict=True)))
