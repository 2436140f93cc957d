"""`unibind knowledge embed`: embeddings of a base, cached in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._backbone_options import NO_CHOICE, BackboneChoice, with_backbone_options
from .._console import ADVANCED, JsonOption, notify, print_json


@with_backbone_options
def embed(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Folder of a base.")],
    backbone: BackboneChoice = NO_CHOICE,
    batch_size: Annotated[
        int, typer.Option(min=1, metavar="COUNT", help="Texts per batch.", rich_help_panel=ADVANCED)
    ] = 64,
    json: JsonOption = False,
) -> None:
    """Embed the descriptions of a base that have no embedding yet, for `fit`, `eval` and the filters.

    Embeddings are cached by text and contract, so only new texts of a base are embedded. The command can be stopped and
    run again at any time.

    Examples:
      $ unibind knowledge embed kb
      $ unibind knowledge embed kb --backbone transformers:openai/clip-vit-base-patch32 --json
    """
    from ...data.opening import open_backbone
    from ...knowledge.embedding import embed_folder

    result = embed_folder(base, open_backbone(**backbone.arguments, only_texts=True), batch_size=batch_size)
    if json:
        print_json(
            {
                "base": str(base),
                "descriptions": result.descriptions,
                "embedded": result.embedded,
                "seconds": round(result.seconds, 3),
            }
        )
    else:
        new = f"{result.embedded:,} newly embedded in {result.seconds:.1f} s"
        notify(f"{result.descriptions:,} descriptions in {base}, {new}")
