"""`unibind encode`: files to embeddings in a store."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from ._console import (
    ADVANCED,
    INPUT,
    OUTPUT,
    EngineOption,
    ItemTimeoutOption,
    JsonOption,
    ModalityChoiceOption,
    notify,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from ..data.encode import EncodeSummary
    from ..data.store import Store

_LONG_S = 10.0  # of a run, after which people ask what took so long
_LISTED = 10  # unreadable files that are named


@with_backbone_options
def encode(
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Folders of any depth, patterns of paths, tables (CSV, TSV, JSONL, Parquet), lists of paths (TXT), "
            "files, URLs of these, hf:OWNER/NAME, or - for a table on standard input.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="STORE", help="The store: made, or continued if it exists.", rich_help_panel=OUTPUT
        ),
    ],
    backbone: BackboneChoice = NO_CHOICE,
    modality: ModalityChoiceOption = None,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            metavar="DIR",
            help="Folder that paths in tables start from, if not the table's own.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Refuse sources with damaged or repeated rows.", rich_help_panel=INPUT),
    ] = False,
    segments: Annotated[
        float | None,
        typer.Option(
            "--segments",
            min=0.1,
            metavar="SECONDS",
            help="Encode sounds and videos in segments of this length, so that search finds moments in them.",
            show_default=False,
            rich_help_panel=INPUT,
        ),
    ] = None,
    index: Annotated[
        bool,
        typer.Option(help="Index a store of 50,000 items and more for search.", rich_help_panel=OUTPUT),
    ] = True,
    retry_quarantine: Annotated[
        bool,
        typer.Option(
            "--retry-quarantine",
            help="Retry unreadable files, even if they have not changed.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Items per batch.", rich_help_panel=ADVANCED)] = 64,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Processes that read files. With 0, this process reads them, and a decoder that crashes ends it.",
            show_default="as many as keep the encoder busy",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    item_timeout: ItemTimeoutOption = 60,
    engine: EngineOption = "local",
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Go on, and encode what changes in the folders.", rich_help_panel=INPUT),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Encode every item once; run it again to continue where it stopped, or to bring the store up to date.

    What a table says about a stored item is written without encoding it again, a file whose content changed is encoded
    again, and one that is gone is marked until `unibind store prune` removes it.

    The label of a file is its folder; a folder called train, val or test (or training, validation, dev, ...) is its
    split. Files of unknown endings, and damaged, blank or repeated rows, are left out and reported. Items that cannot
    be read go to the store's quarantine with the reason, and are tried again when they have changed; the exit code is
    then 1.

    Examples:
      $ unibind encode data/manifest.csv --out runs/store
      $ unibind encode photos/ sounds/ --out runs/mine --workers 2
      $ unibind encode /mnt/archive --out runs/mine --item-timeout 300 --retry-quarantine
      $ unibind encode recordings/ --modality night_camera=thermal --out runs/mine
      $ unibind encode "photos/**/*.jpg" s3://bucket/photos/ --out runs/mine
      $ find /data -name "*.wav" | unibind encode - --out runs/sounds
      $ unibind encode photos/ --out runs/mine --watch
      $ unibind encode talks/ --out runs/talks --segments 10
      $ RAY_ADDRESS=head:6379 unibind encode /shared/photos --out /shared/store --engine ray
    """
    from .. import api
    from ..data.intake import parse_modality_choice
    from ..data.store import Store

    how: dict[str, Any] = {
        "modality": parse_modality_choice(modality),
        "root": root,
        "strict": strict,
        "segments": segments,
        "index": index,
        "batch_size": batch_size,
        "workers": workers,
        "item_timeout": item_timeout,
        "retry_quarantine": retry_quarantine,
        "engine": engine,
        **backbone.arguments,
    }
    sources = source[0] if len(source) == 1 else source
    if watch:
        api.watch(sources, out, updated=lambda summary: notify(summary.message), **how)
        return
    summary = api.encode(sources, out, **how)
    store = Store.open(out)
    if json:
        print_json({**asdict(summary), "store": str(out), "quarantine": store.quarantined()})
    else:
        _print_summary(summary, store)
    if summary.quarantined or summary.not_retried:
        raise typer.Exit(1)


def _print_summary(summary: EncodeSummary, store: Store) -> None:
    print_table(("modality", "items"), sorted(store.counts().items()), title=f"{store.path}")
    notify(summary.message)
    if summary.seconds > _LONG_S and summary.pace.message:
        notify(summary.pace.message)
    if summary.not_retried:
        notify("files that failed before and have not changed are not tried again, but with --retry-quarantine")
    if summary.left_out:
        names = ", ".join(f"{count:,} {modality}" for modality, count in sorted(summary.left_out.items()))
        notify(f"left out, because the backbone has no tower for them: {names}; `unibind backbones list` has others")
    failed = store.quarantined()
    for row in failed[:_LISTED]:
        notify(f"unibind: {row['message']}")
    if len(failed) > _LISTED:
        notify(f"... and {len(failed) - _LISTED} more in the store's quarantine")
    for line in [*summary.intake.lines(), *filter(None, [summary.duplicates.message])]:
        notify(line)
