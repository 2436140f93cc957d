"""`unibind export`: a store's items and vectors for another library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ._console import INPUT, MODEL, OUTPUT, ForceOption, JsonOption, print_json, print_table


def export(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="The store (see `unibind encode`).")],
    to: Annotated[
        str,
        typer.Option("--to", metavar="FORMAT", help="npy, parquet, lance, faiss or qdrant.", rich_help_panel=OUTPUT),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="PATH",
            help="File or folder to write; for qdrant also http://HOST:6333/COLLECTION.",
            rich_help_panel=OUTPUT,
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
            help="Export only this modality; repeatable.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Export only this split.", rich_help_panel=INPUT)
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Write a store's items and vectors for NumPy, Parquet, Lance, FAISS or Qdrant.

    Every vector has its item's id, modality, label, split and path, and the hash of its contract.

    Examples:
      $ unibind export runs/mine --to parquet --out mine.parquet
      $ unibind export runs/mine --to npy --out mine --model runs/my_model --split test
      $ unibind export runs/mine --to qdrant --out http://localhost:6333/mine -m image
    """
    from ..api import export as export_store

    summary = export_store(store, out, to, model=model, modalities=modality, split=split, force=force)
    if json:
        print_json(asdict(summary))
    else:
        print_table(("modality", "items"), sorted(summary.items.items()), title=summary.out)
