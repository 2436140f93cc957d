"""`unibind encode`: items of a manifest to embeddings in a store."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import JsonOption, ModalityOption, print_json, print_table, progress_bar, say


@with_backbone_options
def encode(
    manifest: Annotated[Path, typer.Argument(help="CSV, JSONL, Parquet, UniBind JSON, or a folder label/file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The store: made, or continued where it exists.")],
    backbone: BackboneChoice = NO_CHOICE,
    modality: ModalityOption = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read files; 0 reads in this one.")] = 0,
    json: JsonOption = False,
) -> None:
    """Encode every item once; run it again to go on where it stopped.

    Items that cannot be read go to the store's quarantine with the reason; then the exit code is 1.

    \b
    unibind encode data/manifest.csv --out runs/store
    unibind encode photos/ --out runs/photos --workers 2
    """
    from ..data import encode as encoding
    from ..data.manifest import read_manifest
    from ..data.store import Store

    items = read_manifest(manifest, modality=modality)
    encoder = backbone.open(Store.open(out) if Store.is_at(out) else None)
    store = Store.open_or_create(out)
    with progress_bar() as progress:
        task = progress.add_task("encoding", total=len(items))
        summary = encoding.encode(
            items,
            encoder,
            store,
            batch_size=batch_size,
            workers=workers,
            progress=lambda done: progress.update(task, advance=done),
        )
    failed = store.quarantined()
    if json:
        print_json({**asdict(summary), "store": str(out), "quarantine": failed})
    else:
        print_table(("modality", "items"), sorted(store.counts().items()), title=f"{out}")
        say(f"{summary.encoded} encoded, {summary.skipped} were there, {summary.quarantined} could not be read")
        for row in failed[:10]:
            say(f"unibind: {row['message']}")
        if len(failed) > 10:
            say(f"... and {len(failed) - 10} more in the store's quarantine")
    if summary.quarantined:
        raise typer.Exit(1)
