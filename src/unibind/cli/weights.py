"""`unibind weights`: make released weights quick and safe to load."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ._console import JsonOption, print_json, print_table, progress_bar, say

app = typer.Typer(help="Weights of real encoders.", no_args_is_help=True)


@app.callback()
def _weights() -> None:
    """Weights of real encoders."""


@app.command()
def convert(
    files: Annotated[
        list[Path], typer.Argument(help="Released checkpoints, and a .pkl of centers.", show_default=False)
    ],
    out: Annotated[Path, typer.Argument(help="Folder for the towers.", show_default=False)],
    modality: Annotated[
        str | None, typer.Option("--modality", "-m", help="What the centers are for. Default: what was fitted.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what the folder holds.")] = False,
    json: JsonOption = False,
) -> None:
    """Split imagebind_huge.pth, or UniBind's checkpoints, into one safetensors file a tower.

    Only the towers in use are then read, memory-mapped. A checkpoint that UniBind has fitted, or its centers, make the
    folder a model for --model. Nothing in the files is executed.

    \b
    unibind weights convert imagebind_huge.pth weights/imagebind
    unibind weights convert fitted_audio.pt audio_centers.pkl models/unibind-audio
    """
    from ..compat.released_checkpoint import convert as convert_released

    with progress_bar() as bar:
        task = bar.add_task("reading", total=None)

        def show(tower: str, count: int) -> None:
            bar.update(task, description=f"converting {tower}", total=count, advance=1)

        done = convert_released(files, out, modality=modality, force=force, progress=show)
    if json:
        print_json({"folder": str(out), **asdict(done)})
    else:
        print_table(("tower", "fingerprint"), list(done.towers.items()))
        if done.heads or done.centers:
            say(f"a model: unibind classify FILE --model {out}")
        else:
            say(f"to use it: --backbone imagebind --weights {out}")
