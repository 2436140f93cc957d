"""`unibind inspect`: what was read from files, in words and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._console import JsonOption, ModalityOption, print_json, print_table, progress_bar, say

if TYPE_CHECKING:
    from ..modalities.spec import Raw


def inspect(
    files: Annotated[list[Path], typer.Argument(help="Files of any modality.", show_default=False)],
    modality: ModalityOption = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw what was read into this PNG.")] = None,
    max_seconds: Annotated[float, typer.Option(help="Refuse longer audio and video.")] = 3600.0,
    json: JsonOption = False,
) -> None:
    """Read files and say what is in them: sizes, units, durations, counts.

    One unreadable file does not stop the rest; the exit code is 2 if there was one.

    \b
    unibind inspect dog.wav bunny.ply
    unibind inspect people.jpg --modality thermal --png people.png
    unibind inspect recordings/*.aedat4 --json
    """
    from ..errors import UnibindError
    from ..modalities.limits import Limits
    from ..modalities.reading import read

    found: list[dict[str, object]] = []
    raws, errors = [], 0
    with progress_bar() as progress:
        for file in progress.track(files, description="reading"):
            try:
                raw = read(file, modality, limits=Limits(max_seconds=max_seconds))
            except UnibindError as error:
                errors += 1
                found.append({"file": str(file), "error": str(error)})
                continue
            found.append({"file": str(file), "modality": raw.modality, **raw.summary()})
            raws.append((file.name, raw))
    if json:
        print_json(found)
    else:
        facts = [f for f in found if "error" not in f]
        rows = [(f["file"], f["modality"], _facts(f)) for f in facts]
        if rows:
            print_table(("file", "modality", "what was read"), rows)
        for f in found:
            if "error" in f:
                say(f"unibind: {f['error']}")
    if png is not None and raws:
        _draw(raws, png)
        say(f"drawn in {png}")
    if errors:
        raise typer.Exit(2)


def _facts(found: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in found.items() if name not in ("file", "modality"))


def _draw(raws: list[tuple[str, Raw]], png: Path) -> None:
    from ..modalities.pictures import grid, picture, save_png

    pictures = [picture(raw, 320) for _, raw in raws]
    save_png(grid(pictures, min(3, len(pictures)), [name for name, _ in raws]), png)
