"""`unibind inspect`: what is in files, in words and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._console import ADVANCED, OUTPUT, ForceOption, JsonOption, ModalityOption, notify, print_json, print_table


def inspect(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of any modality.", show_default=False)],
    modality: ModalityOption = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Draw what was read.", rich_help_panel=OUTPUT)
    ] = None,
    max_seconds: Annotated[
        float, typer.Option(metavar="S", help="Refuse longer audio and video.", rich_help_panel=ADVANCED)
    ] = 3600.0,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Read files and show what is in them: sizes, units, durations, counts.

    One unreadable file does not stop the others; the exit code is then 2.

    Examples:
      $ unibind inspect dog.wav bunny.ply
      $ unibind inspect people.jpg --modality thermal --png people.png
      $ unibind inspect recordings/*.aedat4 --json
    """
    from ..files import check_output
    from ..modalities.inspection import inspect_files, save_contact_sheet
    from ..modalities.limits import Limits
    from ..progress import progress_bar

    if png is not None:
        check_output(png, force=force)
    limits = Limits(max_seconds=max_seconds)
    with progress_bar("reading", len(files)) as advance:
        inspected = inspect_files(files, modality=modality, limits=limits, keep_raw=png is not None, progress=advance)
    readable = [item for item in inspected if item.error is None]
    if json:
        print_json([item.to_json() for item in inspected])
    else:
        rows = [(i.file, i.modality, ", ".join(f"{n} {v}" for n, v in i.facts.items())) for i in readable]
        if rows:
            print_table(("file", "modality", "content"), rows)
        for item in inspected:
            if item.error is not None:
                notify(f"unibind: {item.error}")
    if png is not None and readable:
        save_contact_sheet(inspected, png)
        notify(f"the picture: {png}")
    if len(readable) < len(inspected):
        raise typer.Exit(2)
