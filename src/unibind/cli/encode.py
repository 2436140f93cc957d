"""`unibind encode`: files to embeddings in a store."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import ADVANCED, OUTPUT, JsonOption, ModalityOption, notify, print_json, print_table

_LISTED = 10  # unreadable files that are named


@with_backbone_options
def encode(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A manifest (CSV, JSONL, Parquet) or a folder label/file.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="STORE", help="The store: made, or continued if it exists.", rich_help_panel=OUTPUT
        ),
    ],
    backbone: BackboneChoice = NO_CHOICE,
    modality: ModalityOption = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Items per batch.", rich_help_panel=ADVANCED)] = 64,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that read files; 0 reads in this one.", rich_help_panel=ADVANCED)
    ] = 0,
    json: JsonOption = False,
) -> None:
    """Encode every item once; run it again to continue where it stopped.

    Items that cannot be read go to the store's quarantine with the reason; the exit code is then 1.

    Examples:
      $ unibind encode data/manifest.csv --out runs/store
      $ unibind encode photos/ --out runs/photos --workers 2
    """
    from ..api import encode as encode_source
    from ..data.store import Store

    summary = encode_source(
        source, out, modality=modality, batch_size=batch_size, workers=workers, **backbone.arguments
    )
    store = Store.open(out)
    failed = store.quarantined()
    if json:
        print_json({**asdict(summary), "store": str(out), "quarantine": failed})
    else:
        print_table(("modality", "items"), sorted(store.counts().items()), title=f"{out}")
        notify(f"{summary.encoded} encoded, {summary.skipped} already stored, {summary.quarantined} unreadable")
        for row in failed[:_LISTED]:
            notify(f"unibind: {row['message']}")
        if len(failed) > _LISTED:
            notify(f"... and {len(failed) - _LISTED} more in the store's quarantine")
    if summary.quarantined:
        raise typer.Exit(1)
