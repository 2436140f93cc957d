"""`unibind weights`: convert released weights to files that load quickly and safely."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..progress import progress_stages
from ._console import INPUT, ForceOption, JsonOption, add_verb, notify, print_json, print_table

app = typer.Typer(help="Convert released weights.", no_args_is_help=True)


@app.callback()
def _weights() -> None:
    """Convert released weights."""


def convert(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Released checkpoints, and at most one .pkl of centers.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the towers.", show_default=False)],
    modality: Annotated[
        str | None,
        typer.Option(
            "--modality",
            "-m",
            metavar="MODALITY",
            help="Modality of the centers. Default: that of the fitted checkpoint.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Split imagebind_huge.pth, or UniBind's checkpoints, into one safetensors file per tower.

    Afterwards only the towers in use are read, memory-mapped. With a checkpoint that UniBind has fitted, or with its
    centers, the folder becomes a model for --model. No code in the files is executed.

    Examples:
      $ unibind weights convert imagebind_huge.pth weights/imagebind
      $ unibind weights convert fitted_audio.pt audio_centers.pkl models/unibind-audio
    """
    from ..compat.released_checkpoint import convert as convert_released

    with progress_stages() as stage:

        def show(tower: str, count: int) -> None:
            stage(f"converting {tower}", None)

        converted = convert_released(files, out, modality=modality, force=force, progress=show)
    if json:
        print_json({"folder": str(out), **asdict(converted)})
        return
    print_table(("tower", "fingerprint"), list(converted.towers.items()))
    if converted.heads or converted.centers:
        notify(f"to use the model: unibind classify FILE --model {out}")
    else:
        notify(f"to use the towers: --backbone imagebind --weights {out}")


add_verb(app, "convert", convert)
